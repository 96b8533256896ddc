// Owns what the agent's own tokens may do: the session's policies and the login's. Invariant: a session reads no secret;
// what it may create, renew and revoke is named, with the parameters that keep the agent's promises.

import type { Profile } from '../domain/profile.ts';
import type { ParameterLimits, PathRule, Policy } from './model.ts';
import { type Names, policiesOf, SESSION, SESSION_JWT } from './names.ts';
import { globOf } from './narrow.ts';
import { profileRequests } from './requests.ts';
import { BY_SERIAL, SERIAL_OFF, serialMounts } from './serial-revocation.ts';
import { wrapped } from './wrapped.ts';

const API = 'https://developer.hashicorp.com/vault/api-docs';

/** For profiles that are known, or `null` for any. */
export type For = readonly Profile[] | null;

const update = (
  path: string,
  required: readonly string[],
  allowed: ParameterLimits,
  comment?: readonly string[],
): PathRule => ({ path, capabilities: ['update'], required, allowed, ...(comment && { comment }) });

export const own = (path: string, capability: 'read' | 'update', comment?: readonly string[]): PathRule => ({
  path,
  capabilities: [capability],
  ...(comment && { comment }),
});

export const because = (text: string, page: string): string[] => [...wrapped(text), `${API}/${page}`];

const childrenOf = (profiles: For): For => profiles?.filter(({ login }) => login === undefined) ?? null;

/** Null where all profiles have mode jwt: their tasks make their tokens themselves. */
export function sessionPolicy(profiles: For, names: Names): Policy | null {
  const children = childrenOf(profiles);
  if (children?.length === 0) return null;
  return {
    name: SESSION,
    comment: [
      ...wrapped(
        `Policy "${SESSION}": what the agent's session token may do. It holds no secret's path: the agent makes tokens for tasks, keeps leases alive and ends them, and can itself read nothing.`,
      ),
      ...(profiles === null ? [] : wrapped(forThese(profiles))),
      'Parameter limits: https://developer.hashicorp.com/vault/docs/concepts/policies#parameter-constraints',
    ],
    rules: [createRule(children, names), ...commonRules(profiles, names)],
  };
}

/** The same without making tokens. Null where a profile needs more. */
export function jwtSessionPolicy(profiles: For, names: Names): Policy | null {
  if (profiles !== null && childrenOf(profiles)!.length > 0) return null;
  return {
    name: SESSION_JWT,
    comment: [
      ...wrapped(
        `Policy "${SESSION_JWT}": what the session token of an agent may do all of whose profiles have vault.mode: jwt. Tasks log in with their own assertions, so it makes no token at all: it renews, revokes and looks up, and can come to no secret whatever is done with it. It stands in allowed_policies of session-role.json instead of ${SESSION}.`,
      ),
      ...(profiles === null ? [] : wrapped(forThese(profiles))),
      'Parameter limits: https://developer.hashicorp.com/vault/docs/concepts/policies#parameter-constraints',
    ],
    rules: commonRules(profiles, names),
  };
}

const forThese = (profiles: readonly Profile[]): string =>
  `Made for the profiles ${profiles.map(({ name }) => name).join(', ')}: a profile that goes leaves its lines here until its tasks have ended, or their leases could not be revoked.`;

function createRule(children: For, { tokenRole }: Names): PathRule {
  const lists = new Map(
    (children ?? []).map((profile) => [JSON.stringify(profile.policies), profile.policies]),
  );
  const aliases = children?.filter(({ entityAlias }) => entityAlias !== undefined);
  const allowed: ParameterLimits = {
    policies: [...lists.values()],
    ttl: [],
    renewable: [false],
    type: ['service'],
    no_default_policy: [true],
    ...(aliases?.length === 0
      ? {}
      : {
          entity_alias: [...new Set(aliases?.map((profile) => globOf(profile, profile.entityAlias!)))].map(
            anyText,
          ),
        }),
    display_name: [],
    meta: [],
  };
  const alias =
    children === null
      ? " An entity alias, for profiles with vault.entity_alias: the role's allowed_entity_aliases say which. The shipped role has none, so Vault refuses every alias; where no profile needs one, leave the line out too."
      : '';
  const which =
    children === null
      ? "Which policies: the role's allowed_policies_glob say it; others are refused."
      : 'Which policies: one of the lists that a profile has, as a whole.';
  const rule = update(
    `auth/token/create/${tokenRole}`,
    ['policies', 'ttl', 'renewable', 'type', 'no_default_policy'],
    opened(allowed),
    because(
      `Make task tokens, under the one token role "${tokenRole}" and only in the shape that keeps the promises: policies named one by one (left out, Vault would give every policy that the role allows; an empty list would count as left out), not renewable (a renewable token under a role outlives the time it was asked for), a service token (batch tokens cannot be revoked), no default policy. ${which}${alias}`,
      'auth/token#create-token',
    ),
  );
  return { ...rule, denied: { policies: [[], [''], ''] } };
}

