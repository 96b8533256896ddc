// Owns where the programs of Debian's servers lie. Invariant: one that is missing is named with the package that
// brings it, in one sentence.
import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/** Debian keeps servers out of an ordinary user's PATH. */
const BESIDE_THE_PATH = ['/usr/sbin', '/usr/local/sbin', '/usr/lib/rabbitmq/bin', '/usr/bin'];

/** The full path of `name`, from PATH or where Debian puts it. */
export const program = (name: string, debianPackage: string): string => {
  const dirs = [...(process.env.PATH ?? '').split(delimiter), ...BESIDE_THE_PATH];
  for (const dir of dirs) {
    if (dir === '') continue;
    const path = isAbsolute(name) ? name : join(dir, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not there.
    }
  }
  throw new Error(
    `the program "${name}" is missing: install Debian's package with "apt-get install ${debianPackage}"`,
  );
};
