// Owns the accessors of auth mounts, which differ from Vault to Vault. Invariant: what is given goes before what Vault says.

import { UsageError } from '../../cli/failure.ts';
import type { Given } from './inputs.ts';
import { type AdminValues, openAdmin, type VaultAdmin } from './vault-admin.ts';

/** Accessors by mount, with those that Vault was asked for. */
export async function accessorsFrom(
  vault: VaultAdmin,
  mounts: readonly string[],
  given: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  if (mounts.every((mount) => given[mount] !== undefined)) return { ...given };
  const listed = (await vault.read('sys/auth')) as Record<string, { accessor?: unknown } | undefined> | null;
  const found = Object.fromEntries(
    mounts.map((mount) => {
      const accessor = given[mount] ?? listed?.[`${mount}/`]?.accessor;
      if (typeof accessor === 'string') return [mount, accessor];
      throw new UsageError(
        `Vault has no auth mount ${mount}, which the profiles name`,
        `vault auth enable -path=${mount} jwt`,
      );
    }),
  );
  return { ...given, ...found };
}

export async function filledAccessors(
  given: Given,
  mounts: readonly string[],
  values: AdminValues,
): Promise<Record<string, string>> {
  if (mounts.every((mount) => given.accessors[mount] !== undefined)) return { ...given.accessors };
  const vault = openAdmin('policy render', values, given.config);
  try {
    return await accessorsFrom(vault, mounts, given.accessors);
  } finally {
    vault.close();
  }
}
