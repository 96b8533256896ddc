// Owns when files of operators are looked at again: soon after anything happens in their directories (chokidar), and
// every few seconds in any case. Invariant: events only make the looking sooner, so that a change which no event tells
// of (a network file system, a symlink further up, a full inotify) is seen all the same.

import { statSync } from 'node:fs';
import { watch } from 'chokidar';

/** Files that change without an event are seen within this. */
export const LOOK_EVERY_MS = 3000;
/** An editor writes in pieces; what has not been still for so long is not read. */
export const STILL_MS = 100;

export interface Watching {
  /** Looks after this long, unless that happens sooner anyway. */
  soon(ms: number): void;
  close(): Promise<void>;
}

export function watchFiles(
  paths: readonly string[],
  look: () => void,
  onBlind: (why: string) => void,
): Watching {
  let closed = false;
  let timer: NodeJS.Timeout | null = null;
  let dueAt = Number.POSITIVE_INFINITY;
  const run = () => {
    dueAt = Number.POSITIVE_INFINITY;
    soon(LOOK_EVERY_MS);
    look();
  };
  const soon = (ms: number) => {
    const at = performance.now() + ms;
    if (closed || at >= dueAt) return;
    dueAt = at;
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(run, ms).unref();
  };
  const watcher = watch([...new Set(paths)], { depth: 0, ignoreInitial: true });
  // Also what is no event of a file: the symlinks that Kubernetes swaps under its volumes.
  watcher.on('raw', () => soon(0));
  watcher.on('all', () => soon(0));
  // What was written between the first reading and the watcher's first scan would be told late.
  watcher.on('ready', () => soon(0));
  watcher.on('error', (error) => {
    const { code, message } = error as NodeJS.ErrnoException;
    onBlind(code ?? message);
  });
  soon(LOOK_EVERY_MS);
  return {
    soon,
    async close() {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      await watcher.close();
    },
  };
}

/** The file as it is now, through symlinks: another text when it was replaced or written. */
export function printOf(file: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown';
  }
}

/** Which of the files that are looked at have changed, and have been still since. */
export class Still {
  readonly #taken = new Map<string, string>();
  readonly #seen = new Map<string, { readonly print: string; readonly at: number }>();

  /** As it is now, it has been read. */
  take(file: string, print: string): void {
    this.#taken.set(file, print);
    this.#seen.delete(file);
  }

  forget(file: string): void {
    this.#taken.delete(file);
    this.#seen.delete(file);
  }

  /** `wait`: it has changed and may be changing still. */
  verdict(file: string, print: string): 'same' | 'wait' | 'changed' {
    if (this.#taken.get(file) === print) {
      this.#seen.delete(file);
      return 'same';
    }
    const now = performance.now();
    const seen = this.#seen.get(file);
    if (seen?.print === print) return now - seen.at >= STILL_MS ? 'changed' : 'wait';
    this.#seen.set(file, { print, at: now });
    return 'wait';
  }
}
