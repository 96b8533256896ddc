// Owns the trial of policies by real requests with a token that has them. Invariant: a request that passes the policy is
// answered somehow, and one that does not is a 403; nothing else is read from an answer.

import type { Result } from '../../policy/junit.ts';
import { remedy, type Trial } from '../../policy/neighbours.ts';
import type { VaultAdmin } from './vault-admin.ts';

const METHODS: Readonly<Record<string, string>> = {
  read: 'GET',
  list: 'LIST',
  delete: 'DELETE',
  patch: 'PATCH',
};

/** @param into where a line goes that is missing */
export async function tryByRequest(
  vault: VaultAdmin,
  token: string,
  trials: readonly Trial[],
  into: string,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const trial of trials) {
    const { path, capability, body } = trial;
    const isEngine = !/^(?:sys|auth|identity|cubbyhole)\//.test(path);
    // A write of what is there is an update, of what is not a create.
    if (isEngine)
      await vault.ask(
        capability === 'create' ? 'DELETE' : 'POST',
        path,
        capability === 'create' ? undefined : { x: '1' },
      );
    const query =
      capability === 'read' && body !== undefined
        ? `?${new URLSearchParams(body as Record<string, string>)}`
        : '';
    const writes = capability === 'update' || capability === 'create';
    const answer = await vault.ask(
      METHODS[capability] ?? 'POST',
      `${path}${query}`,
      writes ? (body ?? {}) : undefined,
      token,
    );
    const found = answer.status === 403 ? 'denied' : 'allowed';
    const says = `Vault answered ${answer.status}${found === 'denied' ? remedy(trial, into) : ''}`;
    results.push({ ...trial, found, says });
  }
  return results;
}
