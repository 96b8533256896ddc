// Owns since when the world has been calm, by kind of trouble. Invariant: judges may only ask for what an agent
// can do in the calm that there was.

export type Trouble =
  /** The agent is down or frozen; `away`: for so long that its leash may have run out. */
  | 'agent'
  | 'away'
  /** Requests fail, are slow or get lost. */
  | 'path'
  /** Vault is sealed, its engine down, or it was restored. */
  | 'vault'
  /** An administrator ended something by hand. */
  | 'admin'
  | 'journal'
  | 'files';

const ALL: readonly Trouble[] = ['agent', 'away', 'path', 'vault', 'admin', 'journal', 'files'];

export class Calm {
  readonly #open = new Map<Trouble, number>();
  readonly #last = new Map<Trouble, number>();

  begin(kind: Trouble): void {
    this.#open.set(kind, (this.#open.get(kind) ?? 0) + 1);
  }

  end(kind: Trouble, now: number): void {
    this.#open.set(kind, Math.max(0, (this.#open.get(kind) ?? 0) - 1));
    this.touch(kind, now);
  }

  /** Trouble at this moment, with effect until then. */
  touch(kind: Trouble, until: number): void {
    this.#last.set(kind, Math.max(until, this.#last.get(kind) ?? 0));
  }

  /** Since when there has been none of these kinds (all, by default); `now` or later while there is. */
  since(now: number, kinds: readonly Trouble[] = ALL): number {
    let since = 0;
    for (const kind of kinds) {
      if ((this.#open.get(kind) ?? 0) > 0) return now;
      since = Math.max(since, this.#last.get(kind) ?? 0);
    }
    return since;
  }
}
