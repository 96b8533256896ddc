// Owns the customers of the tests: a record for each in KV, and the policy that gives a task the record of its own
// one. Invariant: the policy is the one that vault-policies/README.md shows, so that what it says is what is tested.

import { readFileSync } from 'node:fs';
import type { VaultServer } from '../../src/dev/vault-server.ts';

type Asked = Pick<VaultServer, 'request'>;

const README = new URL('../../vault-policies/README.md', import.meta.url);

/** The policy as an administrator of this Vault would write it: with the accessor of its token mount. */
export async function customerPolicy(vault: Asked): Promise<string> {
  const shown = /^```hcl\n(?<policy>[^`]*identity\.entity\.aliases[^`]*)```$/m.exec(
    readFileSync(README, 'utf8'),
  );
  const mounts = (await vault.request('GET', 'sys/auth')).body.data as Record<string, { accessor: string }>;
  return shown!.groups!.policy!.replaceAll('ACCESSOR', mounts['token/']!.accessor);
}

/** After provision(). */
export async function customerRecords(vault: Asked, customers: readonly string[]): Promise<void> {
  for (const owner of customers) {
    const reply = await vault.request('POST', `secret/data/customers/${owner}`, { data: { owner } });
    if (reply.status >= 300) throw new Error(`Vault answered ${reply.status} to the record of ${owner}`);
  }
}
