// Owns the requests to Vault that a task causes, in order, with the line of a policy that permits each.

import { timed } from '../../domain/ask.ts';
import { wholeSeconds } from '../../domain/duration.ts';
import { neededFor } from '../../domain/needed.ts';
import { loginNeed, sessionNeeds } from '../../policy/session-needs.ts';
import type { AgentConfig } from '../../schema/config.ts';
import { type Permission, permission, type Sources } from '../inspect/permission.ts';
import type { RoleLack } from '../inspect/role-lines.ts';
import { namesOf } from '../policy/inputs.ts';
import type { Explained } from './subject.ts';

export interface RequestLine extends Permission {
  readonly token: 'login' | 'session' | 'task' | 'none';
  readonly purpose: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>> | null;
}

export interface Knowledge {
  readonly login: Sources;
  readonly session: Sources;
  readonly task: Sources;
  /** What the role of the task's token is known to lack. */
  readonly lack: RoleLack | null;
}

export async function requestLines(
  explained: Explained,
  config: AgentConfig,
  { login, session, task, lack }: Knowledge,
): Promise<RequestLine[]> {
  const { profile, asked, settled, now } = explained;
  const { plan } = settled;
  const lines: RequestLine[] = [];
  const add = async (
    line: Omit<RequestLine, keyof Permission>,
    sources: Sources,
    capabilities: Parameters<typeof permission>[0]['capabilities'],
  ) =>
    lines.push({
      ...line,
      ...(await permission(
        { path: line.path, capabilities, ...(line.body === null ? {} : { body: line.body }) },
        sources,
      )),
    });
  const names = namesOf(config);
  const first = loginNeed(names);
  await add({ token: 'login', purpose: first.why, method: 'POST', path: first.path, body: null }, login, [
    'update',
  ]);
  if (plan.login === undefined) {
    const body = {
      policies: plan.policies,
      ...(plan.entityAlias === undefined ? {} : { entity_alias: plan.entityAlias }),
      ttl: `${wholeSeconds(settled.latestDeadline - now.at)}s`,
      renewable: false,
      type: 'service',
      no_default_policy: true,
      display_name: `tasklease-${profile.name}`,
      meta: { task: asked.task, profile: profile.name },
    };
    const path = `auth/token/create/${config.vault.token_role}`;
    await add({ token: 'session', purpose: "make the task's token", method: 'POST', path, body }, session, [
      'update',
    ]);
    lines.push(withLack(lines.pop()!, lack));
  } else {
    const { mount, role } = plan.login;
    const asked: RequestLine = {
      token: 'none',
      purpose: 'log in with the assertion',
      method: 'POST',
      path: `auth/${mount}/login`,
      body: { role, jwt: 'the assertion' },
      permitted: null,
      by: null,
      why: 'a login needs no policy: the role decides by its bound audiences and claims',
      add: null,
      into: `role auth/${mount}/role/${role}`,
      policies: [],
    };
    lines.push(withLack(asked, lack));
  }
  for (const ask of plan.asks) {
    const sent = timed(ask, settled.deadline - now.at);
    const write = sent.method === 'write';
    await add(
      {
        token: 'task',
        purpose: `issue ${sent.secret}`,
        method: write ? 'POST' : 'GET',
        path: sent.path,
        body: write ? (sent.body ?? {}) : null,
      },
      task,
      neededFor(sent),
    );
  }
  for (const need of sessionNeeds(names, [profile])) {
    if (need.path.startsWith('auth/token/create/') || need.optional === true) continue;
    lines.push({
      token: 'session',
      purpose: need.why,
      method: need.method,
      path: need.path,
      body: null,
      ...(await permission(need, session)),
    });
  }
  return lines;
}

const withLack = (line: RequestLine, lack: RoleLack | null): RequestLine =>
  lack === null ? line : { ...line, permitted: false, by: null, policies: [], ...lack };
