// The port to the secrets directory on tmpfs.

import type { TaskId } from '../domain/ids.ts';
import type { FileRule, Owner } from '../domain/profile.ts';

/** One secret's fields with the files to be made of them; a file may show fields of the other secrets too. */
export interface Delivery {
  readonly secret: string;
  /** RFC 3339: when it ends whatever is done about it; absent where that is not known. */
  readonly endsAt?: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly files: readonly FileRule[];
}

export interface Publication {
  readonly task: TaskId;
  readonly n: number;
  readonly reader: Owner;
  /** Supplementary groups of the reader, for where only a shared group can give access. */
  readonly readerGroups: readonly number[];
  readonly mode?: number;
  readonly deliveries: readonly Delivery[];
}

export interface Published {
  readonly files: readonly string[];
  /** Readers find other files than before, or other contents; also where that cannot be known. */
  readonly changed: boolean;
}

export interface Files {
  /** The path that a reader opens: `<secrets_dir>/<task>/current`. */
  currentDir(task: TaskId): string;
  /**
   * Writes one whole generation and then makes it visible by one rename.
   * @throws Problem TMPFS_UNSAFE or DELIVERY_FAILED; then nothing of this generation is visible.
   */
  publish(publication: Publication): Promise<Published>;
  /**
   * True when `current` shows this generation and every one of these files is there, whole as it was written. An
   * agent that was cut off may have shown a newer one that is on no record: then `current` is turned back first.
   */
  restore(task: TaskId, n: number, files: readonly string[]): Promise<boolean>;
  /** Removes one superseded generation, never the one that `current` shows. One that is gone is fine. */
  eraseGeneration(task: TaskId, n: number): Promise<void>;
  /**
   * Removes the files of a task that goes on, and leaves its directory, empty, as the sign that it does. False when
   * there is none.
   */
  withdraw(task: TaskId): Promise<boolean>;
  /** Removes everything of the task, its directory too. Resolves when it is gone; a task without files is fine. */
  erase(task: TaskId): Promise<void>;
  /** Removes every entry that is not one of `keep`; returns what was removed. */
  sweep(keep: ReadonlySet<string>): Promise<readonly string[]>;
}
