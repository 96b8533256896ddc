// Owns a process table. Invariant: a pid may be given out again, but a watch is on the process that had it
// when the watch began (as with pidfd_open(2)), and it calls back once.

import { Problem } from '../../../src/domain/problem.ts';
import type { Liveness, Watch } from '../../../src/ports/liveness.ts';

interface SimProcess {
  readonly uid: number;
  readonly watchers: Set<() => void>;
}

export class SimLiveness implements Liveness {
  readonly #processes = new Map<number, SimProcess>();

  /** A new process. The pid may be one that an ended process had. */
  spawn(pid: number, uid: number): void {
    this.#processes.set(pid, { uid, watchers: new Set() });
  }

  /** kill -9: the process is gone at once; those who watch are told soon after. */
  kill(pid: number): void {
    const process = this.#processes.get(pid);
    this.#processes.delete(pid);
    for (const gone of process?.watchers ?? []) {
      queueMicrotask(() => {
        if (process!.watchers.delete(gone)) gone();
      });
    }
  }

  watch(pid: number, ownedBy: number | null, gone: () => void): Watch {
    const process = this.#processes.get(pid);
    if (process === undefined) {
      throw new Problem('SIGNAL_INVALID', `bind.pid ${pid} is not a running process`);
    }
    if (ownedBy !== null && process.uid !== ownedBy) {
      throw new Problem('SIGNAL_INVALID', `bind.pid ${pid} belongs to another uid than the caller`);
    }
    // A watch of its own, even when the same function watches twice.
    const told = () => gone();
    process.watchers.add(told);
    return { close: () => void process.watchers.delete(told) };
  }
}
