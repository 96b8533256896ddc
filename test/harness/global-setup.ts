// Owns what all tests need once: the Vault binary, made before the first test so that no test waits for
// a build, with progress on the screen; and the bundle, which the tests run as users do.

import { existsSync } from 'node:fs';
import { vaultBinary } from '../../src/dev/vault-binary.ts';

export async function setup(): Promise<void> {
  if (!existsSync('dist/tasklease.js')) throw new Error('dist/tasklease.js is missing: npm run build');
  const { path } = await vaultBinary();
  // Every test file finds it without another probe.
  process.env.VAULT_BIN = path;
}
