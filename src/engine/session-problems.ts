// Owns what is said when the agent's Vault session is not well.

import { Problem } from '../domain/problem.ts';

export const notLoggedIn = (): Problem =>
  new Problem('VAULT_UNREACHABLE', 'the agent has not logged in to Vault yet', {
    hint: 'look at /v1/health?ready for the reason',
  });

export const sessionLost = (cause?: unknown): Problem =>
  new Problem('VAULT_UNREACHABLE', 'the Vault session of the agent was lost', {
    hint: 'the agent logs in again; try again in a moment',
    cause,
  });

export const noAnswer = (): Problem =>
  new Problem('VAULT_UNREACHABLE', 'Vault does not answer', {
    hint: 'look at Vault and at the network; the agent goes on by itself when it answers',
  });

/** A renewal that grants less than the leash: the role has a max TTL, and every task ends at it. */
export const renewedShort = (ttlMs: number): Problem =>
  new Problem('VAULT_CONTRACT', `the session was renewed for ${ttlMs / 1000}s only`, {
    hint: 'token_period of the session role must be vault.leash, without a max TTL (vault-policies/session-role.json)',
  });
