// Owns a secrets directory in memory. Invariant: a generation is visible as a whole or not at all, as on
// tmpfs; faults are the two that tmpfs has: it is full, or something cannot be removed.

import { render } from '../../../src/adapters/files/render.ts';
import type { TaskId } from '../../../src/domain/ids.ts';
import { Problem } from '../../../src/domain/problem.ts';
import type { Files, Publication, Published } from '../../../src/ports/files.ts';

interface Home {
  readonly generations: Map<number, ReadonlyMap<string, string>>;
  readonly drafts: Set<number>;
  current: number | null;
}

export class SimFiles implements Files {
  /** The next publications find no room. */
  full = false;
  /** Nothing can be removed (EBUSY and its like). */
  stuck = false;
  readonly #homes = new Map<string, Home>();
  readonly #strays = new Set<string>();

  currentDir(task: TaskId): string {
    return `/sim/tasks/${task}/current`;
  }

  async publish(publication: Publication): Promise<Published> {
    const { task, n } = publication;
    if (this.full) {
      throw new Problem('DELIVERY_FAILED', `the files of ${task} could not be written: ENOSPC`, {
        retryable: true,
        hint: 'enlarge the tmpfs',
      });
    }
    const files = rendered(publication);
    const home = this.#homes.get(task) ?? { generations: new Map(), drafts: new Set(), current: n };
    const before = this.contents(task);
    home.generations.set(n, files);
    home.drafts.delete(n);
    home.current = n;
    this.#homes.set(task, home);
    return { files: [...files.keys()], changed: this.contents(task) !== before };
  }

  async restore(task: TaskId, n: number, files: readonly string[]): Promise<boolean> {
    const home = this.#homes.get(task);
    if (home === undefined || home.current === null || home.current < n) return false;
    if (!files.every((name) => home.generations.get(n)?.has(name) === true)) return false;
    home.current = n;
    return true;
  }

  async eraseGeneration(task: TaskId, n: number): Promise<void> {
    this.#mustRemove(task);
    const home = this.#homes.get(task);
    home?.drafts.delete(n);
    if (home !== undefined && home.current !== n) home.generations.delete(n);
  }

  async withdraw(task: TaskId): Promise<boolean> {
    const home = this.#homes.get(task);
    if (home === undefined) return false;
    this.#mustRemove(task);
    home.generations.clear();
    home.drafts.clear();
    home.current = null;
    return true;
  }

  async erase(task: TaskId): Promise<void> {
    this.#mustRemove(task);
    this.#homes.delete(task);
    this.#strays.delete(task);
  }

  async sweep(keep: ReadonlySet<string>): Promise<readonly string[]> {
    const removed = this.tasks().filter((name) => !keep.has(name));
    if (removed.length > 0) this.#mustRemove('nobody');
    for (const name of removed) {
      this.#homes.delete(name);
      this.#strays.delete(name);
    }
    for (const home of this.#homes.values()) home.drafts.clear();
    return removed;
  }

  #mustRemove(task: string): void {
    if (this.stuck) throw new Problem('DELIVERY_FAILED', `the files of ${task} could not be removed: EBUSY`);
  }

  /** Every entry of the directory, as `ls` shows it. */
  tasks(): string[] {
    return [...new Set([...this.#homes.keys(), ...this.#strays])];
  }

  /** The generations of a task whose files are there, a half-written one included. */
  generations(task: TaskId): number[] {
    const home = this.#homes.get(task);
    return home === undefined ? [] : [...new Set([...home.generations.keys(), ...home.drafts])];
  }

  /** The generation that a workload reads; null when there is none. */
  shown(task: TaskId): number | null {
    return this.#homes.get(task)?.current ?? null;
  }

  /** All that a workload reads; null when there is nothing. */
  contents(task: TaskId): string | null {
    const home = this.#homes.get(task);
    const files = home?.generations.get(home.current ?? 0);
    return files === undefined ? null : JSON.stringify([...files].sort());
  }

  /** What a workload reads; null when there is no such file. */
  read(task: TaskId, file: string): string | null {
    const home = this.#homes.get(task);
    return home?.generations.get(home.current ?? 0)?.get(file) ?? null;
  }

  /** An entry that nobody owns, such as a crash between two steps leaves. */
  leaveStray(name: string): void {
    this.#strays.add(name);
  }

  /** What a crash leaves in the middle of publishing this generation. */
  leaveDraft(task: TaskId, n: number): void {
    const home = this.#homes.get(task) ?? { generations: new Map(), drafts: new Set(), current: null };
    home.drafts.add(n);
    this.#homes.set(task, home);
  }
}

const rendered = ({ deliveries }: Publication): ReadonlyMap<string, string> =>
  new Map(
    deliveries.flatMap((delivery) =>
      delivery.files.map((rule) => [rule.name, render(rule, delivery, deliveries).toString('utf8')] as const),
    ),
  );
