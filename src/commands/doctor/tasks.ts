// Owns doctor's dry run of each profile: the token that its tasks would get is made, asked about, and revoked with its
// session. Invariant: no secret is read, and nothing stays in Vault; what that would take is said to be left out.

import type { Examiner, MadeToken } from '../../adapters/vault/examine.ts';
import type { Rights } from '../../adapters/vault/rights.ts';
import { formatDuration, wholeSeconds } from '../../domain/duration.ts';
import { addTo } from '../../domain/policy-line.ts';
import type { Profile } from '../../domain/profile.ts';
import type { Secret } from '../../domain/secret.ts';
import { identityOf } from '../../policy/lint-policies.ts';
import { profileRequests, sampleRequest, type TaskRequest } from '../../policy/requests.ts';
import type { AgentConfig } from '../../schema/config.ts';
import { problemOf } from '../inspect/live.ts';
import { permission, type Sources } from '../inspect/permission.ts';
import type { PolicyBook } from '../inspect/policy-book.ts';
import { loginPolicies } from '../inspect/role-lines.ts';
import { error, type Finding, info, ok, warning } from './finding.ts';

export async function tasks(
  vault: Examiner,
  session: MadeToken,
  config: AgentConfig,
  profiles: readonly Profile[],
  { book, operator }: Known,
): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const profile of profiles) {
    const requests = profileRequests(profile).map((request) => sampleRequest(profile, request));
    if (profile.login !== undefined || profile.entityAlias !== undefined) {
      const sources = { names: await policyNames(vault, profile, operator), rights: null, book };
      found.push(
        leftOut(profile),
        ...(await permitted(profile, requests, { ...sources, unasked: NOT_MADE })),
      );
      continue;
    }
    found.push(...(await dryRun(vault, session, config, profile, requests, book)));
  }
  return found;
}

/** What an administrator's eyes add. */
interface Known {
  readonly book: PolicyBook | null;
  readonly operator: Secret | null;
}

/** Where a profile leaves its policies to the role of its login, these. */
async function policyNames(
  vault: Examiner,
  { login, policies }: Profile,
  operator: Secret | null,
): Promise<readonly string[]> {
  if (login === undefined || policies.length > 0 || operator === null) return policies;
  const role = await vault.read(operator, `auth/${login.mount}/role/${login.role}`);
  return role === null ? policies : loginPolicies(role);
}

const NOT_MADE = 'no token was made to ask about';
const nameOf = ({ name }: Profile, what: string): string => `profile.${name}.${what}`;

const leftOut = (profile: Profile): Finding =>
  profile.login === undefined
    ? info(
        nameOf(profile, 'token'),
        `${profile.name}: no token was made for it`,
        'a token with an entity alias would leave an entity behind in Vault',
        `tasklease explain --profile ${profile.name} --policies DIR shows which lines permit its requests`,
      )
    : info(
        nameOf(profile, 'token'),
        `${profile.name}: no token was made for it`,
        `its tasks log in to auth/${profile.login.mount} with an assertion of their own`,
        `start one, or: tasklease explain --profile ${profile.name} --policies DIR`,
      );

async function dryRun(
  vault: Examiner,
  session: MadeToken,
  { vault: settings }: AgentConfig,
  profile: Profile,
  requests: readonly TaskRequest[],
  book: PolicyBook | null,
): Promise<Finding[]> {
  const id = nameOf(profile, 'token');
  const asked = wholeSeconds(profile.ttl.maxMs + profile.ttl.graceMs);
  let made: MadeToken;
  try {
    made = await vault.taskToken(session.token, { policies: profile.policies, ttlSeconds: asked });
  } catch (failure) {
    const { message, hint } = problemOf(failure);
    return [
      error(
        id,
        `${profile.name}: ${message}`,
        'its tasks get no token, so no start succeeds',
        hint ?? 'compare vault-policies/token-role.json',
      ),
    ];
  }
  const wrong = faultOf(made, profile, asked);
  const next = `vault write auth/token/roles/${settings.token_role} @token-role.json (vault-policies/)`;
  const token =
    wrong === null
      ? ok(
          id,
          `${profile.name}: token role ${settings.token_role} gives its tasks a token of up to ${formatDuration(asked * 1000)} with ${made.policies.join(', ')}`,
        )
      : error(id, `${profile.name}: the task token ${wrong.what}`, wrong.reason, wrong.next ?? next);
  const paths = [...new Set(requests.map(({ path }) => path))];
  const rights = await vault.rightsOf(session.token, made.accessor, paths);
  const unasked = 'the session may not ask what a token may do (sys/capabilities-accessor)';
  return [
    token,
    ...(await permitted(profile, requests, { names: profile.policies, book, rights, unasked })),
    ...(await engines(vault, made, profile, paths, rights)),
  ];
}

