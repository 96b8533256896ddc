// Owns a secrets directory on tmpfs with files of hurting values in it, and their reader: another user of the machine
// where the tests run as root, who finds the files as a workload does. Invariant: what the client is told beside the
// file is no secret; close() leaves nothing.

import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openTmpfsFiles } from '../../src/adapters/files/tmpfs-files.ts';
import { forgetDirectory, guardDirectory } from '../../src/dev/children.ts';
import type { FileRule } from '../../src/domain/file-rule.ts';
import type { TaskId } from '../../src/domain/ids.ts';
import { Problem } from '../../src/domain/problem.ts';
import type { Delivery } from '../../src/ports/files.ts';
import type { Ran } from '../harness/servers/run.ts';
import type { Rule } from '../unit/adapters/files/formats/written.ts';

const isRoot = process.getuid!() === 0;

/** Whoever reads the files: an account of every Debian that is nobody of importance. */
export const READER = isRoot ? { uid: 1, gid: 1 } : { uid: process.getuid!(), gid: process.getgid!() };

/** Passwords of the kind that break files, each with every character of its own. */
export const HURTING: readonly string[] = [
  'plain-Password1',
  'co:lon:s:',
  'back\\slash\\\\es\\',
  "it's 'quoted'",
  'dou"ble""quotes"',
  '\x24HOME \x24{HOME} $(id) `id`',
  '#hash; semicolon # end',
  'per%cent%41%s%%',
  'u@h:5432/db?x=y&z#f',
  '  blanks around  ',
  'tab\tinside',
  'grün-ß-€-日本-😀',
  '!{}[]()<>|*?~^=,.;+-_/',
  '[section]',
  '*',
  `A${'~!@#$%^&*()_+`-={}|[]\\:";\'<>?,./'}Z`,
];

export interface Desk {
  /** Publishes the files of a secret for the reader; the directory that they are in. */
  deliver(
    files: Readonly<Record<string, Rule>>,
    data: Delivery['data'],
    more?: Pick<Delivery, 'endsAt'>,
  ): Promise<string>;
  /** The same, or the refusal's sentence. */
  deliverOrNot(
    files: Readonly<Record<string, Rule>>,
    data: Delivery['data'],
  ): Promise<{ dir: string } | { refused: string }>;
  /** A directory of the reader's own, on disk or not. */
  readonly home: string;
  close(): Promise<void>;
}

export async function openDesk(): Promise<Desk> {
  const root = await mkdtemp('/dev/shm/tasklease-test-');
  guardDirectory(root);
  await chmod(root, 0o711);
  const files = await openTmpfsFiles({ dir: await made(root, 'tasks') });
  const home = await made(root, 'home');
  if (isRoot) await import('node:fs/promises').then(({ chown }) => chown(home, READER.uid, READER.gid));
  let tasks = 0;
  const deliver: Desk['deliver'] = async (rules, data, more = {}) => {
    tasks += 1;
    const task = `t-${tasks}` as TaskId;
    const named = Object.entries(rules).map(([name, rule]) => ({ name, ...rule }) as FileRule);
    const deliveries = [{ secret: 'db', data, files: named, ...more }];
    await files.publish({ task, n: 1, reader: READER, readerGroups: [], deliveries });
    return files.currentDir(task);
  };
  return {
    deliver,
    async deliverOrNot(rules, data) {
      try {
        return { dir: await deliver(rules, data) };
      } catch (error) {
        if (error instanceof Problem && error.code === 'DELIVERY_FAILED') return { refused: error.message };
        throw error;
      }
    },
    home,
    async close() {
      await rm(root, { recursive: true, force: true });
      forgetDirectory(root);
    },
  };
}

async function made(root: string, name: string): Promise<string> {
  const dir = await mkdtemp(join(root, `${name}-`));
  await chmod(dir, 0o711);
  return dir;
}

/** Runs a client as the reader, in an environment of its own. */
export const asReader = (
  command: string,
  args: readonly string[],
  {
    env = {},
    cwd = '/',
    input = '',
  }: { env?: Readonly<Record<string, string>>; cwd?: string; input?: string } = {},
): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { PATH: process.env.PATH!, LC_ALL: 'C.UTF-8', HOME: '/nonexistent', ...env },
      ...(isRoot ? READER : {}),
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    const timer = setTimeout(() => child.kill('SIGKILL'), 90_000);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
    });
  });
