// Owns the watch over bound processes: one pidfd each, one epoll for all. Invariant: a callback fires
// at most once, only for the very process that was pinned, within milliseconds of its end.

import { closeSync, readFileSync, writeSync } from 'node:fs';
import { Problem } from '../../domain/problem.ts';
import type { Liveness } from '../../ports/liveness.ts';
import * as linux from '../native/linux.ts';

const WAKE = 0;

interface Watched {
  readonly pidfd: number;
  readonly gone: () => void;
}

export function openLiveness(): Liveness & { close(): void } {
  const epoll = linux.epollCreate();
  const wake = linux.eventfd();
  linux.epollAdd(epoll, wake, WAKE);
  const watches = new Map<number, Watched>();
  let lastTag = WAKE;
  let closed = false;
  let waiting = false;

  function drop(tag: number): void {
    const watched = watches.get(tag);
    if (watched === undefined) return;
    watches.delete(tag);
    linux.epollRemove(epoll, watched.pidfd);
    closeSync(watched.pidfd);
  }

  // A thread of the pool waits only while something is watched.
  async function wait(): Promise<void> {
    if (waiting) return;
    waiting = true;
    while (!closed && watches.size > 0) {
      for (const tag of await linux.epollWait(epoll)) {
        const watched = watches.get(tag);
        drop(tag);
        watched?.gone();
      }
    }
    waiting = false;
    if (closed) {
      closeSync(epoll);
      closeSync(wake);
    }
  }

  return {
    watch(pid, ownedBy, gone) {
      const pidfd = open(pid);
      try {
        const uid = realUid(pid);
        // The pid was pinned before it was read: if it lives still, what was read belongs to it.
        if (!linux.pidfdAlive(pidfd) || uid === null) throw noSuchProcess(pid);
        if (ownedBy !== null && uid !== ownedBy) {
          throw new Problem('SIGNAL_INVALID', `bind.pid ${pid} belongs to another uid than the caller`, {
            hint: 'bind a process of your own, or use the admin socket',
          });
        }
      } catch (error) {
        closeSync(pidfd);
        throw error;
      }
      lastTag += 1;
      const tag = lastTag;
      watches.set(tag, { pidfd, gone });
      linux.epollAdd(epoll, pidfd, tag);
      void wait();
      return { close: () => drop(tag) };
    },
    close() {
      closed = true;
      for (const tag of [...watches.keys()]) drop(tag);
      if (waiting) writeSync(wake, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]));
      else {
        closeSync(epoll);
        closeSync(wake);
      }
    },
  };
}

const noSuchProcess = (pid: number): Problem =>
  new Problem('SIGNAL_INVALID', `bind.pid ${pid} is not a running process`, {
    hint: "give the pid of a living process in the agent's pid namespace, or bind the connection",
  });

function open(pid: number): number {
  try {
    return linux.pidfdOpen(pid);
  } catch (error) {
    if (error instanceof linux.SystemError) throw noSuchProcess(pid);
    throw error;
  }
}

/** Real uid from /proc/<pid>/status, proc_pid_status(5); null when the process is gone. */
function realUid(pid: number): number | null {
  try {
    const uid = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return uid === undefined ? null : Number(uid);
  } catch {
    return null;
  }
}
