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
    stop: async ({ lease_id, accessor }: { lease_id: string; accessor: string }) => {
      const lookup = () => vault('PUT', '/v1/sys/leases/lookup', { lease_id }, as(session));
      const lookupToken = () => vault('POST', '/v1/auth/token/lookup-accessor', { accessor }, as(session));
      expectStatus(await lookup(), 200, 'look the lease up');
      const revoke = await vault('PUT', '/v1/sys/leases/revoke', { lease_id, sync: true }, as(session));
      expectStatus(revoke, 204, 'revoke the lease');
      const token = await vault('POST', '/v1/auth/token/revoke-accessor', { accessor }, as(session));
      expectStatus(token, 204, 'revoke the token');
      const [leaseLeft, tokenLeft] = await Promise.all([lookup(), lookupToken()]);
      expectStatus(leaseLeft, 400, 'look the lease up again');
      expectStatus(tokenLeft, 400, 'look the token up');
    },
    /** A stop with every call of the agent's: the token is looked up too, and a secret may have no lease. */
    end: async ({ lease_id, accessor }: { lease_id: string; accessor: string }) => {
      const leases = lease_id === '' ? [] : [lease_id];
      const put = (path: string, body: unknown) => vault('POST', `/v1/${path}`, body, as(session));
      const lookups = () => leases.map((id) => put('sys/leases/lookup', { lease_id: id }));
      for (const known of await Promise.all(lookups())) expectStatus(known, 200, 'look the lease up');
      for (const id of leases) {
        expectStatus(await put('sys/leases/revoke', { lease_id: id, sync: true }), 204, 'revoke the lease');
      }
      expectStatus(await put('auth/token/revoke-accessor', { accessor }), 204, 'revoke the token');
      const tokenGone = put('auth/token/lookup-accessor', { accessor });
      for (const gone of await Promise.all(lookups())) expectStatus(gone, 400, 'look the lease up again');
      const looked = await tokenGone;
      // Some versions of Vault answer 403 to an accessor that they do not know.
      if (looked.status !== 403) expectStatus(looked, 400, 'look the token up again');
    },
  };
};
