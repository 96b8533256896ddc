// Owns a secrets directory in memory. Invariant: a generation is visible as a whole or not at all, as on
// tmpfs; faults are the two that tmpfs has: it is full, or something cannot be removed.

import { render } from '../../../src/adapters/files/render.ts';
import type { TaskId } from '../../../src/domain/ids.ts';
import { Problem } from '../../../src/domain/problem.ts';
import type { Files, Publication } from '../../../src/ports/files.ts';

export class SimFiles implements Files {
  /** The next publications find no room. */
  full = false;
  /** Nothing can be removed (EBUSY and its like). */
  stuck = false;
  /** What a reader of `current` sees, by task. */
  readonly #current = new Map<string, { readonly n: number; readonly files: ReadonlyMap<string, string> }>();
  readonly #strays = new Set<string>();

  currentDir(task: TaskId): string {
    return `/sim/tasks/${task}/current`;
  }

  async publish({ task, n, deliveries }: Publication): Promise<readonly string[]> {
    if (this.full) {
      throw new Problem('DELIVERY_FAILED', `the files of ${task} could not be written: ENOSPC`, {
        retryable: true,
        hint: 'enlarge the tmpfs',
      });
    }
    const files = new Map(
      deliveries.flatMap(({ secret, data, files: rules }) =>
        rules.map((rule) => [rule.name, render(secret, rule, data).toString('utf8')] as const),
      ),
    );
    this.#current.set(task, { n, files });
    return [...files.keys()];
  }

  async erase(task: TaskId): Promise<void> {
    if (this.stuck) throw new Problem('DELIVERY_FAILED', `the files of ${task} could not be removed: EBUSY`);
    this.#current.delete(task);
    this.#strays.delete(task);
  }

  async sweep(keep: ReadonlySet<string>): Promise<readonly string[]> {
    if (this.stuck) throw new Problem('DELIVERY_FAILED', 'files could not be removed: EBUSY');
    const removed = this.tasks().filter((name) => !keep.has(name));
    for (const name of removed) {
      this.#current.delete(name);
      this.#strays.delete(name);
    }
    return removed;
  }

  /** Every entry of the directory, as `ls` shows it. */
  tasks(): string[] {
    return [...new Set([...this.#current.keys(), ...this.#strays])];
  }

  /** What a workload reads; null when there is no such file. */
  read(task: TaskId, file: string): string | null {
    return this.#current.get(task)?.files.get(file) ?? null;
  }

  /** An entry that nobody owns, such as a crash between two steps leaves. */
  leaveStray(name: string): void {
    this.#strays.add(name);
  }
}
