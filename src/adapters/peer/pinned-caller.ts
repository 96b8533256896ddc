// Owns how a calling process is held for the time of a start, and what is seen of it meanwhile. Invariant: what was seen
// belongs to the process that connected: its pidfd is taken first, and it had not ended when all was read.

import { closeSync, readlinkSync, statSync } from 'node:fs';
import { containerOf } from '../../domain/evidence.ts';
import { Problem } from '../../domain/problem.ts';
import type { PinnedCaller } from '../../domain/task-spec.ts';
import * as linux from '../native/linux.ts';
import { exhaustion } from './pinned.ts';
import { cgroupOf } from './pinned-cgroup.ts';
import { startTime } from './pinned-process.ts';

export interface Peer {
  /** As the kernel numbers it in our pid namespace; 0 when it has no number there. */
  readonly pid: number;
  /** The number is the one by which the caller knows itself. */
  readonly shared: boolean;
  /** Milliseconds since boot. */
  readonly connectedAt: number;
}

/**
 * Null where the process cannot be held: in another pid namespace, on a kernel before 6.5.
 * @param socket the connection's descriptor
 * @throws Problem IDENTITY_REJECTED when it has ended, CAPACITY when there is no descriptor left
 */
export function pinCaller(
  socket: number,
  { pid, shared, connectedAt }: Peer,
  peerPidfd = linux.peerPidfd,
): PinnedCaller | null {
  let fd: number | null;
  try {
    fd = peerPidfd(socket) ?? (pid === 0 ? null : byNumber(pid, connectedAt));
  } catch (error) {
    throw exhaustion(error) ?? gone(error);
  }
  if (fd === null) return null;
  const pidfd = fd;
  try {
    const cgroup = pid === 0 ? null : cgroupOf(pid);
    const evidence = {
      pid: shared ? pid : 0,
      exe: pid === 0 ? null : executable(pid),
      cgroup,
      container: containerOf(cgroup),
    };
    if (linux.pidfdEnded(pidfd)) throw gone();
    return { evidence, alive: () => !linux.pidfdEnded(pidfd), close: () => closeSync(pidfd) };
  } catch (error) {
    closeSync(pidfd);
    throw error;
  }
}

const TICK_MS = 10;

/** On older kernels: a process of this number that was there before the connection is the one that made it. */
function byNumber(pid: number, connectedAt: number): number {
  const fd = linux.pidfdOpen(pid);
  const started = startTime(pid);
  if (started !== null && Number(started) * TICK_MS <= connectedAt) return fd;
  closeSync(fd);
  throw new Error('another process has its number by now');
}

/**
 * The path of its executable, proc_pid_exe(5), if the very same file is found there by us: in a mount namespace of its
 * own a process may have put anything under any name.
 */
function executable(pid: number): string | null {
  const link = `/proc/${pid}/exe`;
  try {
    const path = readlinkSync(link);
    const [running, found] = [statSync(link, { bigint: true }), statSync(path, { bigint: true })];
    return running.dev === found.dev && running.ino === found.ino ? path : null;
  } catch {
    // Gone, replaced, or not ours to see (ptrace(2), PTRACE_MODE_READ_FSCREDS).
    return null;
  }
}

const gone = (cause?: unknown): Problem =>
  new Problem('IDENTITY_REJECTED', 'the process that connected has ended', {
    cause,
    retryable: true,
    hint: 'start the task from a process that lives until it is answered',
  });
