// Owns the judgement of on_change: a bound process is told when its files show something else, soon, and of nothing
// else. Invariant: compared by what the files hold, not by what the agent says of them.

import type { TaskId } from '../../../src/domain/ids.ts';
import type { World } from './world.ts';

/** The fact has to be on its way to the disk before anybody is told. */
const SOON_MS = 5000;

interface Known {
  /** What the workload has read, or was told to read; null once its files were taken away. */
  content: string | null;
  /** Since when. */
  at: number;
  /** Since when its files show something else; null while they do not. */
  changedAt: number | null;
}

export class NoticeJudge {
  readonly #world: World;
  readonly #known = new Map<string, Known>();
  told = 0;
  spared = 0;

  constructor(world: World) {
    this.#world = world;
  }

  onShown(task: TaskId): void {
    const { at, files } = this.#world;
    const content = files.contents(task);
    const known = this.#known.get(task);
    if (known === undefined) {
      this.#known.set(task, { content, at, changedAt: null });
      return;
    }
    const same = known.content === content;
    known.changedAt = same ? null : (known.changedAt ?? at);
    if (same) this.spared += 1;
  }

  onGone(task: TaskId, forGood: boolean): void {
    const known = this.#known.get(task);
    if (forGood) this.#known.delete(task);
    else if (known !== undefined) known.content = null;
  }

  onSignal(pid: number): void {
    const world = this.#world;
    this.told += 1;
    for (const task of world.tasks.values()) {
      const known = task.pid === pid && task.pidEndedAt === null ? this.#known.get(task.id) : undefined;
      if (known === undefined) continue;
      const content = world.files.contents(task.id);
      // What an agent that died may have shown or told, the next one cannot know.
      const unknown = (world.life?.startedAt ?? 0) >= known.at;
      if (content === known.content && known.changedAt === null && !unknown)
        world.blame(`${task.id} is told of a change and there is none`);
      Object.assign(known, { content, at: world.at, changedAt: null });
    }
  }

  look(): void {
    const { life, at, ledger, tasks, calm } = this.#world;
    if (life === null) return;
    for (const [id, known] of this.#known) {
      if (known.changedAt === null) continue;
      const [task, grant] = [tasks.get(id), ledger.byTask.get(id)];
      if (task?.pid == null || task.pidEndedAt !== null || grant?.activeAt == null) continue;
      if (grant.stoppingAt !== null || grant.withdrawn || task.stopTried) continue;
      const since = Math.max(known.changedAt, life.awakeSince, calm.since(at, ['journal']));
      if (at - since > SOON_MS) this.#world.blame(`${id} is not told that its files have changed`);
    }
  }
}
