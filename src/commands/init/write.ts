// Owns the writing of init's files. Invariant: either all of them are written or none is begun; one that is there is
// replaced only when that was asked for, and then as a whole.

import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { UsageError } from '../../cli/failure.ts';

/** @throws UsageError when one is there already, before anything is written */
export function writeFiles(files: ReadonlyMap<string, string>, force: boolean): void {
  const there = [...files.keys()].filter((file) => existsSync(file));
  if (there.length > 0 && !force) {
    throw new UsageError(
      `${there.join(', ')} ${there.length === 1 ? 'is' : 'are'} there already; nothing was written`,
      'give --dir another directory, or --force to replace them',
    );
  }
  for (const [file, text] of files) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    const beside = `${file}.${process.pid}.tmp`;
    writeFileSync(beside, text, { mode: 0o644, flag: 'wx' });
    renameSync(beside, file);
  }
}
