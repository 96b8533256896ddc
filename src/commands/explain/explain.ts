// Owns the gathering of an explanation: the start as the agent would settle it, what policies say of its requests, what
// Vault can be asked. Invariant: nothing is leased; what is made at Vault to ask with is revoked; what could not be
// asked is said.

import { join } from 'node:path';
import type { Settings } from '../../adapters/settings/agent-settings.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { vaultOptions } from '../../compose/vault.ts';
import { wholeSeconds } from '../../domain/duration.ts';
import { readAddTo } from '../../domain/policy-line.ts';
import type { Profile } from '../../domain/profile.ts';
import type { Secret } from '../../domain/secret.ts';
import { LOGIN, SESSION, SESSION_JWT } from '../../policy/names.ts';
import { loginNeed, sessionNeeds } from '../../policy/session-needs.ts';
import { enter, type Live, problemOf } from '../inspect/live.ts';
import type { Sources } from '../inspect/permission.ts';
import { type PolicyBook, vaultPolicies } from '../inspect/policy-book.ts';
import type { RoleLack } from '../inspect/role-lines.ts';
import { namesOf } from '../policy/inputs.ts';
import { identityOf, notesOf, powers } from './around.ts';
import { type FileLine, fileLines, type SecretLine, secretLine } from './files.ts';
import { type RequestLine, requestLines } from './requests.ts';
import { type Seen, withOperator, withoutSession } from './seen.ts';
import { type Asked, type Explained, explained } from './subject.ts';
import { type TimeLine, timeLines } from './time.ts';

export interface Explanation {
  readonly profile: string;
  readonly task: string;
  readonly params: Readonly<Record<string, string>>;
  readonly starter: { readonly uid: number; readonly gid: number };
  /** Why this start would be refused now, whatever Vault says. */
  readonly refused: readonly {
    readonly code: string;
    readonly detail: string;
    readonly hint: string | null;
  }[];
  readonly notes: readonly string[];
  readonly requests: readonly RequestLine[];
  readonly time: readonly TimeLine[];
  readonly dir: string;
  readonly files: readonly FileLine[];
  readonly secrets: readonly SecretLine[];
  readonly vault: { readonly asked: boolean; readonly why: string | null };
}

export interface Request {
  readonly settings: Settings;
  readonly profile: Profile;
  readonly asked: Asked;
  readonly files: PolicyBook | null;
  readonly operator: Secret | null;
  readonly offline: boolean;
}

/** @throws Problem for a start that the profile refuses */
export async function explain(request: Request): Promise<Explanation> {
  const { settings, profile, asked, offline } = request;
  const { config } = settings;
  const subject = explained(profile, asked, systemClock().now());
  const options = { ...vaultOptions(config, settings.environment), allowBroadSession: true };
  const live = offline
    ? null
    : await enter(options, config.runtime_dir, request.files === null && request.operator === null);
  let seen: Seen;
  let requests: readonly RequestLine[];
  try {
    seen = await look(live, request, subject);
    requests = await requestLines(subject, config, seen);
  } finally {
    await live?.vault.close();
  }
  return {
    profile: profile.name,
    task: asked.task,
    params: subject.settled.params,
    starter: { uid: asked.uid, gid: asked.gid },
    refused: subject.refusals.map(({ code, message, hint }) => ({
      code,
      detail: message,
      hint: hint ?? null,
    })),
    notes: notesOf(profile),
    requests,
    time: timeLines(subject, config, seen.max, seen.why ?? READ_ROLE),
    dir: join(config.secrets_dir, asked.task, 'current'),
    files: fileLines(subject, powers(config.runtime_dir)),
    secrets: seen.secrets,
    vault: { asked: seen.why === null, why: seen.why },
  };
}

const READ_ROLE = 'give a token that may read auth/token/roles (--token-file, VAULT_TOKEN)';

