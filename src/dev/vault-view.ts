// Owns the demo's look into Vault as its administrator: which token and leases belong to a task. The
// agent's API does not show them, and the agent itself may not list them; this is the independent
// witness. Accessors and lease ids are no secrets to an administrator, but are shown shortened.
import type { VaultServer } from './vault-server.ts';

type Admin = Pick<VaultServer, 'request'>;

export type TokenView = {
  accessor: string;
  displayName: string;
  policies: string[];
  ttlSeconds: number;
  renewable: boolean;
  meta: Record<string, string>;
};

/** "iJJHhhO0…44NW": enough to recognise, too little to use. */
export const shorten = (id: string): string => {
  const slash = id.lastIndexOf('/');
  const name = id.slice(slash + 1);
  const short = name.length > 12 ? `${name.slice(0, 6)}…${name.slice(-4)}` : name;
  return `${id.slice(0, slash + 1)}${short}`;
};

/** Every living token whose metadata names the task. */
export const tokensOf = async (vault: Admin, task: string): Promise<TokenView[]> => {
  const listed = await vault.request('LIST', 'auth/token/accessors');
  const accessors = (listed.body.data?.keys ?? []) as string[];
  const found: TokenView[] = [];
  for (const accessor of accessors) {
    const { status, body } = await vault.request('POST', 'auth/token/lookup-accessor', { accessor });
    const data = body.data;
    const meta = (data?.meta ?? {}) as Record<string, string>;
    if (status !== 200 || !data || meta.task !== task) continue;
    found.push({
      accessor,
      meta,
      displayName: data.display_name as string,
      policies: data.policies as string[],
      ttlSeconds: data.ttl as number,
      renewable: data.renewable === true,
    });
  }
  return found;
};

/** The ids of all living leases of one path, e.g. database/creds/report. */
export const leasesUnder = async (vault: Admin, path: string): Promise<string[]> => {
  const listed = await vault.request('LIST', `sys/leases/lookup/${path}`);
  return ((listed.body.data?.keys ?? []) as string[]).map((key) => `${path}/${key}`);
};

/** Whether Vault still knows the lease: after a revocation it answers 400 "invalid lease". */
export const knowsLease = async (vault: Admin, leaseId: string): Promise<boolean> =>
  (await vault.request('PUT', 'sys/leases/lookup', { lease_id: leaseId })).status === 200;

/** Whether Vault still knows the token. */
export const knowsToken = async (vault: Admin, accessor: string): Promise<boolean> =>
  (await vault.request('POST', 'auth/token/lookup-accessor', { accessor })).status === 200;
