// Owns what Vault itself says is alive. Invariant: asked as root and from Vault's own lists, never from
// what the agent believes.
import type { VaultServer } from '../../src/dev/vault-server.ts';

type Asked = Pick<VaultServer, 'request'>;

const keysOf = async (vault: Asked, path: string): Promise<string[]> => {
  const reply = await vault.request('GET', `${path}?list=true`);
  if (reply.status === 404) return [];
  if (reply.status !== 200) throw new Error(`Vault answered ${reply.status} to LIST ${path}`);
  return (reply.body.data?.keys ?? []) as string[];
};

/** Ids of all leases of secrets (tokens have leases too; they are seen as tokens). */
export const secretLeases = async (vault: Asked): Promise<string[]> => {
  const walk = async (prefix: string): Promise<string[]> => {
    const keys = await keysOf(vault, `sys/leases/lookup/${prefix}`);
    const found = await Promise.all(
      keys.map((key) => (key.endsWith('/') ? walk(`${prefix}${key}`) : [`${prefix}${key}`])),
    );
    return found.flat();
  };
  const mounts = await keysOf(vault, 'sys/leases/lookup/');
  return (await Promise.all(mounts.filter((mount) => mount !== 'auth/').map(walk))).flat();
};

export type SeenToken = {
  accessor: string;
  path: string;
  policies: string[];
  ttl: number;
  renewable: boolean;
  orphan: boolean;
  type: string;
};

/** Every service token that Vault knows, with its path of creation. */
export const tokens = async (vault: Asked): Promise<SeenToken[]> => {
  const accessors = await keysOf(vault, 'auth/token/accessors/');
  const seen = await Promise.all(
    accessors.map(async (accessor) => {
      const reply = await vault.request('POST', 'auth/token/lookup-accessor', { accessor });
      // Gone between the list and the look.
      if (reply.status !== 200) return [];
      const data = reply.body.data as Record<string, unknown>;
      return [{ ...data, accessor } as unknown as SeenToken];
    }),
  );
  return seen.flat();
};

/** Those made for tasks. */
export const taskTokens = async (vault: Asked): Promise<SeenToken[]> =>
  (await tokens(vault)).filter(({ path }) => path === 'auth/token/create/tasklease');

/** What Vault says of one lease; undefined when it does not know it. */
export const lookupLease = async (
  vault: Asked,
  leaseId: string,
): Promise<{ ttl: number; renewable: boolean; last_renewal: string | null } | undefined> => {
  const reply = await vault.request('PUT', 'sys/leases/lookup', { lease_id: leaseId });
  if (reply.status === 200) {
    return reply.body.data as { ttl: number; renewable: boolean; last_renewal: string | null };
  }
  if (reply.status === 400) return undefined;
  throw new Error(`Vault answered ${reply.status} to a lease lookup`);
};
