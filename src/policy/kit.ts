// Owns everything at Vault that an agent with these profiles needs, as one kit of policies and roles. Invariant: the same
// profiles and names give the same kit, in the same order; nothing is in it that no profile needs.

import type { Profile } from '../domain/profile.ts';
import { loginPolicy } from './login-policy.ts';
import type { Policy } from './model.ts';
import { ACCESSOR, fileOf, mountOf, type Names, policiesOf } from './names.ts';
import { approle, jwtRoles, type Role, sessionRole, tokenRole } from './roles.ts';
import { jwtSessionPolicy, sessionPolicy } from './session-policy.ts';
import { homeOf, taskPolicies } from './task-policy.ts';

export interface KitFile {
  readonly file: string;
  readonly policy: Policy;
}

export interface Kit {
  readonly policies: readonly KitFile[];
  readonly roles: readonly Role[];
  /** Mounts whose accessor a policy names. */
  readonly mounts: readonly string[];
  /** What a reader should know, in a sentence each. */
  readonly notes: readonly string[];
}

export interface KitOptions {
  readonly names: Names;
  /** Accessor by mount; where there is none the text ACCESSOR stands for it. */
  readonly accessors?: Readonly<Record<string, string>>;
  /** The session and the token role are for agents with whatever profiles; else for just these. */
  readonly anyProfiles?: boolean;
  /** The policies of these profiles alone; the session and the roles are for all. */
  readonly only?: readonly string[];
}

export function renderKit(given: readonly Profile[], options: KitOptions): Kit {
  const { names, anyProfiles = false, only } = options;
  const profiles = [...given].sort((a, b) => (a.name < b.name ? -1 : 1));
  const accessor = (mount: string) => options.accessors?.[mount] ?? ACCESSOR;
  const known = anyProfiles ? null : profiles;
  const session = [sessionPolicy(known, names), jwtSessionPolicy(known, names)].filter(
    (policy) => policy !== null,
  );
  const main = session[0]!.name;
  const wanted =
    only === undefined
      ? null
      : new Set(profiles.filter(({ name }) => only.includes(name)).map((one) => homeOf(one, profiles)));
  const tasks = taskPolicies(profiles, accessor).filter(({ name }) => wanted?.has(name) ?? true);
  const children = profiles.some(({ login }) => login === undefined);
  const agent: Role[] = [
    sessionRole(main, names),
    ...(children || anyProfiles ? [tokenRole(profiles, names, !anyProfiles)] : []),
    ...(names.login.method === 'approle' ? [approle(names.login)] : []),
  ];
  return {
    policies: [...(wanted === null ? [...session, loginPolicy(main, names)] : []), ...tasks].map(
      (policy) => ({
        file: fileOf(policy.name),
        policy,
      }),
    ),
    roles: [
      ...(wanted === null ? agent : []),
      ...jwtRoles(
        profiles.filter(({ name }) => only?.includes(name) ?? true),
        names,
      ),
    ],
    mounts: [
      ...new Set(
        profiles
          .filter((one) =>
            tasks.some((policy) => policiesOf(one).includes(policy.name) && isTemplated(policy)),
          )
          .map(mountOf),
      ),
    ],
    notes: notesOf(profiles, names),
  };
}

const isTemplated = ({ rules }: Policy): boolean => rules.some(({ path }) => path.includes('{{identity.'));

function notesOf(profiles: readonly Profile[], { login }: Names): string[] {
  const homes = new Map<string, string[]>();
  for (const profile of profiles) {
    const home = homeOf(profile, profiles);
    homes.set(home, [...(homes.get(home) ?? []), profile.name]);
  }
  const shared = [...homes].flatMap(([home, members]) =>
    members.length < 2
      ? []
      : [
          `policy ${home} is shared by the profiles ${members.join(', ')}: tasks of each may do what any of them needs; give each a policy of its own`,
        ],
  );
  const foreign = profiles.flatMap((profile) =>
    policiesOf(profile)
      .filter((policy) => !homes.has(policy))
      .map(
        (policy) =>
          `policy ${policy} of profile ${profile.name} is not made here: its requests are permitted by ${homeOf(profile, profiles)} alone`,
      ),
  );
  const other =
    login.method === 'approle'
      ? []
      : [
          `the agent logs in by ${login.method}: see vault-policies/README.md for that role, which profiles say nothing about`,
        ];
  return [...new Set([...shared, ...foreign, ...other])];
}
