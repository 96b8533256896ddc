// Owns what can happen to the Vault server itself. Invariant: whoever takes it down can bring it back; the
// agent then sees what it would see of a real one, a refused connection and not a proxy's reset.
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ChaosWorld } from './chaos-world.ts';

/** kill -9; nobody listens any more. */
export const vaultDown = async (world: ChaosWorld): Promise<void> => {
  await world.vault.kill();
  await world.proxy.down();
};

/** Started again and unsealed, on the same storage and port. */
export const vaultUp = async (world: ChaosWorld): Promise<void> => {
  await world.vault.start();
  await world.proxy.up();
};

/** Freezes Vault while `work` runs: connections are accepted by the kernel and nothing is answered. */
export const whileVaultHangs = async (world: ChaosWorld, work: () => Promise<void>): Promise<void> => {
  process.kill(world.vault.pid, 'SIGSTOP');
  try {
    await work();
  } finally {
    process.kill(world.vault.pid, 'SIGCONT');
  }
};

/** Seals Vault while `work` runs. */
export const whileSealed = async (world: ChaosWorld, work: () => Promise<void>): Promise<void> => {
  await world.vault.seal();
  try {
    await work();
  } finally {
    await world.vault.unseal();
  }
};

/** A copy of what Vault remembers now, and the way back to it. */
export const vaultSnapshot = async (world: ChaosWorld): Promise<() => Promise<void>> => {
  const storage = join(dirname(world.paths.config), 'vault', 'data');
  const copy = join(world.paths.scratch, 'vault-snapshot');
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy, { recursive: true });
  await world.vault.stop();
  cpSync(storage, copy, { recursive: true });
  await world.vault.start();
  return async () => {
    await world.vault.stop();
    rmSync(storage, { recursive: true, force: true });
    cpSync(copy, storage, { recursive: true });
    await world.vault.start();
  };
};
