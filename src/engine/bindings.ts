// Owns which processes living tasks are bound to. Invariant: a process is pinned before its task is
// accepted, and let go when the task is.

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
   * Watches the process that a start binds, if it binds one. A caller binds its own uid's processes, the
   * admin socket any.
   * @throws Problem SIGNAL_INVALID
   */
  bind(task: TaskId, bind: Bind | undefined, caller: Caller, gone: () => void): void {
    if (bind === undefined || !('pid' in bind)) return;
    if (caller.pid === 0) {
      throw new Problem(
        'SIGNAL_INVALID',
        'bind.pid means nothing across pid namespaces (the caller has pid 0)',
        { hint: 'bind the connection instead: "bind": {"connection": true}' },
      );
    }
    this.#watches.set(task, this.#liveness.watch(bind.pid, caller.admin ? null : caller.uid, gone));
  }

  release(task: TaskId): void {
    this.#watches.get(task)?.close();
    this.#watches.delete(task);
  }

  close(): void {
    for (const task of [...this.#watches.keys()]) this.release(task);
  }
}
