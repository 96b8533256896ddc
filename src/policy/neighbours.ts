// Owns what is tried to see that policies are as narrow as they can be: every request of a profile, and what lies beside
// them. Invariant: a neighbour is never something that the profile itself may ask for, so far as Vault can tell it apart.

import { addTo, type Capability, policyLine } from '../domain/policy-line.ts';
import type { Profile } from '../domain/profile.ts';
import { identityOf } from './lint-policies.ts';
import type { Policy } from './model.ts';
import { permits } from './permits.ts';
import { profileRequests, sampleRequest, type TaskRequest } from './requests.ts';

export interface Trial {
  readonly profile: string;
  /** For people: `read database/creds/report`. */
  readonly what: string;
  /** Why it is tried. */
  readonly kind: 'own' | 'path' | 'verb' | 'parameter' | 'other profile' | 'vault';
  readonly path: string;
  /** How a policy names the path, where that is not the path itself. */
  readonly named?: string;
  readonly capability: Capability;
  /** All that the line of a policy has to give for it. */
  readonly needs: readonly Capability[];
  readonly body?: Readonly<Record<string, unknown>>;
  readonly expect: 'allowed' | 'denied';
}

const VAULTS_OWN: readonly (readonly [Capability, string])[] = [
  ...(
    ['sys/policies/acl/x', 'sys/mounts', 'sys/auth', 'sys/leases/lookup/x', 'auth/token/accessors'] as const
  ).map((path) => ['read', path] as const),
  ...(
    [
      'sys/mounts/x',
      'sys/policies/acl/x',
      'sys/leases/revoke',
      'sys/leases/revoke-prefix/x',
      'sys/seal',
      'sys/capabilities',
    ] as const
  ).map((path) => ['update', path] as const),
  ...(
    [
      'auth/token/create',
      'auth/token/create-orphan',
      'auth/token/renew-self',
      'auth/token/roles/x',
      'identity/entity',
    ] as const
  ).map((path) => ['update', path] as const),
  ['read', 'cubbyhole/x'],
];

/** @param made the policies that render makes of these profiles, which tell what Vault cannot keep apart */
export function trialsOf(profile: Profile, others: readonly Profile[], made: readonly Policy[]): Trial[] {
  const requests = profileRequests(profile).map((request) => sampleRequest(profile, request));
  const values = Object.assign({}, ...requests.map((request) => request.values)) as Record<string, string>;
  const identity = identityOf(profile, values);
  const all = [
    ...requests.flatMap((request) => own(profile, request)),
    ...requests.flatMap((request) =>
      beside(request).map((one) => ({
        ...one,
        needs: [one.capability],
        profile: profile.name as string,
        expect: 'denied' as const,
      })),
    ),
    ...others
      .filter((other) => other.name !== profile.name)
      .flatMap((other) =>
        profileRequests(other).map((each): Trial => {
          const { path, capabilities, body } = sampleRequest(other, each);
          return trial(profile, 'other profile', capabilities.at(-1)!, path, 'denied', body);
        }),
      ),
    ...VAULTS_OWN.map(([capability, path]) => trial(profile, 'vault', capability, path, 'denied')),
  ];
  const seen = new Set<string>();
  return all.filter((one) => {
    const key = JSON.stringify([one.capability, one.path, one.body]);
    if (seen.has(key)) return false;
    seen.add(key);
    if (one.expect === 'allowed') return true;
    return !permits(
      made,
      { path: one.path, capabilities: [one.capability], ...(one.body && { body: one.body }) },
      { identity },
    ).permitted;
  });
}

const trial = (
  profile: Profile,
  kind: Trial['kind'],
  capability: Capability,
  path: string,
  expect: Trial['expect'],
  body?: Trial['body'],
): Trial => ({
  profile: profile.name,
  what: `${capability} ${path}`,
  kind,
  path,
  capability,
  needs: [capability],
  expect,
  ...(body === undefined ? {} : { body }),
});

const own = (profile: Profile, { path, capabilities, body }: TaskRequest): Trial[] =>
  capabilities.map((capability) => ({
    ...trial(profile, 'own', capability, path, 'allowed', body),
    needs: capabilities,
  }));

/** What to do about a request that is refused and should not be. @param into where the line goes */
export const remedy = ({ path, named, needs, expect }: Trial, into: string): string =>
  expect === 'denied' ? '' : `; ${addTo(into, policyLine(named ?? path, ...needs))}`;

type Beside = Omit<Trial, 'profile' | 'expect' | 'needs'>;

function beside({ path, capabilities, body, method }: TaskRequest): Beside[] {
  const capability = capabilities.at(-1)!;
  const parts = path.split('/');
  const siblings = parts.flatMap((part, at) =>
    at === 0 ? [] : [`${part}x`, 'another'].map((other) => parts.with(at, other).join('/')),
  );
  const paths = [...siblings, `${path}/deeper`, parts.slice(0, -1).join('/'), `${parts[0]}/another`].map(
    (other): Beside => ({
      kind: 'path',
      what: `${capability} ${other}`,
      path: other,
      capability,
      ...(body && { body }),
    }),
  );
  const verbs = (['create', 'read', 'update', 'delete', 'list'] as const)
    .filter((verb) => !capabilities.includes(verb))
    .map((verb): Beside => ({ kind: 'verb', what: `${verb} ${path}`, path, capability: verb }));
  const sent = (what: string, more: Readonly<Record<string, unknown>>): Beside => ({
    kind: 'parameter',
    what: `${capability} ${path} ${what}`,
    path,
    capability,
    body: more,
  });
  const extra = sent('with another parameter', { ...body, no_such_parameter: 'x' });
  const without = Object.keys(body ?? {})
    .filter((name) => name === name.toLowerCase())
    .map((name) =>
      sent(`without ${name}`, Object.fromEntries(Object.entries(body!).filter(([key]) => key !== name))),
    );
  const changed = Object.entries(body ?? {})
    .filter(([, value]) => typeof value === 'string')
    .map(([name]) => sent(`with another ${name}`, { ...body, [name]: '\u00a7other' }));
  return [...paths, ...verbs, extra, ...(method === 'write' ? [...without, ...changed] : [])];
}
