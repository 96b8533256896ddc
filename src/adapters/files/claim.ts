// Owns the agent's claim on the secrets directory. Invariant: nothing is ever written to another file system
// than tmpfs or ramfs, and nothing is swept that the agent did not make.

import * as fs from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../../domain/problem.ts';
import { isInMemory } from './directory.ts';
import { isOurs } from './task-directory.ts';

/** @throws Problem TMPFS_UNSAFE */
export function assertInMemory(dir: string): void {
  if (!fs.existsSync(dir)) {
    throw new Problem('TMPFS_UNSAFE', `secrets_dir: ${dir} is gone`, {
      hint: 'make it again on tmpfs and restart the agent',
    });
  }
  if (isInMemory(dir)) return;
  throw new Problem('TMPFS_UNSAFE', `secrets_dir: ${dir} is not on tmpfs or ramfs`, {
    hint: `mount -t tmpfs -o size=16m,mode=0711,noswap tmpfs ${dir}`,
  });
}

/**
 * Sweeping removes every stray entry, so the directory must be the agent's alone: empty or holding nothing
 * but task directories when it is first seen, the very same directory later.
 */
export function claim(dir: string, claimFile: string | undefined): void {
  const { dev, ino } = fs.statSync(dir);
  const identity = `${dir} ${dev}:${ino}\n`;
  if (claimFile !== undefined && read(claimFile) === identity) return;
  const foreign = fs.readdirSync(dir).find((name) => !looksLikeTask(join(dir, name)));
  if (foreign !== undefined) {
    throw new Problem('TMPFS_UNSAFE', `secrets_dir: ${dir} holds ${foreign}, which the agent did not make`, {
      hint: 'give the agent a directory of its own',
    });
  }
  if (claimFile !== undefined) remember(claimFile, identity);
}

/** A state_dir that is full or read-only must not keep the agent from revoking: it looks again next time. */
function remember(claimFile: string, identity: string): void {
  try {
    fs.writeFileSync(claimFile, identity, { mode: 0o600 });
  } catch {
    // Nothing but task directories is in there, so that nothing else can be swept.
  }
}

function read(file: string): string | null {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

const looksLikeTask = (path: string): boolean =>
  fs.lstatSync(path).isDirectory() && fs.readdirSync(path).every(isOurs);
