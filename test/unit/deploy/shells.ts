// Owns which POSIX shells of this machine the shell client is tried with.

import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';

/** Where a program is; undefined when it is not installed. */
export const program = (name: string): string | undefined =>
  (process.env.PATH ?? '')
    .split(':')
    .map((dir) => join(dir, name))
    .find((path) => existsSync(path));
/** Where sh is the same program as one of the others, it is run once. */
export const shells = [['sh'], ['dash'], ['bash', '--posix'], ['busybox', 'sh']].filter(
  ([name], index, all) => {
    const path = program(name!);
    const sh = program(all[0]![0]!);
    return path !== undefined && (index === 0 || realpathSync(path) !== realpathSync(sh!));
  },
);