function faultOf(
  made: MadeToken,
  { policies, ttl }: Profile,
  asked: number,
): { what: string; reason: string; next?: string } | null {
  const refused = 'the agent refuses it, so no start succeeds';
  const extra = made.policies.filter((name) => !policies.some((own) => own.toLowerCase() === name));
  if (made.type !== 'service') return { what: `is of type ${made.type}`, reason: refused };
  if (extra.length > 0) return { what: `has ${extra.join(', ')} beside its own policies`, reason: refused };
  if (made.renewable) return { what: 'can be renewed', reason: 'it would outlive its deadline' };
  if (made.orphan) return { what: 'is an orphan', reason: 'it would outlive the agent' };
  if (made.ttlSeconds > asked)
    return {
      what: `lives ${made.ttlSeconds}s where ${asked}s were asked: the role has a period`,
      reason: refused,
    };
  if (made.ttlSeconds >= asked - 1) return null;
  const max = formatDuration(made.ttlSeconds * 1000);
  return {
    what: `lives at most ${max}, but ttl.max and grace are ${formatDuration(asked * 1000)}`,
    reason: 'a start that asks for more is refused',
    next: `lower ttl.max (now ${formatDuration(ttl.maxMs)}), or raise token_explicit_max_ttl of the role or max_lease_ttl of auth/token`,
  };
}

async function permitted(
  profile: Profile,
  requests: readonly TaskRequest[],
  sources: Omit<Sources, 'known'>,
): Promise<Finding[]> {
  const id = nameOf(profile, 'requests');
  const found: Finding[] = [];
  let unknown: string | null = null;
  for (const request of requests) {
    const {
      permitted: may,
      why,
      add,
      into,
    } = await permission(request, {
      ...sources,
      known: { identity: identityOf(profile, request.values) },
    });
    const what = `${request.method === 'write' ? 'POST' : 'GET'} ${request.path}`;
    if (may === null) unknown = why;
    if (may === false)
      found.push(error(id, `${profile.name}: ${what} is not permitted`, why!, addTo(into, add!)));
  }
  if (unknown !== null)
    found.push(
      info(
        id,
        `${profile.name}: whether its requests are permitted is not known`,
        unknown,
        'give --policies DIR, or a token that may read policies (--token-file, VAULT_TOKEN)',
      ),
    );
  if (found.length === 0) {
    const count = `${requests.length} ${requests.length === 1 ? 'request is' : 'requests are'}`;
    found.push(ok(id, `${profile.name}: all its ${count} permitted`));
  }
  return found;
}

async function engines(
  vault: Examiner,
  made: MadeToken,
  profile: Profile,
  paths: readonly string[],
  rights: Rights | null,
): Promise<Finding[]> {
  const id = nameOf(profile, 'engines');
  const found: Finding[] = [];
  const seen = new Set<string>();
  for (const path of paths) {
    // Vault shows a mount only to who may use something in it.
    if (rights?.[path]?.includes('deny') !== false) continue;
    const engine = await vault.engine(made.token, path);
    if (engine === null) {
      found.push(
        error(
          id,
          `${profile.name}: no engine is mounted at ${path}`,
          'every start fails',
          `vault secrets enable -path=${path.split('/', 1)[0]} …, or correct the path in ${profile.name}.yaml`,
        ),
      );
      continue;
    }
    seen.add(engine.version === null ? engine.type : `${engine.type} version ${engine.version}`);
    if (engine.type !== 'kv') continue;
    const hasData = /^[^/]+(?:\/[^/]+)*?\/data\//.test(path);
    if (engine.version === '2' && !hasData)
      found.push(
        error(
          id,
          `${profile.name}: ${path} lies on KV version 2, whose secrets are under data/`,
          'every start fails',
          `write ${path.replace('/', '/data/')} in ${profile.name}.yaml and in its policy`,
        ),
      );
    else if (engine.version !== '2' && hasData)
      found.push(
        warning(
          id,
          `${profile.name}: ${path} has data/ in it, but lies on KV version 1`,
          'there it is a part of the name',
          'leave it out unless it is',
        ),
      );
  }
  if (found.length === 0 && seen.size > 0)
    found.push(ok(id, `${profile.name}: its engines are mounted (${[...seen].join(', ')})`));
  return found;
}
