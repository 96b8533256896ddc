// Owns the floor of every benchmark: a client that makes the same Vault calls as the agent, and nothing else.

import type { World } from '../harness/world.ts';
import { expectStatus, type Send } from './measure.ts';

export type Kind = {
  name: string;
  profile: string;
  policy: string;
  method: string;
  path: string;
  body?: unknown;
};

export const sessionOf = async (world: World): Promise<string> => {
  const reply = await world.vault.request('POST', 'auth/token/create/tasklease-session', {
    policies: ['tasklease-session'],
  });
  return reply.body.auth!.client_token;
};

/** The same calls as the agent makes, and nothing else. */
export const bareClient = (vault: Send, session: string, kind: Kind) => {
  const as = (token: string) => ({ 'x-vault-token': token });
  return {
    start: async () => {
      const made = expectStatus(
        await vault(
          'POST',
          '/v1/auth/token/create/tasklease',
          {
            policies: [kind.policy],
            ttl: '600s',
            renewable: false,
            type: 'service',
            no_default_policy: true,
          },
          as(session),
        ),
        200,
        'create token',
      );
      const secret = expectStatus(
        await vault(kind.method, kind.path, kind.body, as(made.auth.client_token)),
        200,
        'read the secret',
      );
      return { lease_id: secret.lease_id as string, accessor: made.auth.accessor as string };
    },
    /** A secret without a lease has the empty id; then only the token is to be proved gone. */
    stop: async ({ lease_id, accessor }: { lease_id: string; accessor: string }) => {
      const leased = lease_id !== '';
      const lookup = () => vault('PUT', '/v1/sys/leases/lookup', { lease_id }, as(session));
      const lookupToken = () => vault('POST', '/v1/auth/token/lookup-accessor', { accessor }, as(session));
      if (leased) {
        expectStatus(await lookup(), 200, 'look the lease up');
        const revoke = await vault('PUT', '/v1/sys/leases/revoke', { lease_id, sync: true }, as(session));
        expectStatus(revoke, 204, 'revoke the lease');
      }
      const token = await vault('POST', '/v1/auth/token/revoke-accessor', { accessor }, as(session));
      expectStatus(token, 204, 'revoke the token');
      const [tokenLeft, leaseLeft] = await Promise.all([lookupToken(), ...(leased ? [lookup()] : [])]);
      expectStatus(tokenLeft, 400, 'look the token up');
      if (leaseLeft !== undefined) expectStatus(leaseLeft, 400, 'look the lease up again');
    },
  };
};
