// Owns the watch over what tasks are bound to: one descriptor each, one epoll for all. Invariant: a callback
// fires at most once, only for the very process or cgroup that was pinned, within milliseconds of its end.

import { closeSync, writeSync } from 'node:fs';
import type { Liveness } from '../../ports/liveness.ts';
import * as linux from '../native/linux.ts';
import { exhaustion, type Pinned } from './pinned.ts';
import { pinCgroup } from './pinned-cgroup.ts';
import { pinProcess } from './pinned-process.ts';

const WAKE = 0;

interface Watched {
  readonly pinned: Pinned;
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
    linux.epollRemove(epoll, watched.pinned.fd);
    closeSync(watched.pinned.fd);
  }

  function release(): void {
    closeSync(epoll);
    closeSync(wake);
  }

  // A thread of the pool waits only while something is watched.
  async function wait(): Promise<void> {
    if (waiting) return;
    waiting = true;
    while (!closed && watches.size > 0) {
      for (const tag of await linux.epollWait(epoll)) {
        const watched = watches.get(tag);
        if (watched === undefined || !watched.pinned.ended()) continue;
        drop(tag);
        watched.gone();
      }
    }
    waiting = false;
    if (closed) release();
  }

  function add(pinned: Pinned, gone: () => void): number {
    lastTag += 1;
    try {
      linux.epollAdd(epoll, pinned.fd, lastTag, pinned.events);
    } catch (error) {
      closeSync(pinned.fd);
      throw error;
    }
    watches.set(lastTag, { pinned, gone });
    void wait();
    return lastTag;
  }

  return {
    watch(subject, by, gone, identity) {
      try {
        const pinned =
          'pid' in subject ? pinProcess(subject.pid, by, identity) : pinCgroup(subject.cgroup, by, identity);
        const tag = add(pinned, gone);
        return {
          identity: pinned.identity,
          // A descriptor's number may be given out again: what is no longer watched is not signalled.
          signal: (name) => watches.has(tag) && pinned.signal(name),
          close: () => drop(tag),
        };
      } catch (error) {
        throw exhaustion(error) ?? error;
      }
    },
    close() {
      closed = true;
      for (const tag of [...watches.keys()]) drop(tag);
      if (waiting) writeSync(wake, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]));
      else release();
    },
  };
}
