// Owns how a process is pinned: by a pidfd, which is this very process and never a later one of the same pid.

import { closeSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { Problem } from '../../domain/problem.ts';
import type { Binder } from '../../ports/liveness.ts';
import * as linux from '../native/linux.ts';
import { invalid, type Pinned } from './pinned.ts';

/** @throws Problem SIGNAL_INVALID */
export function pinProcess(pid: number, by: Binder | null, expected: string | undefined): Pinned {
  const fd = open(pid);
  try {
    // Read only where it matters: taking thousands of watches over is to be quick.
    const uid = by === null ? null : realUid(pid);
    const identity = startTime(pid);
    // Pinned before it was read: if it has not ended by now, what was read belongs to it.
    if (linux.pidfdEnded(fd) || identity === null) throw noSuchProcess(pid);
    if (expected !== undefined && identity !== expected) {
      throw invalid(
        `bind.pid ${pid} is another process now than the one that was bound`,
        'start the task anew, bound to the process that is to have it',
      );
    }
    if (by !== null && uid !== by.uid) {
      throw invalid(
        `bind.pid ${pid} belongs to another uid than the caller`,
        'bind a process of your own, or use the admin socket',
      );
    }
    return {
      fd,
      events: linux.EPOLLIN,
      identity,
      ended: () => true,
      signal: (name) => linux.pidfdSignal(fd, signalNumber(name)),
    };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function signalNumber(name: string): number {
  const number = (constants.signals as Readonly<Record<string, number>>)[name];
  if (number === undefined) throw new RangeError(`there is no signal ${name}`);
  return number;
}

const noSuchProcess = (pid: number): Problem =>
  invalid(
    `bind.pid ${pid} is not a running process`,
    "give the pid of a living process in the agent's pid namespace, or bind the connection",
  );

function open(pid: number): number {
  try {
    return linux.pidfdOpen(pid);
  } catch (error) {
    if (error instanceof linux.SystemError && !linux.isExhaustion(error)) throw noSuchProcess(pid);
    throw error;
  }
}

/** Real uid from /proc/<pid>/status, proc_pid_status(5); null when the process is gone. */
function realUid(pid: number): number | null {
  const uid = /^Uid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1];
  return uid === undefined ? null : Number(uid);
}

/**
 * When the process started, in clock ticks since boot: field 22 of /proc/<pid>/stat, proc_pid_stat(5). Fields
 * are counted from the last parenthesis, because the command's name before it may hold anything.
 */
export function startTime(pid: number): string | null {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

/** Empty when the process is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return '';
    throw error;
  }
}
