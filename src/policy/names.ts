// Owns what an installation calls its parts in Vault, and the text that stands for what differs from Vault to Vault.
// Invariant: the defaults are those of the agent's configuration.

import type { Profile } from '../domain/profile.ts';

export interface Names {
  readonly sessionRole: string;
  readonly tokenRole: string;
  readonly usesMount: string;
  readonly leashMs: number;
  /** How the agent logs in; only AppRole's role can be made from what is known here. */
  readonly login: { readonly method: string; readonly mount: string };
}

export const DEFAULT_NAMES: Names = {
  sessionRole: 'tasklease-session',
  tokenRole: 'tasklease',
  usesMount: 'tasklease-uses',
  leashMs: 300_000,
  login: { method: 'approle', mount: 'approle' },
};

export const SESSION = 'tasklease-session';
export const SESSION_JWT = 'tasklease-session-jwt';
export const LOGIN = 'tasklease-login';

/** Stands in a policy for the accessor of the mount that makes the task's token. */
export const ACCESSOR = 'ACCESSOR';

/** The mount whose accessor a profile's policies name. */
export const mountOf = ({ login }: Pick<Profile, 'login'>): string => login?.mount ?? 'token';

/** The policies of a profile; where the role at Vault decides alone, one of the profile's name. */
export const policiesOf = ({ policies, name }: Profile): readonly string[] =>
  (policies.length > 0 ? policies : [`tasklease-${name}`]).map((each) => each.toLowerCase());

const PREFIX = 'tasklease-';

/** The policy of a file's name without its ending: `tasklease-` stands before it where it is left out. */
export const policyOfFile = (name: string): string => (name.startsWith(PREFIX) ? name : `${PREFIX}${name}`);

/** The names that the file of a policy may have, without their ending; the first that is there counts. */
export const fileNamesOf = (policy: string): readonly string[] => [
  policy,
  ...(policy.startsWith(PREFIX) ? [policy.slice(PREFIX.length)] : []),
];

/** The file of a policy in vault-policies/: its name without `tasklease-`. */
export const fileOf = (policy: string): string => `${fileNamesOf(policy).at(-1)!.replaceAll('/', '-')}.hcl`;
