// Owns the counts and links among living grants that are asked for often: how many a uid has, who is whose
// child, how much hangs under a session. Invariant: kept as grants come, change and go, never by a walk over all.

import type { Grant } from '../domain/grant.ts';
import { living } from '../domain/grant.ts';
import type { TaskId } from '../domain/ids.ts';

export class Census {
  readonly #ofUid = new Map<number, number>();
  readonly #children = new Map<TaskId, Set<TaskId>>();
  /** Unproved generations by the accessor of the session above their token. */
  readonly #underSession = new Map<string, number>();
  readonly #sessionsOf = new Map<TaskId, readonly string[]>();

  add(grant: Grant): void {
    bump(this.#ofUid, grant.owner.uid, 1);
    if (grant.parent !== null) {
      const siblings = this.#children.get(grant.parent) ?? new Set();
      this.#children.set(grant.parent, siblings.add(grant.task));
    }
    this.update(grant);
  }

  /** After every step of a grant; the sessions under which nothing unproved hangs any more. */
  update(grant: Grant): readonly string[] {
    const before = this.#sessionsOf.get(grant.task) ?? NONE;
    const now = living(grant).flatMap(({ session }) => (session === null ? [] : [session]));
    if (before.length === now.length && before.every((session, i) => session === now[i])) return NONE;
    for (const session of before) bump(this.#underSession, session, -1);
    for (const session of now) bump(this.#underSession, session, 1);
    this.#sessionsOf.set(grant.task, now);
    return before.filter((session) => !this.inUse(session));
  }

  remove(grant: Grant): void {
    bump(this.#ofUid, grant.owner.uid, -1);
    if (grant.parent !== null) {
      const siblings = this.#children.get(grant.parent);
      siblings?.delete(grant.task);
      if (siblings?.size === 0) this.#children.delete(grant.parent);
    }
    for (const session of this.#sessionsOf.get(grant.task) ?? NONE) bump(this.#underSession, session, -1);
    this.#sessionsOf.delete(grant.task);
  }

  ofUid(uid: number): number {
    return this.#ofUid.get(uid) ?? 0;
  }

  childrenOf(task: TaskId): readonly TaskId[] {
    return [...(this.#children.get(task) ?? [])];
  }

  /** Something unproved hangs under this session. */
  readonly inUse = (session: string): boolean => this.#underSession.has(session);
}

const NONE: readonly string[] = [];

function bump<Key>(counts: Map<Key, number>, key: Key, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
