// Owns small file systems for the agent's directories, and how they are filled. Invariant: what is mounted is
// unmounted, whatever the scenario does; without the right to mount there is no scenario.
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChaosWorld } from './chaos-world.ts';

/** Root of a container may lack the right to mount. */
export const canMount = (): boolean => {
  if (process.getuid?.() !== 0) return false;
  const dir = mkdtempSync(join(tmpdir(), 'tasklease-mount-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', dir]).status === 0;
  if (mounted) spawnSync('umount', [dir]);
  rmdirSync(dir);
  return mounted;
};

/** Runs `work` with a directory of the agent on a small tmpfs of its own, mounted with `options`. */
export const onSmallTmpfs = async (
  world: ChaosWorld,
  dir: string,
  options: string,
  work: () => Promise<void>,
): Promise<void> => {
  await world.agent.term();
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { mode: 0o700 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `${options},mode=0711`, 'tmpfs', dir]);
  try {
    await world.agent.start();
    await work();
    await world.agent.term();
  } finally {
    if (world.agent.running) await world.agent.kill9();
    execFileSync('umount', ['-l', dir]);
    rmSync(dir, { recursive: true, force: true });
    await world.agent.start();
  }
};

const untilFull = (step: () => void): void => {
  try {
    for (;;) step();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
};

/** Takes the last byte of a file system; answers how to give the room back. */
export const fillBytes = (dir: string): (() => void) => {
  const path = join(dir, 'ballast');
  const fd = openSync(path, 'w');
  const block = Buffer.alloc(4096);
  untilFull(() => writeSync(fd, block));
  closeSync(fd);
  return () => rmSync(path);
};

/** Takes the last inode of a file system; answers how to give them back. */
export const fillInodes = (dir: string): (() => void) => {
  const path = join(dir, 'ballast');
  mkdirSync(path);
  let n = 0;
  untilFull(() => closeSync(openSync(join(path, `${++n}`), 'w')));
  return () => rmSync(path, { recursive: true });
};
