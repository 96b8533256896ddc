// Owns what the tests need of Debian: looked for before the first test, so that nobody learns of a missing package a
// quarter of an hour later. Invariant: nothing is installed where that could start services of the machine; what is
// missing is told with the one command that brings it.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { progressTo, withProgress } from '../../src/dev/progress.ts';
import { program } from './servers/program.ts';

const LIST = fileURLToPath(new URL('../../.ci/packages', import.meta.url));

/** Package and program of each line. */
export const listed = (text: string): [string, string][] =>
  text
    .split('\n')
    .filter((line) => /^[a-z]/.test(line))
    .map((line) => line.split(' ') as [string, string]);

const isThere = (name: string, debianPackage: string): boolean => {
  try {
    return program(name, debianPackage) !== '';
  } catch {
    return false;
  }
};

const missing = (): string[] =>
  listed(readFileSync(LIST, 'utf8')).flatMap(([name, file]) => (isThere(file, name) ? [] : [name]));

/** Packages bring services, and a service manager would start them. */
const mayInstall = (): boolean =>
  process.getuid!() === 0 && existsSync('/usr/bin/apt-get') && !existsSync('/run/systemd/system');

/** Looks for all of it; installs what is missing where that is harmless, else says how. */
export async function debianPackages(): Promise<void> {
  let lacking = missing();
  const output = progressTo();
  if (lacking.length > 0 && mayInstall()) {
    const apt = (...args: string[]) =>
      promisify(execFile)('apt-get', args, {
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
        maxBuffer: 1 << 26,
      });
    await withProgress(output, `installing ${lacking.join(' ')} with apt-get`, async () => {
      await apt('update', '-qq');
      await apt('install', '-y', '-qq', '--no-install-recommends', ...lacking);
    }).catch((error: Error) => output.line(`apt-get failed: ${error.message.trim().split('\n').at(-1)}`));
    lacking = missing();
  }
  if (lacking.length === 0) return;
  const command = `apt-get install --no-install-recommends ${lacking.join(' ')}`;
  output.line(`Not on this machine, so the tests that need them will fail: ${lacking.join(', ')}`);
  output.line(`  next: ${command}   (as root; on Debian none of them has to run as a service)`);
}
