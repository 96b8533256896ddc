// Owns the gathering of an explanation: the start as the agent would settle it, what policies say of its requests, what
// Vault can be asked. Invariant: nothing is leased; what is made at Vault to ask with is revoked; what could not be
// asked is said.

import { join } from 'node:path';
import type { Settings } from '../../adapters/settings/agent-settings.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { vaultOptions } from '../../compose/vault.ts';
import { wholeSeconds } from '../../domain/duration.ts';
import type { Profile } from '../../domain/profile.ts';
import type { Secret } from '../../domain/secret.ts';
import { enter, type Live, problemOf } from '../inspect/live.ts';
import type { Sources } from '../inspect/permission.ts';
import { type PolicyBook, vaultPolicies } from '../inspect/policy-book.ts';
import { sessionNeeds } from '../inspect/session-needs.ts';
import { identityOf, notesOf, powers } from './around.ts';
import { type FileLine, fileLines, type SecretLine, secretLine } from './files.ts';
import { type RequestLine, requestLines } from './requests.ts';
import { type Asked, type Explained, explained } from './subject.ts';
import { type RoleMax, type TimeLine, timeLines } from './time.ts';

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

interface Seen {
  readonly session: Sources;
  readonly task: Sources;
  readonly max: RoleMax | null;
  readonly secrets: readonly SecretLine[];
  /** Why Vault was not asked; null where it was. */
  readonly why: string | null;
}

const SESSION = ['tasklease-session'];

async function look(live: Live | null, request: Request, subject: Explained): Promise<Seen> {
  const { settings, profile, files, operator, offline } = request;
  const { config } = settings;
  const { plan, latestDeadline } = subject.settled;
  const book = files ?? (operator === null || live === null ? null : vaultPolicies(live.vault, operator));
  const sessionPolicies =
    profile.login === undefined || files === null
      ? SESSION
      : await firstKnown(files, ['tasklease-session-jwt', ...SESSION]);
  const known = identityOf(subject);
  const unknown = (why: string): Seen => ({
    session: { names: sessionPolicies, book, rights: null, unasked: why },
    task: { names: plan.policies, book, rights: null, unasked: why, known },
    max: null,
    secrets: plan.asks.map(({ secret, path }) => secretLine(secret, path, null, null)),
    why: book === null || offline ? why : null,
  });
  if (live === null)
    return unknown(files === null ? '--offline; give --policies DIR to judge by files' : '--offline');
  const { vault, outcome } = live;
  if (operator !== null) return withOperator(live, operator, unknown(''), config.vault.token_role, plan.asks);
  if (outcome.step === 'skipped')
    return unknown(
      files === null
        ? `${outcome.why}; give --policies DIR, or a token that may read policies (--token-file, VAULT_TOKEN)`
        : READ_ROLE,
    );
  if (outcome.step !== 'ready')
    return unknown(
      `${outcome.problem.message}: ${outcome.problem.hint ?? ''}; give --policies DIR to judge by files`,
    );
  const { session } = outcome;
  const needs = sessionNeeds(config, [profile]).map(({ path }) => path);
  const rights = await vault.rights(session.token, needs);
  const ofSession: Sources = {
    names: session.policies,
    book,
    rights,
    unasked: 'the session may not ask what it may do (sys/capabilities-self)',
  };
  const without = (why: string): Seen => {
    const { task, secrets } = unknown(why);
    return { session: ofSession, task, max: null, secrets, why: null };
  };
  if (plan.login !== undefined)
    return without('the token comes from a login with the assertion; give --policies DIR');
  if (plan.entityAlias !== undefined)
    return without('a token with an entity alias would leave an entity in Vault; give --policies DIR');
  const ttlSeconds = wholeSeconds(latestDeadline - subject.now.at);
  try {
    const made = await vault.taskToken(session.token, { policies: plan.policies, ttlSeconds });
    const paths = [...new Set(plan.asks.map(({ path }) => path))];
    const rightsOfTask = await vault.rightsOf(session.token, made.accessor, paths);
    const secrets: SecretLine[] = [];
    for (const { secret, path } of plan.asks) {
      const mayLook = rightsOfTask?.[path]?.includes('deny') === false;
      secrets.push(secretLine(secret, path, mayLook ? await vault.engine(made.token, path) : null, null));
    }
    return {
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
        made.ttlSeconds < ttlSeconds - 1
          ? { seconds: made.ttlSeconds, from: `what role ${config.vault.token_role} gives at most` }
          : null,
      secrets,
      why: null,
    };
  } catch (error) {
    const { message, hint } = problemOf(error);
    return without(`no task token was to be had: ${message}: ${hint ?? ''}`);
  }
}

/** With the operator's token policies, roles and mounts are read; nothing is made. */
async function withOperator(
  live: Live,
  operator: Secret,
  base: Seen,
  role: string,
  asks: Explained['settled']['plan']['asks'],
): Promise<Seen> {
  const { vault } = live;
  try {
    const settings = await vault.read(operator, `auth/token/roles/${role}`);
    const mount = await vault.read(operator, 'sys/auth/token/tune');
    const limits = [
      settings?.token_explicit_max_ttl,
      settings?.explicit_max_ttl,
      settings?.token_max_ttl,
      mount?.max_lease_ttl,
    ];
    const seconds = limits.filter((limit): limit is number => typeof limit === 'number' && limit > 0);
    const secrets: SecretLine[] = [];
    for (const { secret, path } of asks) {
      const engine = await vault.engine(operator, path);
      const pki =
        engine?.type === 'pki'
          ? await vault.read(operator, path.replace(/\/(?:issue|sign)\//, '/roles/'))
          : null;
      const generate = pki?.generate_lease;
      secrets.push(secretLine(secret, path, engine, typeof generate === 'boolean' ? generate : null));
    }
    return {
      ...base,
      max:
        seconds.length === 0
          ? null
          : { seconds: Math.min(...seconds), from: `as Vault reports of role ${role} and auth/token` },
      secrets,
    };
  } catch (error) {
    return { ...base, why: problemOf(error).message };
  }
}

async function firstKnown(book: PolicyBook, names: readonly string[]): Promise<readonly string[]> {
  for (const name of names) if ((await book.policy(name)) !== null) return [name];
  return names.slice(-1);
}
