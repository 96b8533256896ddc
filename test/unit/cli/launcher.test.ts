// The launcher: which Node it finds, with which flags, in one process.

import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { node } from './command-line.ts';

const launcher = readFileSync(
  fileURLToPath(new URL('../../../src/launcher.sh', import.meta.url)),
  'utf8',
).trimEnd();
const script = `
import { pid, execArgv, argv, env } from 'node:process';
console.log(JSON.stringify({ pid, execArgv, args: argv.slice(2), env: Object.keys(env).filter((name) => /_tasklease/.test(name)), arenas: env.MALLOC_ARENA_MAX }));
`;

let root: string;
const bundle = () => join(root, 'dist/tasklease.js');
const command = () => join(root, 'bin/tasklease');
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'tasklease launcher-'));
  for (const directory of ['dist', 'bin', 'old']) mkdirSync(join(root, directory));
  writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  writeFileSync(bundle(), `${launcher}\n${script}`);
  chmodSync(bundle(), 0o755);
  symlinkSync('../dist/tasklease.js', command());
  writeFileSync(join(root, 'old/node'), '#!/bin/sh\necho v20.20.2\n', { mode: 0o755 });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => rmSync(join(root, 'node_modules'), { recursive: true, force: true }));

const pinNode = () => {
  mkdirSync(join(root, 'node_modules/.bin'), { recursive: true });
  symlinkSync(node, join(root, 'node_modules/.bin/node'));
};

function exec(file: string, args: string[], env: Record<string, string> = {}) {
  return new Promise<{ code: number; stdout: string; stderr: string; pid: number | undefined }>((resolve) => {
    const child = execFile(
      file,
      args,
      { env: { PATH: `${join(root, 'old')}:/usr/bin:/bin`, ...env } },
      (error, stdout, stderr) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr, pid: child.pid }),
    );
  });
}

describe('the bundle as a command', () => {
  test('runs the Node of the clone with the arguments as they are, in the same process', async () => {
    pinNode();
    const { stdout, pid } = await exec(bundle(), ['status', 'a b', '$x', '']);
    expect(JSON.parse(stdout)).toMatchObject({ pid, args: ['status', 'a b', '$x', ''], env: [] });
  });

  test('is found through a symbolic link', async () => {
    pinNode();
    expect(JSON.parse((await exec(command(), ['status'])).stdout).args).toEqual(['status']);
  });

  test.each([
    [
      'agent',
      [
        '--disable-proto=throw',
        '--report-exclude-env',
        '--disable-warning=ExperimentalWarning',
        '--disable-sigusr1',
        '--expose-gc',
        '--max-semi-space-size=8',
        '--liftoff-only',
      ],
    ],
    ['run', ['--disable-proto=throw', '--report-exclude-env', '--disable-warning=ExperimentalWarning']],
    [
      'stop',
      [
        '--disable-proto=throw',
        '--report-exclude-env',
        '--disable-warning=ExperimentalWarning',
        '--disable-sigusr1',
      ],
    ],
  ])('gives %s its flags', async (name, flags) => {
    pinNode();
    expect(JSON.parse((await exec(command(), [name])).stdout).execArgv).toEqual(flags);
  });

  test('gives the agent one arena of malloc, unless it was told how many, and no other command', async () => {
    pinNode();
    const arenas = async (name: string, env = {}) => {
      const { stdout } = await exec(command(), [name], env);
      return JSON.parse(stdout).arenas as unknown;
    };
    expect(await arenas('agent')).toBe('1');
    expect(await arenas('agent', { MALLOC_ARENA_MAX: '4' })).toBe('4');
    for (const name of ['run', 'stop']) expect(await arenas(name)).toBeUndefined();
  });

  test('takes TASKLEASE_NODE, and says so when that is no program', async () => {
    expect((await exec(command(), ['stop'], { TASKLEASE_NODE: node })).code).toBe(0);
    const { code, stderr } = await exec(command(), ['stop'], { TASKLEASE_NODE: '/nope' });
    expect(code).toBe(69);
    expect(stderr).toContain('TASKLEASE_NODE names /nope');
  });

  test.each([
    ['run', 125],
    ['status', 69],
  ])('with only an old Node on PATH, %s exits %i with one sentence', async (name, expected) => {
    const { code, stdout, stderr } = await exec(command(), [name]);
    expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
    expect(stderr).toMatch(/^tasklease: Node\.js 24 or newer is needed, but \S.* is v20\.20\.2; [^\n]+\n$/);
  });
});

test('the bundle given to node is plain JavaScript', async () => {
  const { stdout, stderr } = await exec(node, [bundle(), 'status']);
  expect(JSON.parse(stdout)).toMatchObject({ execArgv: [], args: ['status'] });
  expect(stderr).toBe('');
});

test('no line closes the comment before the last', () => {
  expect(launcher.indexOf('*/')).toBe(launcher.length - 3);
});
