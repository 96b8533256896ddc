// Owns what the agent's session has to be allowed in Vault for these profiles, and what it must not be. Invariant: the
// list is that of vault-policies/session.hcl, each with the reason.

import type { Profile } from '../../domain/profile.ts';
import type { AgentConfig } from '../../schema/config.ts';
import type { Wanted } from './permission.ts';

export interface Need extends Wanted {
  readonly method: 'POST' | 'GET';
  readonly why: string;
  /** Only a comfort: the agent works without. */
  readonly optional?: true;
}

const post = (path: string, why: string, optional?: true): Need => ({
  method: 'POST',
  path,
  capabilities: ['update'],
  why,
  ...(optional === undefined ? {} : { optional }),
});

export function sessionNeeds({ vault }: AgentConfig, profiles: readonly Profile[]): Need[] {
  const children = profiles.some(({ login }) => login === undefined);
  const logins = profiles.some(({ login }) => login !== undefined);
  const fleet = profiles.some(({ allow }) => allow.assertion?.onceInFleet === true);
  return [
    ...(children ? [post(`auth/token/create/${vault.token_role}`, 'make the tokens of tasks')] : []),
    post('sys/leases/lookup', 'know a lease before and not any more after its revocation'),
    post('sys/leases/renew', "keep a task's leases alive, and cut them to its deadline"),
    post('sys/leases/revoke', 'end a lease'),
    post('auth/token/revoke-accessor', "end a task's token"),
    post('auth/token/lookup-accessor', "prove that a task's token is gone"),
    ...(logins
      ? [post('auth/token/renew-accessor', 'keep the tokens of tasks alive that logged in themselves')]
      : []),
    post('auth/token/renew-self', 'renew the session within the leash'),
    post('auth/token/revoke-self', 'end the session at exit'),
    ...(fleet ? uses(vault.uses_mount) : []),
    post('sys/capabilities-self', 'see that the session is no broader than this', true),
    post('sys/capabilities-accessor', 'name the missing line when a task is refused its secret', true),
  ];
}

const uses = (mount: string): Need[] => {
  const path = `${mount}/data/${'0'.repeat(64)}`;
  const why = 'note an assertion once for all agents (single_use: vault)';
  return [
    { method: 'POST', path, capabilities: ['create', 'update'], why },
    { method: 'GET', path, capabilities: ['read'], why },
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
