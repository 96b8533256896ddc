// Owns a process table with cgroups. Invariant: a pid or a cgroup's path may be given out again, but a watch is
// on the one that had it when the watch began (as with pidfd_open(2)), and it calls back once.

import { Problem } from '../../../src/domain/problem.ts';
import type { Binder, Liveness, Subject, Watch } from '../../../src/ports/liveness.ts';

interface SimSubject {
  readonly identity: string;
  readonly uid: number;
  readonly watchers: Set<() => void>;
  ended: boolean;
}

interface SimProcess extends SimSubject {
  readonly cgroup: string;
  readonly signals: string[];
}

export class SimLiveness implements Liveness {
  readonly #processes = new Map<number, SimProcess>();
  readonly #cgroups = new Map<string, SimSubject>();
  #made = 0;

  /** A new process. The pid may be one that an ended process had. */
  spawn(pid: number, uid: number, cgroup = '/'): void {
    this.#processes.set(pid, { ...this.#subject(uid), cgroup, signals: [] });
  }

  /** A new cgroup, given to this uid; it is told of once a process that was spawned in it has ended. */
  makeCgroup(path: string, uid = 0): void {
    this.#cgroups.set(path, this.#subject(uid));
  }

  #subject(uid: number): SimSubject {
    this.#made += 1;
    return { identity: `${this.#made}`, uid, watchers: new Set(), ended: false };
  }

  /** kill -9: the process is gone at once; those who watch it, or a cgroup it was the last of, are told soon. */
  kill(pid: number): void {
    const process = this.#processes.get(pid);
    if (process === undefined) return;
    this.#processes.delete(pid);
    this.#end(process);
    for (const [path, cgroup] of this.#cgroups) {
      if (!isIn(process.cgroup, path) || this.#populated(path)) continue;
      this.#cgroups.delete(path);
      this.#end(cgroup);
    }
  }

  /** What the process of this pid was sent; a former one of the pid keeps its own. */
  signals(pid: number): readonly string[] {
    return this.#processes.get(pid)?.signals ?? [];
  }

  watch(subject: Subject, by: Binder | null, gone: () => void, identity?: string): Watch {
    const found = 'pid' in subject ? this.#process(subject.pid, by) : this.#cgroup(subject.cgroup, by);
    if (identity !== undefined && identity !== found.identity)
      throw invalid('another one now than was bound');
    // A watch of its own, even when the same function watches twice.
    const told = () => gone();
    found.watchers.add(told);
    return {
      identity: found.identity,
      signal: (name) => {
        if (!('signals' in found) || found.ended || !found.watchers.has(told)) return false;
        (found as SimProcess).signals.push(name);
        return true;
      },
      close: () => void found.watchers.delete(told),
    };
  }

  #process(pid: number, by: Binder | null): SimSubject {
    const process = this.#processes.get(pid);
    if (process === undefined) throw invalid(`bind.pid ${pid} is not a running process`);
    if (by !== null && process.uid !== by.uid) {
      throw invalid(`bind.pid ${pid} belongs to another uid than the caller`);
    }
    return process;
  }

  #cgroup(path: string, by: Binder | null): SimSubject {
    const cgroup = this.#cgroups.get(path);
    if (cgroup === undefined) throw invalid(`bind.cgroup ${path} is not a cgroup that can be watched`);
    if (!this.#populated(path)) throw invalid(`bind.cgroup ${path} has no process`);
    const livesIn = by !== null && isIn(this.#processes.get(by.pid)?.cgroup ?? '', path);
    if (by !== null && cgroup.uid !== by.uid && !livesIn) {
      throw invalid(`bind.cgroup ${path} is neither the caller's own nor one that uid ${by.uid} owns`);
    }
    return cgroup;
  }

  #populated(path: string): boolean {
    return [...this.#processes.values()].some(({ cgroup }) => isIn(cgroup, path));
  }

  #end(subject: SimSubject): void {
    subject.ended = true;
    for (const gone of subject.watchers) {
      queueMicrotask(() => {
        if (subject.watchers.delete(gone)) gone();
      });
    }
  }
}

const isIn = (cgroup: string, path: string): boolean => cgroup === path || cgroup.startsWith(`${path}/`);

const invalid = (detail: string): Problem => new Problem('SIGNAL_INVALID', detail);
