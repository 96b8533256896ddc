// Owns doctor's look at the agent's login and session: may it log in, what may it do, too little or too much, and does
// the session role fit the leash.

import type { Examiner, MadeToken } from '../../adapters/vault/examine.ts';
import { formatDuration, wholeSeconds } from '../../domain/duration.ts';
import { addTo, intoPolicy, policyLine } from '../../domain/policy-line.ts';
import type { Profile } from '../../domain/profile.ts';
import type { Secret } from '../../domain/secret.ts';
import { LOGIN, SESSION } from '../../policy/names.ts';
import { missingLine } from '../../policy/permits.ts';
import { profileRequests, sampleRequest } from '../../policy/requests.ts';
import { FORBIDDEN, loginNeed, type Need, sessionNeeds } from '../../policy/session-needs.ts';
import type { AgentConfig } from '../../schema/config.ts';
import { type Live, problemOf } from '../inspect/live.ts';
import { permission } from '../inspect/permission.ts';
import type { PolicyBook } from '../inspect/policy-book.ts';
import { namesOf } from '../policy/inputs.ts';
import { error, type Finding, info, ok, warning } from './finding.ts';

export async function session(
  live: Live,
  config: AgentConfig,
  profiles: readonly Profile[],
  book: PolicyBook | null,
): Promise<Finding[]> {
  const { vault, outcome } = live;
  const { method } = config.vault.auth;
  if (outcome.step === 'skipped') {
    const skipped = info(
      'vault.login',
      `the login (${method}) was not tried`,
      outcome.why,
      'the running agent shows whether it is logged in: tasklease health',
    );
    if (outcome.kept === null) return [skipped];
    return [skipped, ...(await rights(vault, outcome.kept, [], config, profiles))];
  }
  if (outcome.step !== 'ready') {
    const { message, hint } = outcome.problem;
    const id = outcome.step === 'login' ? 'vault.login' : 'vault.session';
    const reason = 'without a session nothing can be leased';
    const before = outcome.step === 'login' ? [] : [ok('vault.login', `the login (${method}) works`)];
    const next = outcome.refused === null ? null : await loginLine(outcome.refused, book, config);
    return [...before, error(id, message, reason, next ?? hint ?? 'compare vault-policies/')];
  }
  const made = outcome.session;
  const shape = sessionFault(made, config);
  return [
    ok('vault.login', `the login (${method}) works`),
    ...(await loginLeft(live, config)),
    shape ?? ok('vault.session', `the session role ${config.vault.session_role} makes a periodic orphan`),
    ...(shape === null ? [await leash(vault, made, config)] : []),
    ...(await rights(vault, made.token, made.policies, config, profiles)),
  ];
}

/** The line that the login's policy lacks, where its text is known. */
async function loginLine(
  names: readonly string[],
  book: PolicyBook | null,
  config: AgentConfig,
): Promise<string | null> {
  if (book === null) return null;
  const sources = { names: names.length === 0 ? [LOGIN] : names, book, rights: null, unasked: '' };
  const { permitted, into, add } = await permission(loginNeed(namesOf(config)), sources);
  return permitted === false ? addTo(into, add!) : null;
}

/** An operator's token is not ours to renew: when does it end? */
async function loginLeft({ vault, outcome }: Live, { vault: { auth } }: AgentConfig): Promise<Finding[]> {
  if (auth.method !== 'token_file' || outcome.step !== 'ready') return [];
  const seen = await vault.read(outcome.login, 'auth/token/lookup-self');
  const ttl = seen?.ttl;
  if (typeof ttl !== 'number' || ttl === 0) return [];
  const what = `the token in ${auth.token_file} ends in ${formatDuration(ttl * 1000)}`;
  if (ttl > 3600) return [ok('vault.login-token', what)];
  return [
    warning(
      'vault.login-token',
      what,
      'the agent needs it again when its session was lost, or at its next start',
      'renew it, or put another one there',
    ),
  ];
}

function sessionFault(made: MadeToken, { vault }: AgentConfig): Finding | null {
  const leashSeconds = wholeSeconds(vault.leash);
  const wrong =
    made.type !== 'service'
      ? `a token of type ${made.type}`
      : !made.orphan
        ? 'a token that dies with the login'
        : !made.renewable
          ? 'a token that cannot be renewed'
          : null;
  const id = 'vault.session';
  const next = `vault write auth/token/roles/${vault.session_role} @session-role.json, with token_period=${leashSeconds}s (vault-policies/)`;
  if (wrong !== null)
    return error(id, `the session role ${vault.session_role} makes ${wrong}`, 'the agent refuses it', next);
  if (made.ttlSeconds === leashSeconds) return null;
  return error(
    'vault.leash',
    `vault.leash is ${formatDuration(vault.leash)}, but the session role ${vault.session_role} says ${formatDuration(made.ttlSeconds * 1000)}`,
    'the agent refuses a session whose period is not the leash',
    next,
  );
}

