// Owns the way of what was committed to the disk: the write-ahead log is synced beside the event loop and not in it,
// because a sync takes as long as a whole request to Vault. Invariant: the descriptor lives as long as a sync needs it.

import { closeSync, fdatasync, openSync } from 'node:fs';

export type Sync = (fd: number, done: (error: Error | null) => void) => void;

export interface LogSync {
  /**
   * Resolves when all that has been written to the file so far would survive a power cut.
   * @throws Error of fdatasync(2)
   */
  synced(): Promise<void>;
  /** Lets go of the file. */
  close(): void;
}

/** @throws Error of open(2) */
export function openLogSync(file: string, sync: Sync = fdatasync): LogSync {
  const fd = openSync(file, 'r');
  let running = 0;
  let closed = false;
  return {
    synced: () =>
      new Promise((resolve, reject) => {
        running += 1;
        sync(fd, (error) => {
          running -= 1;
          if (closed && running === 0) closeSync(fd);
          if (error === null) resolve();
          else reject(error);
        });
      }),
    close() {
      closed = true;
      if (running === 0) closeSync(fd);
    },
  };
}
