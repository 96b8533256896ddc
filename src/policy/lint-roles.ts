// Owns the rules of lint about roles: the session's, the task tokens', and those that agents and tasks log in with.
// Invariant: what a role leaves out counts as what Vault takes then.

import { formatDuration, parseDuration } from '../domain/duration.ts';
import type { Profile } from '../domain/profile.ts';
import type { LintRole } from './lint-kinds.ts';
import type { Finding } from './lint-rules.ts';
import type { Policy } from './model.ts';
import { policiesOf } from './names.ts';
import { longestMs } from './roles.ts';

export interface RoleContext {
  readonly leashMs: number;
  readonly profiles: readonly Profile[];
  readonly policies: readonly Policy[];
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Milliseconds of what Vault takes for a duration; 0 where it is left out. */
export function msOf(value: unknown): number {
  if (typeof value === 'number') return value * 1000;
  if (typeof value !== 'string' || value === '') return 0;
  return /^\d+$/.test(value) ? Number(value) * 1000 : (parseDuration(value) ?? Number.POSITIVE_INFINITY);
}

const list = (value: unknown): string[] =>
  typeof value === 'string'
    ? value.split(',').map((each) => each.trim())
    : Array.isArray(value)
      ? value.map(String)
      : [];

export function lintRole(role: LintRole, context: RoleContext): Finding[] {
  const { body, kind, file } = role;
  if (kind === 'other') return [];
  const found: Finding[] = [];
  const say = (rule: string, says: string) => void found.push({ rule, file, says });
  const names = list(body.allowed_policies).concat(
    list(body.allowed_policies_glob),
    list(body.token_policies),
    list(body.policies),
  );
  for (const name of ['root', 'default']) {
    if (names.includes(name)) say('TL026', `gives the policy ${name}: take it out`);
  }
  if (kind !== 'additions') {
    if (body.token_no_default_policy !== true)
      say('TL004', 'does not exclude the default policy: set token_no_default_policy to true');
    if (body.token_type !== 'service')
      say('TL006', 'does not say token_type service: a batch token cannot be revoked');
    if (msOf(body.token_num_uses) > 0)
      say('TL029', 'has token_num_uses: Vault would revoke the leases at the last use');
  }
  if (kind === 'session') lintSessionRole(body, context, say);
  if (kind === 'token' || kind === 'additions') lintTokenRole(role, context, say);
  if (kind === 'jwt') lintJwtRole(body, context, say);
  if (kind === 'approle' || kind === 'kubernetes') lintLoginRole(role, say);
  return found;
}

type Say = (rule: string, says: string) => void;

function lintSessionRole(body: LintRole['body'], { leashMs, policies }: RoleContext, say: Say): void {
  if (body.orphan !== true)
    say('TL016', 'does not make orphans: the session would die with the login; set orphan to true');
  const period = msOf(body.token_period ?? body.period);
  const leash = formatDuration(leashMs);
  if (period === 0) say('TL015', `has no token_period: set it to the leash, ${leash}`);
  else if (period !== leashMs)
    say(
      'TL015',
      `has a token_period of ${formatDuration(period)}, but the leash is ${leash}: they must be equal`,
    );
  if (body.renewable === false) say('TL033', 'makes tokens that cannot be renewed: set renewable to true');
  if (msOf(body.token_explicit_max_ttl ?? body.explicit_max_ttl) > 0)
    say('TL033', 'has token_explicit_max_ttl: every task would end with the session; take it out');
  const allowed = [...list(body.allowed_policies), ...list(body.allowed_policies_glob)];
  const session = (name: string) => /session/.test(name) && !name.includes('*');
  if (allowed.length === 0)
    say('TL022', 'has no allowed_policies: the session would have those of the login');
  for (const name of allowed.filter(
    (each) =>
      !session(each) &&
      !policies.some(
        (policy) => policy.name === each && policy.rules.some(({ path }) => path === 'sys/leases/revoke'),
      ),
  )) {
    say('TL022', `gives the policy ${name}: allow the policy of the session only`);
  }
}

function lintTokenRole({ body, kind }: LintRole, { profiles, policies }: RoleContext, say: Say): void {
  const globs = list(body.allowed_policies_glob);
  const exact = list(body.allowed_policies);
  const known = new Set([
    ...profiles.filter(({ login }) => login === undefined).flatMap(policiesOf),
    ...policies.map(({ name }) => name),
  ]);
  for (const name of [...globs, ...exact]) {
    if (name.includes('*')) say('TL005', `allows ${name}: name the policies one by one`);
    else if (/(?:^|-)(?:session(?:-jwt)?|login)$/.test(name))
      say('TL005', `allows ${name}, which is the agent's own`);
    else if (known.size > 0 && !known.has(name) && !['root', 'default'].includes(name))
      say('TL005', `allows ${name}, which no profile and no policy here has: take it out`);
  }
  if (exact.length > 0) say('TL031', 'has allowed_policies: list them under allowed_policies_glob instead');
  const aliases = list(body.allowed_entity_aliases);
  if (aliases.some((name) => /^\*+$/.test(name)))
    say('TL025', 'allows any entity alias: say how they begin, such as c-*');
  if (kind === 'additions') return;
  if (globs.length + exact.length === 0)
    say(
      'TL005',
      'lists no policy: tokens may have any of the session; list them under allowed_policies_glob',
    );
  if (body.orphan === true)
    say('TL016', 'makes orphans: they would outlive a dead agent; set orphan to false');
  if (body.renewable !== false) say('TL008', 'makes renewable tokens: set renewable to false');
  if (msOf(body.token_period ?? body.period) > 0)
    say('TL007', 'makes periodic tokens: take token_period out');
  const members = profiles.filter((profile) => policiesOf(profile).some((policy) => globs.includes(policy)));
  const all = globs.every((name) => members.some((profile) => policiesOf(profile).includes(name)));
  ceiling(body, all && members.length > 0 ? longestMs(members) + 60_000 : DAY, say);
}

function ceiling(body: LintRole['body'], mostMs: number, say: Say): void {
  for (const key of ['token_explicit_max_ttl', 'explicit_max_ttl', 'token_max_ttl', 'token_ttl']) {
    const ms = msOf(body[key]);
    if (ms > mostMs)
      say(
        'TL009',
        `has a ${key} of ${formatDuration(ms)}: no task of these profiles lives longer than ${formatDuration(mostMs)}`,
      );
  }
}

function lintJwtRole(body: LintRole['body'], { leashMs, profiles, policies }: RoleContext, say: Say): void {
  if (list(body.bound_audiences).length === 0)
    say('TL011', 'has no bound_audiences: name the audience of the profile (allow.assertion.audience)');
  const claims = Object.entries((body.bound_claims ?? {}) as Record<string, unknown>);
  if (claims.length === 0 && !body.bound_subject)
    say('TL012', 'has no bound_claims: every assertion of the issuer would be taken');
  for (const [name, value] of claims) {
    if (body.bound_claims_type === 'glob' && list(value).some((each) => /^\*+$/.test(each)))
      say('TL012', `takes any ${name}: bind it to what the profile says`);
  }
  const ttl = msOf(body.token_ttl);
  if (ttl === 0)
    say(
      'TL013',
      `has no token_ttl, so Vault gives 768h: set it to the leash, ${formatDuration(leashMs)}, or less`,
    );
  else if (ttl > leashMs)
    say('TL013', `has a token_ttl of ${formatDuration(ttl)}, above the leash of ${formatDuration(leashMs)}`);
  if (msOf(body.token_period) > 0) say('TL007', 'makes periodic tokens: take token_period out');
  const given = list(body.token_policies);
  const members = profiles.filter(
    (profile) => profile.login !== undefined && policiesOf(profile).some((policy) => given.includes(policy)),
  );
  const longest = members.length === 0 ? DAY : longestMs(members) + 60_000;
  ceiling({ ...body, token_ttl: 0 }, longest, say);
  const templated = policies.some(
    (policy) =>
      given.includes(policy.name) &&
      policy.rules.some(({ path }) => /aliases\.[^.}]+\.metadata\./.test(path)),
  );
  if (templated && body.user_claim !== 'jti') {
    say(
      'TL010',
      `has user_claim ${String(body.user_claim)}, and its policy looks at the alias's metadata: take a claim that is unique to a job, such as jti`,
    );
  }
}

function lintLoginRole({ body, kind }: LintRole, say: Say): void {
  for (const name of list(body.token_policies).filter(
    (each) => !/(?:^|-)login$/.test(each) && !['root', 'default'].includes(each),
  )) {
    say('TL023', `gives the policy ${name}: the agent's login needs tasklease-login only`);
  }
  for (const key of ['token_ttl', 'token_max_ttl', 'token_period']) {
    if (msOf(body[key]) > HOUR)
      say(
        'TL035',
        `has a ${key} of ${formatDuration(msOf(body[key]))}: minutes are enough to make the session`,
      );
  }
  if (kind === 'approle') {
    if (body.bind_secret_id === false) say('TL030', 'needs no secret id: set bind_secret_id to true');
    if (msOf(body.secret_id_ttl) === 0) say('TL030', 'has secret ids that never end: set secret_id_ttl');
    return;
  }
  const any = [
    ...list(body.bound_service_account_names),
    ...list(body.bound_service_account_namespaces),
  ].some((name) => name.includes('*'));
  if (any) say('TL027', 'takes service accounts by a wildcard: name them');
  if (!body.audience) say('TL011', 'has no audience: tokens for other services would be taken');
}