async function leash(vault: Examiner, made: MadeToken, { vault: settings }: AgentConfig): Promise<Finding> {
  const id = 'vault.leash';
  try {
    const granted = await vault.renew(made.token);
    if (granted >= made.ttlSeconds - 1)
      return ok(
        id,
        `the leash is ${formatDuration(settings.leash)}, as the session role says, and is renewed in full`,
      );
    return error(
      id,
      `a renewal of the session grants ${granted}s only`,
      'it reaches a max TTL, and every task ends there',
      `take token_explicit_max_ttl off role ${settings.session_role}`,
    );
  } catch (failure) {
    const { message, hint } = problemOf(failure);
    return error(
      id,
      message,
      'a session that cannot be renewed ends after one leash, with all tasks',
      hint ?? 'compare vault-policies/session.hcl',
    );
  }
}

async function rights(
  vault: Examiner,
  token: Secret,
  policies: readonly string[],
  config: AgentConfig,
  profiles: readonly Profile[],
): Promise<Finding[]> {
  const needs = sessionNeeds(namesOf(config), profiles);
  const secrets = profiles.flatMap((profile) =>
    profileRequests(profile).map((request) => sampleRequest(profile, request).path),
  );
  const paths = [...new Set([...needs.map(({ path }) => path), ...secrets, ...FORBIDDEN])];
  const has = await vault.rights(token, paths);
  const where = intoPolicy(policies.length === 0 ? [SESSION] : policies);
  if (has === null) {
    const line = policyLine('sys/capabilities-self', 'update');
    return [
      warning(
        'vault.session-rights',
        'what the session may do could not be asked',
        'neither a right that is missing nor one that is too broad can be seen; the agent cannot see it either',
        addTo(where, line),
      ),
    ];
  }
  const missing = needs.filter((need) => !allows(has[need.path] ?? [], need));
  const found = missing.map((need) => {
    const say = need.optional === true ? warning : error;
    const line = missingLine(need);
    return say(
      `vault.session-rights`,
      `the session may not ${need.why}`,
      `${need.method} ${need.path} is refused`,
      addTo(where, line),
    );
  });
  if (found.length === 0)
    found.push(
      ok('vault.session-rights', `the session may do all that the agent needs (${needs.length} requests)`),
    );
  return [...found, ...breadth(has, secrets, policies, config)];
}

const allows = (has: readonly string[], { capabilities }: Need): boolean =>
  has.includes('root') || capabilities.every((one) => has.includes(one));

function breadth(
  has: Readonly<Record<string, readonly string[]>>,
  secrets: readonly string[],
  policies: readonly string[],
  { vault }: AgentConfig,
): Finding[] {
  const id = 'vault.session-breadth';
  const next = `let token role ${vault.session_role} allow the policy tasklease-session only (vault-policies/session-role.json)`;
  const may = (path: string) => (has[path] ?? []).filter((one) => one !== 'deny');
  const found: Finding[] = [];
  const readable = [...new Set(secrets)].filter((path) => may(path).some((one) => one !== 'list'));
  for (const path of readable) {
    const say = vault.allow_broad_session ? warning : error;
    found.push(
      say(
        id,
        `the session itself may ${may(path).join(' and ')} ${path}`,
        'a stolen session would be a stolen secret; the agent refuses it',
        next,
      ),
    );
  }
  const wide = FORBIDDEN.filter((path) => may(path).length > 0);
  if (wide.length > 0)
    found.push(
      warning(
        id,
        `the session may more than it needs: ${wide.map((path) => `${may(path).join(' and ')} ${path}`).join(', ')}`,
        'a stolen session could change what Vault allows',
        next,
      ),
    );
  const extra = policies.filter((name) => name === 'default' || name === 'root');
  if (extra.length > 0)
    found.push(
      warning(
        id,
        `the session has the policy ${extra.join(' and ')}`,
        'it is more than the agent needs',
        `${next}, with token_no_default_policy=true`,
      ),
    );
  return found.length > 0 ? found : [ok(id, 'the session can read no secret and change nothing in Vault')];
}
