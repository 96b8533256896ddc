// Owns the removal of files, which must work when nothing else does. Invariant: a process without a free
// descriptor can still remove, because a few are kept for it.

import { closeSync, openSync, rmSync, unlinkSync } from 'node:fs';

/** Removing a tree holds one descriptor a level: a task's directory and a generation, and one to spare. */
const LEVELS = 3;
let kept: number[] = [];

/** Idempotent. */
export function keepDescriptors(): void {
  try {
    while (kept.length < LEVELS) kept.push(openSync('/dev/null', 'r'));
  } catch {
    // None is free now: the next removal tries again.
  }
}

/** Removes a file or a tree; what is not there is fine. */
export function remove(path: string): void {
  keepDescriptors();
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // Whatever the reason: Node does not say EMFILE here, but "Unknown error".
    for (const fd of kept) closeSync(fd);
    kept = [];
    try {
      rmSync(path, { recursive: true, force: true });
    } finally {
      keepDescriptors();
    }
  }
}

/** As remove, for what should be a link: one call to the kernel, where a tree takes a dozen. */
export function removeLink(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    remove(path);
  }
}
