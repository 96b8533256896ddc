// Owns which processes and cgroups living tasks are bound to. Invariant: a subject is pinned before its task is
// accepted, taken over only when it is the very same, and let go when the task is.

import type { TaskId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import type { Bind, Caller } from '../domain/task-spec.ts';
import type { Liveness, Watch } from '../ports/liveness.ts';

export class Bindings {
  readonly #liveness: Liveness;
  readonly #watches = new Map<TaskId, Watch>();

  constructor(liveness: Liveness) {
    this.#liveness = liveness;
  }

  /**
   * Watches what a start binds, if that is a process or a cgroup; what tells it from a later one of its name.
   * A caller binds what is its own, the admin socket anything.
   * @throws Problem SIGNAL_INVALID
   */
  bind(task: TaskId, bind: Bind | undefined, caller: Caller, gone: () => void): string | null {
    if (bind === undefined || 'connection' in bind) return null;
    if (caller.pid === 0) {
      const named = 'pid' in bind ? 'bind.pid' : 'bind.cgroup';
      throw new Problem(
        'SIGNAL_INVALID',
        `${named} means nothing across pid namespaces (the caller has pid 0)`,
        {
          hint: 'bind the connection instead: "bind": {"connection": true}',
        },
      );
    }
    const watch = this.#liveness.watch(
      bind,
      caller.admin ? null : { uid: caller.uid, pid: caller.pid },
      gone,
    );
    this.#watches.set(task, watch);
    return watch.identity;
  }

  /** Watches again what an earlier agent watched. @throws Problem when that is not there any more */
  rebind(task: TaskId, bind: Bind | null, bound: string | null, gone: () => void): void {
    if (bind === null || 'connection' in bind) return;
    this.#watches.set(task, this.#liveness.watch(bind, null, gone, bound ?? ''));
  }

  /** Sends the bound process a signal; false when there is none to send it to. */
  signal(task: TaskId, signal: string): boolean {
    return this.#watches.get(task)?.signal(signal) ?? false;
  }

  release(task: TaskId): void {
    this.#watches.get(task)?.close();
    this.#watches.delete(task);
  }

  close(): void {
    for (const task of [...this.#watches.keys()]) this.release(task);
  }
}
