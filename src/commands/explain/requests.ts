// Owns the requests to Vault that a task causes, in order, with the line of a policy that permits each.

import type { Rights } from '../../adapters/vault/rights.ts';
import { timed } from '../../domain/ask.ts';
import { wholeSeconds } from '../../domain/duration.ts';
import { neededFor } from '../../domain/needed.ts';
import type { AgentConfig } from '../../schema/config.ts';
import { type Permission, permission, type Sources } from '../inspect/permission.ts';
import { sessionNeeds } from '../inspect/session-needs.ts';
import type { Explained } from './subject.ts';

export interface RequestLine extends Permission {
  readonly token: 'session' | 'task' | 'none';
  readonly purpose: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>> | null;
}

export interface Knowledge {
  readonly session: Sources;
  readonly task: Sources;
}

export async function requestLines(
  explained: Explained,
  config: AgentConfig,
  { session, task }: Knowledge,
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
  } else {
    const { mount, role } = plan.login;
    lines.push({
      token: 'none',
      purpose: 'log in with the assertion',
      method: 'POST',
      path: `auth/${mount}/login`,
      body: { role, jwt: 'the assertion' },
      permitted: null,
      by: null,
      why: 'a login needs no policy: the role decides by its bound audiences and claims',
      add: null,
      policies: [],
    });
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
  for (const need of sessionNeeds(config, [profile])) {
    if (need.path.startsWith('auth/token/create/') || need.optional === true) continue;
    // What is in them is known only then: the limits on their parameters are policy test's.
    lines.push({
      token: 'session',
      purpose: need.why,
      method: need.method,
      path: need.path,
      body: null,
      ...(await permission(
        { path: need.path, capabilities: need.capabilities, body: bodyOf(need.path) },
        session,
      )),
    });
  }
  return lines;
}

/** As the agent sends them, for the limits on parameters. */
function bodyOf(path: string): Record<string, unknown> {
  if (path === 'sys/leases/revoke') return { lease_id: LEASE, sync: true };
  if (path === 'sys/leases/renew') return { lease_id: LEASE, increment: 60 };
  if (path === 'sys/leases/lookup') return { lease_id: LEASE };
  if (path === 'auth/token/renew-accessor') return { accessor: 'accessor', increment: 60 };
  return path.endsWith('-accessor') ? { accessor: 'accessor' } : {};
}

const LEASE = 'lease';

export type { Rights };
