// Owns what the agent's login and session have to be allowed in Vault for these profiles, and what a session must not be.
// Invariant: the list is that of session-policy.ts, each with the reason, and with a request as the agent sends it.

import { wholeSeconds } from '../domain/duration.ts';
import type { Profile } from '../domain/profile.ts';
import type { Names } from './names.ts';
import type { Asked } from './permits.ts';
import { fill, profileRequests, sampleRequest } from './requests.ts';
import { serialMounts } from './serial-revocation.ts';

export interface Need extends Asked {
  readonly method: 'POST' | 'GET';
  readonly why: string;
  /** Only a comfort: the agent works without. */
  readonly optional?: true;
}

const post = (path: string, why: string, body: Need['body'] = {}): Need => ({
  method: 'POST',
  path,
  capabilities: ['update'],
  why,
  body,
});

const optional = (need: Need): Need => ({ ...need, optional: true });

/** @param profiles of a start, or all of the agent's */
export function sessionNeeds(
  { tokenRole, usesMount }: Pick<Names, 'tokenRole' | 'usesMount'>,
  profiles: readonly Profile[],
): Need[] {
  const child = profiles.find(({ login }) => login === undefined);
  const logins = profiles.some(({ login }) => login !== undefined);
  const fleet = profiles.some(({ allow }) => allow.assertion?.onceInFleet === true);
  const lease = { lease_id: `${leasePathOf(profiles)}/sample` };
  const accessor = { accessor: 'sample' };
  return [
    ...(child === undefined
      ? []
      : [post(`auth/token/create/${tokenRole}`, 'make the tokens of tasks', tokenBody(child))]),
    post('sys/leases/lookup', 'know a lease before and not any more after its revocation', lease),
    post('sys/leases/renew', "keep a task's leases alive, and cut them to its deadline", {
      ...lease,
      increment: 60,
    }),
    post('sys/leases/revoke', 'end a lease', { ...lease, sync: true }),
    post('auth/token/revoke-accessor', "end a task's token", accessor),
    post('auth/token/lookup-accessor', "prove that a task's token is gone", accessor),
    ...(logins
      ? [
          post('auth/token/renew-accessor', 'keep the tokens of tasks alive that logged in themselves', {
            ...accessor,
            increment: 60,
          }),
        ]
      : []),
    ...serialMounts(profiles).map((mount) =>
      post(`${mount}/revoke`, 'revoke certificates by their serial', { serial_number: 'sample' }),
    ),
    post('auth/token/renew-self', 'renew the session within the leash'),
    post('auth/token/revoke-self', 'end the session at exit'),
    ...(fleet ? uses(usesMount) : []),
    optional(
      post('sys/capabilities-self', 'see that the session is no broader than this', { paths: ['sample'] }),
    ),
    optional(
      post('sys/capabilities-accessor', 'name the missing line when a task is refused its secret', {
        ...accessor,
        paths: ['sample'],
      }),
    ),
  ];
}

export const loginNeed = ({ sessionRole }: Pick<Names, 'sessionRole'>): Need =>
  post(`auth/token/create/${sessionRole}`, 'make the session');

/** What the agent asks for a task of this profile, with the longest time that one can have. */
export function tokenBody(profile: Profile): Record<string, unknown> {
  const { name, policies, entityAlias, ttl } = profile;
  const values = Object.assign(
    {},
    ...profileRequests(profile).map((each) => sampleRequest(profile, each).values),
  ) as Record<string, string>;
  return {
    policies,
    ...(entityAlias === undefined ? {} : { entity_alias: fill(entityAlias, values) }),
    ttl: `${wholeSeconds(ttl.maxMs + ttl.graceMs)}s`,
    renewable: false,
    type: 'service',
    no_default_policy: true,
    display_name: `tasklease-${name}`,
    meta: { task: 'sample-1', profile: name },
  };
}

function leasePathOf(profiles: readonly Profile[]): string {
  for (const profile of profiles) {
    const [first] = profileRequests(profile);
    if (first !== undefined) return sampleRequest(profile, first).path;
  }
  return 'sample';
}

const uses = (mount: string): Need[] => {
  const path = `${mount}/data/${'0'.repeat(64)}`;
  const named = `${mount}/data/+`;
  const why = 'note an assertion once for all agents (single_use: vault)';
  return [
    { method: 'POST', path, named, capabilities: ['create', 'update'], why, body: { options: {}, data: {} } },
    { method: 'GET', path, named, capabilities: ['read'], why },
  ];
};

/** What a session is never for. */
export const FORBIDDEN: readonly string[] = [
  'sys/policies/acl/tasklease-session',
  'sys/mounts/tasklease-probe',
  'sys/auth/tasklease-probe',
  'sys/audit/tasklease-probe',
  'auth/token/create',
  'auth/token/create-orphan',
  'auth/token/roles/tasklease',
  'identity/entity',
];
