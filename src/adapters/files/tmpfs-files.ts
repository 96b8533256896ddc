// Owns the task directories on tmpfs. Invariant: `current` always points at a whole generation; directories
// belong to the agent, so that a workload can neither swap nor keep them; removing works on a full file system
// and without a free descriptor.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Files } from '../../ports/files.ts';
import { ownPowers } from './access.ts';
import { assertInMemory, claim } from './claim.ts';
import { Contents } from './contents.ts';
import { deliveryProblem } from './delivery-problem.ts';
import { isWhole } from './manifest.ts';
import { discard, publish, turn } from './publish.ts';
import { keepDescriptors, remove, removeLink } from './remove.ts';
import { CURRENT, draftOf, generationOf, isUnfinished, linkOf, shown } from './task-directory.ts';

export interface TmpfsOptions {
  /** A directory that directory.ts has found safe. */
  readonly dir: string;
  /** A file that remembers which directory is the agent's alone; without it only one that is empty or holds nothing but task directories is taken. */
  readonly claimFile?: string;
}

/**
 * @throws Problem TMPFS_UNSAFE when it is not in memory, or holds what the agent did not make
 */
export async function openTmpfsFiles({ dir, claimFile }: TmpfsOptions): Promise<Files> {
  assertInMemory(dir);
  claim(dir, claimFile);
  keepDescriptors();
  const powers = ownPowers();
  const contents = new Contents();

  function removing(what: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      throw deliveryProblem(error, `${what} could not be removed`, dir);
    }
  }

  return {
    currentDir: (task) => join(dir, task, CURRENT),
    async publish(publication) {
      const home = join(dir, publication.task);
      const existed = existsSync(home);
      try {
        assertInMemory(dir);
        return publish(dir, publication, powers, contents);
      } catch (error) {
        contents.forget(publication.task);
        const what = `the files of ${publication.task} could not be written`;
        const problem = deliveryProblem(error, what, dir);
        removing(`the unfinished files of ${publication.task}`, () => discard(home, publication.n, existed));
        throw problem;
      }
    },
    async restore(task, n, files) {
      const home = join(dir, task);
      const before = shown(home);
      if (before === null || before < n || !isWhole(generationOf(home, n), files)) return false;
      if (before > n) {
        contents.forget(task);
        turn(home, n);
      }
      return true;
    },
    async eraseGeneration(task, n) {
      const home = join(dir, task);
      removing(`generation ${n} of ${task}`, () => {
        remove(linkOf(home, n));
        remove(draftOf(home, n));
        if (shown(home) !== n) remove(generationOf(home, n));
      });
    },
    async withdraw(task) {
      contents.forget(task);
      const home = join(dir, task);
      if (!existsSync(home)) return false;
      removing(`the files of ${task}`, () => {
        remove(join(home, 'current'));
        for (const name of readdirSync(home)) remove(join(home, name));
      });
      return true;
    },
    async erase(task) {
      contents.forget(task);
      removing(`the files of ${task}`, () => {
        // First the name that readers use: what cannot be removed at once is out of sight already.
        removeLink(join(dir, task, CURRENT));
        remove(join(dir, task));
      });
    },
    async sweep(keep) {
      const strays: string[] = [];
      removing('files that nobody owns', () => {
        for (const name of readdirSync(dir)) {
          if (keep.has(name)) finish(join(dir, name));
          else {
            contents.forget(name);
            remove(join(dir, name));
            strays.push(name);
          }
        }
      });
      return strays;
    },
  };
}

/** A task that goes on keeps its generations; what an agent was writing when it was cut off goes. */
function finish(home: string): void {
  for (const name of readdirSync(home)) if (isUnfinished(name)) remove(join(home, name));
}