/** `*` alone would be taken as that very text. */
const anyText = (glob: string): string => (glob === '*' ? '' : glob);

/** A list with a value that stands for any is open. */
const opened = (limits: ParameterLimits): ParameterLimits =>
  Object.fromEntries(
    Object.entries(limits).map(([name, values]) => [name, values.includes('') ? [] : values]),
  );

/** How the ids of leases begin that tasks of these profiles can have; none stands for any. */
export function leaseGlobs(profiles: For): string[] {
  const all = (profiles ?? []).flatMap((profile) =>
    profileRequests(profile).map(({ path }) => globOf(profile, path)),
  );
  return [...new Set(all.map((glob) => (glob.endsWith('*') ? glob : `${glob}/*`)))].sort();
}

function commonRules(profiles: For, { usesMount }: Names): PathRule[] {
  const leases = leaseGlobs(profiles);
  const accessor = (path: string, comment?: readonly string[]) =>
    update(path, ['accessor'], { accessor: [] }, comment);
  const some = (needs: (profile: Profile) => boolean) => profiles === null || profiles.some(needs);
  const narrower =
    profiles === null
      ? ' To narrow it further, name the paths: "lease_id" = ["database/creds/report/*", "pki/issue/app/*"].'
      : '';
  return [
    update(
      'sys/leases/lookup',
      ['lease_id'],
      { lease_id: leases },
      because(
        'Know a lease before and not any more after its revocation: that is the proof.',
        'system/leases#read-lease',
      ),
    ),
    update(
      'sys/leases/renew',
      ['lease_id', 'increment'],
      { lease_id: leases, increment: [] },
      because(
        "Keep a running task's leases alive, and cut them to the task's deadline. Task tokens may not.",
        'system/leases#renew-lease',
      ),
    ),
    update(
      'sys/leases/revoke',
      ['lease_id', 'sync'],
      { lease_id: leases, sync: [true] },
      because(
        `End a lease, and answer only when the engine has ended it (sync).${narrower}`,
        'system/leases#revoke-lease',
      ),
    ),
    accessor(
      'auth/token/revoke-accessor',
      because(
        "End a task's token, and prove that it is gone, by accessor: the token itself is used once and forgotten.",
        'auth/token#revoke-a-token-accessor',
      ),
    ),
    accessor('auth/token/lookup-accessor'),
    ...(some(({ login }) => login !== undefined)
      ? [
          update(
            'auth/token/renew-accessor',
            ['accessor', 'increment'],
            { accessor: [], increment: [] },
            because(
              `Keep alive the token of a task that logged in for itself (profiles with vault.mode: jwt), by its accessor: it is nobody's child, so without this it ends by its TTL, which is the leash at most.${profiles === null ? ' Not needed where no profile does so.' : ''}`,
              'auth/token#renew-a-token-accessor',
            ),
          ),
        ]
      : []),
    ...(some(({ allow }) => allow.assertion?.onceInFleet === true)
      ? [
          {
            path: `${usesMount}/data/+`,
            capabilities: ['create', 'update', 'read'] as const,
            comment: because(
              `Note that a task assertion was presented (profiles with single_use: vault), once for all agents together: the first entry stays, since it is written with cas=0. Nothing secret is in it.${profiles === null ? ' Not needed where no profile does so.' : ''}`,
              'secret/kv/kv-v2#create-update-secret',
            ),
          },
        ]
      : []),
    ...serialMounts(profiles).map((mount, at) =>
      update(
        `${mount}/revoke`,
        ['serial_number'],
        { serial_number: [] },
        at === 0 ? because(BY_SERIAL, 'secret/pki#revoke-certificate') : undefined,
      ),
    ),
    update('sys/capabilities-self', ['paths'], { paths: [] }, [
      ...(profiles === null ? SERIAL_OFF : []),
      ...because(
        'See that it is no broader than this: the agent refuses a session that may read what its profiles name.',
        'system/capabilities-self',
      ),
    ]),
    update(
      'sys/capabilities-accessor',
      ['accessor', 'paths'],
      { accessor: [], paths: [] },
      because(
        "When Vault refuses a task its secret: ask what that task's policies permit there, so that the refusal can name the missing line. It answers with capabilities only, for a token whose accessor is known, and comes to no secret.",
        'system/capabilities-accessor',
      ),
    ),
    own(
      'auth/token/renew-self',
      'update',
      because(
        'The session itself. It has no default policy, so what that would give is named: renew within the leash (unrenewed, Vault ends it and every task token that it keeps alive), look at it, end it at exit.',
        'auth/token#renew-a-token-self',
      ),
    ),
    own('auth/token/lookup-self', 'read'),
    own('auth/token/revoke-self', 'update'),
  ];
}

/** Every list of policies that a session may ask for, for whoever compares it with a token role. */
export const childPolicies = (profiles: readonly Profile[]): string[] => [
  ...new Set(profiles.filter(({ login }) => login === undefined).flatMap(policiesOf)),
];
