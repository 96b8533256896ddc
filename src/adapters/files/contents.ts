// Owns whether a publication shows its readers anything else than the one before. Invariant: what is remembered of a
// file is a digest under a key that ends with this process, so that no secret can be guessed from it; what cannot be
// known counts as changed.

import { createHmac, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { MANIFEST } from './manifest.ts';

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;

/** A file of a generation: its name, how long it is, and the digest of its bytes. */
export interface Print {
  readonly name: string;
  readonly size: number;
  readonly digest: string;
}

export class Contents {
  readonly #key = randomBytes(32);
  /** What `current` of each task holds, since this process published it. */
  readonly #shown = new Map<string, string>();

  printOf(name: string, bytes: Buffer): Print {
    const digest = createHmac('sha256', this.#key).update(bytes).digest('base64');
    return { name, size: bytes.length, digest };
  }

  /**
   * Whether these files are others than those that are shown, by name or content.
   * @param shown the directory that is shown; null when there is none
   */
  differ(task: string, shown: string | null, files: readonly Print[]): boolean {
    if (shown === null) return true;
    const known = this.#shown.get(task);
    return known === undefined ? !this.#areIn(shown, files) : known !== textOf(files);
  }

  /** They are shown from now on. */
  keep(task: string, files: readonly Print[]): void {
    this.#shown.set(task, textOf(files));
  }

  forget(task: string): void {
    this.#shown.delete(task);
  }

  /** What an agent before this one has published; its reader may own the files, and have made them longer. */
  #areIn(dir: string, files: readonly Print[]): boolean {
    try {
      const there = fs.readdirSync(dir).filter((name) => name !== MANIFEST);
      return there.length === files.length && files.every((file) => this.#isIn(dir, file));
    } catch {
      // Not to be read by us, once it was given to its reader; or gone.
      return false;
    }
  }

  #isIn(dir: string, { name, size, digest }: Print): boolean {
    const fd = fs.openSync(join(dir, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const bytes = Buffer.alloc(size);
    try {
      const stat = fs.fstatSync(fd);
      if (!stat.isFile() || stat.size !== size || fs.readSync(fd, bytes, 0, size, 0) !== size) return false;
      return this.printOf(name, bytes).digest === digest;
    } finally {
      bytes.fill(0);
      fs.closeSync(fd);
    }
  }
}

const textOf = (files: readonly Print[]): string =>
  JSON.stringify(files.map(({ name, digest }) => [name, digest]).sort());
