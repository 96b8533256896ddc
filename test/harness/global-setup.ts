// Owns what all tests need once, made or looked for before the first test, with progress on the screen: Debian's
// programs; the Vault binary, so that no test waits for a build; and the bundle, which the tests run as users do.

import { existsSync } from 'node:fs';
import { vaultBinary } from '../../src/dev/vault-binary.ts';
import { debianPackages } from './debian.ts';

export async function setup(): Promise<void> {
  if (!existsSync('dist/tasklease.js')) throw new Error('dist/tasklease.js is missing: npm run build');
  await debianPackages();
  const { path } = await vaultBinary();
  // Every test file finds it without another probe.
  process.env.VAULT_BIN = path;
}