async function look(live: Live | null, request: Request, subject: Explained): Promise<Seen> {
  const { settings, profile, files, operator, offline } = request;
  const { config } = settings;
  const { plan, latestDeadline } = subject.settled;
  const book = files ?? (operator === null || live === null ? null : vaultPolicies(live.vault, operator));
  const sessionPolicies =
    profile.login === undefined || files === null
      ? [SESSION]
      : await firstKnown(files, [SESSION_JWT, SESSION]);
  const known = identityOf(subject);
  const unknown = (why: string): Seen => ({
    login: { names: [LOGIN], book, rights: null, unasked: why },
    lack: null,
    session: { names: sessionPolicies, book, rights: null, unasked: why },
    task: { names: plan.policies, book, rights: null, unasked: why, known },
    max: null,
    secrets: plan.asks.map(({ secret, path }) => secretLine(secret, path, null, null)),
    why: book === null || offline ? why : null,
  });
  if (live === null)
    return unknown(files === null ? '--offline; give --policies DIR to judge by files' : '--offline');
  const { vault, outcome } = live;
  if (operator !== null) return withOperator(live, operator, unknown(''), config, plan);
  if (outcome.step === 'skipped')
    return unknown(
      files === null
        ? `${outcome.why}; give --policies DIR, or a token that may read policies (--token-file, VAULT_TOKEN)`
        : READ_ROLE,
    );
  if (outcome.step !== 'ready')
    return withoutSession(
      unknown(
        `${outcome.problem.message}: ${outcome.problem.hint ?? ''}; give --policies DIR to judge by files`,
      ),
      outcome.refused,
      loginNeed(namesOf(config)).path,
    );
  const { session } = outcome;
  const needs = sessionNeeds(namesOf(config), [profile]).map(({ path }) => path);
  const rights = await vault.rights(session.token, needs);
  const ofSession: Sources = {
    names: session.policies,
    book,
    rights,
    unasked: 'the session may not ask what it may do (sys/capabilities-self)',
  };
  const made = loginNeed(namesOf(config)).path;
  const ofLogin: Sources = { names: [LOGIN], book: null, rights: { [made]: ['update'] }, unasked: '' };
  const without = (why: string, lack: RoleLack | null = null): Seen => {
    const { task, secrets } = unknown(why);
    return { login: ofLogin, session: ofSession, task, lack, max: null, secrets, why: null };
  };
  if (plan.login !== undefined)
    return without('the token comes from a login with the assertion; give --policies DIR');
  if (plan.entityAlias !== undefined)
    return without('a token with an entity alias would leave an entity in Vault; give --policies DIR');
  const ttlSeconds = wholeSeconds(latestDeadline - subject.now.at);
  try {
    const token = await vault.taskToken(session.token, { policies: plan.policies, ttlSeconds });
    const paths = [...new Set(plan.asks.map(({ path }) => path))];
    const rightsOfTask = await vault.rightsOf(session.token, token.accessor, paths);
    const secrets: SecretLine[] = [];
    for (const { secret, path } of plan.asks) {
      const mayLook = rightsOfTask?.[path]?.includes('deny') === false;
      secrets.push(secretLine(secret, path, mayLook ? await vault.engine(token.token, path) : null, null));
    }
    return {
      login: ofLogin,
      lack: null,
      session: ofSession,
      task: {
        names: plan.policies,
        book,
        rights: rightsOfTask,
        unasked:
          'the session may not ask what a token may do (sys/capabilities-accessor); give --policies DIR',
        known,
      },
      max:
        token.ttlSeconds < ttlSeconds - 1
          ? { seconds: token.ttlSeconds, from: `what role ${config.vault.token_role} gives at most` }
          : null,
      secrets,
      why: null,
    };
  } catch (error) {
    const { message, hint } = problemOf(error);
    const lack = readAddTo(hint ?? '');
    return without(
      `no task token was to be had: ${message}: ${hint ?? ''}`,
      lack && { ...lack, why: message },
    );
  }
}

async function firstKnown(book: PolicyBook, names: readonly string[]): Promise<readonly string[]> {
  for (const name of names) if ((await book.policy(name)) !== null) return [name];
  return names.slice(-1);
}
