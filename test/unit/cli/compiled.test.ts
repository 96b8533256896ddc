// What the build leaves beside the bundle, so that the executable starts without compiling it (src/loader.ts).

import { execFile } from 'node:child_process';
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { node } from './command-line.ts';

const CLONE = fileURLToPath(new URL('../../../', import.meta.url));
let root: string;
const dist = (file: string) => join(root, 'dist', file);
const compiled = (flavour: string) => readdirSync(dist('')).find((file) => file.startsWith(`${flavour}-`))!;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'tasklease-compiled-'));
  writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  // Tells on its last line what V8 said of the compiled code that it was given.
  writeFileSync(
    join(root, 'told.cjs'),
    `const vm = require('node:vm');
const { Script } = vm;
vm.Script = class extends Script {
  constructor(source, options) {
    super(source, options);
    const said = options.cachedData === undefined ? 'none' : this.cachedDataRejected ? 'refused' : 'taken';
    process.on('exit', () => process._rawDebug(said));
  }
};
`,
  );
  symlinkSync(join(CLONE, 'node_modules'), join(root, 'node_modules'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => {
  rmSync(dist(''), { recursive: true, force: true });
  cpSync(join(CLONE, 'dist'), dist(''), { recursive: true });
});

async function started(...args: string[]): Promise<{ stdout: string; compiled: string | undefined }> {
  const env = {
    TASKLEASE_NODE: node,
    PATH: '/usr/bin:/bin',
    NODE_OPTIONS: `--require=${join(root, 'told.cjs')}`,
  };
  const { stdout, stderr } = await promisify(execFile)(dist('tasklease.js'), args, { env });
  return { stdout, compiled: stderr.trim().split('\n').at(-1) };
}
const version: string = JSON.parse(readFileSync(join(CLONE, 'package.json'), 'utf8')).version;

test.each([[['--version']], [['agent', '--help']], [['run', '--help']], [['audit', '--help']]])(
  'the compiled code of the build fits the flags of: tasklease %j',
  async (args) => {
    expect((await started(...args)).compiled).toBe('taken');
  },
);

test.each([
  ['that is missing', 'none', (file: string) => rmSync(file)],
  ['that was cut short', 'refused', (file: string) => truncateSync(file, 1000)],
  ['that is empty', 'refused', (file: string) => truncateSync(file, 0)],
  ['of other flags', 'refused', (file: string) => cpSync(dist(compiled('agent')), file)],
])('compiled code %s changes nothing but the time that a start takes', async (_what, said, spoil) => {
  spoil(dist(compiled('command')));
  expect(await started('--version')).toEqual({ stdout: `${version}\n`, compiled: said });
});

test('compiled code of another bundle is not looked at, were it of the same length', async () => {
  const bundle = readFileSync(dist('bundle.cjs'), 'latin1');
  const [digest] = bundle.slice(-17).split('\n');
  const other = bundle.replace(`\`${version}\``, '`9.9.9`').replace(digest!, '0'.repeat(16));
  expect(other.length).toBe(bundle.length);
  writeFileSync(dist('bundle.cjs'), other);
  expect(await started('--version')).toEqual({ stdout: '9.9.9\n', compiled: 'none' });
});
