// Owns the way of log lines out of the process: a reader that does not read, or is gone, holds nothing up; and
// no Vault token leaves in a field. Each test is a process of its own with a standard error of its own.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';

const LOGGER = new URL('../../../../src/adapters/telemetry/logger.ts', import.meta.url).href;
const children: ChildProcess[] = [];
const closes: (() => void)[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const close of closes.splice(0)) close();
});

/** Runs a script that has `log`; what it says on standard output is how it went. */
const logging = (script: string, stderr: 'pipe' | number): ChildProcess => {
  const source = `import { openLog } from ${JSON.stringify(LOGGER)};\nconst log = openLog('info');\n${script}`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['pipe', 'pipe', stderr],
  });
  children.push(child);
  return child;
};

const textOf = async (stream: NodeJS.ReadableStream): Promise<string> => {
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) text += chunk;
  return text;
};

const linesOf = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const FLOOD = `
  for (let n = 0; n < 5000; n += 1) log('info', 'x'.repeat(500), { n });
  process.stdout.write('went on');
`;

/** A pipe of which this process holds the reading end, without reading. */
function pipe() {
  const dir = mkdtempSync(join(tmpdir(), 'tasklease-fifo-'));
  const path = join(dir, 'fifo');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  rmSync(dir, { recursive: true });
  closes.push(() => {
    for (const fd of [reader, writer]) closeSync(fd);
  });
  return {
    writer,
    /** All that lies in it now. */
    drain(): string {
      const buffer = Buffer.alloc(1024 * 1024);
      let text = '';
      for (;;) {
        try {
          text += buffer.toString('utf8', 0, readSync(reader, buffer));
        } catch {
          return text;
        }
      }
    },
  };
}

test('a pipe that nobody reads: the process goes on', async () => {
  const child = logging(FLOOD, pipe().writer);
  expect(await textOf(child.stdout!)).toBe('went on');
});

test('once somebody reads again, lines come again and say how many were lost', async () => {
  const { writer, drain } = pipe();
  const child = logging(
    `${FLOOD} process.stdin.once('data', () => { log('warn', 'back'); process.exit(0); });`,
    writer,
  );
  await once(child.stdout!, 'data', { signal: AbortSignal.timeout(30_000) });
  const before = linesOf(drain());
  child.stdin!.write('go\n');
  await once(child, 'close');
  const after = linesOf(drain());
  expect(after.at(-1)).toMatchObject({ level: 40, msg: 'back' });
  expect(after.at(-2)).toMatchObject({ level: 40, msg: 'lines dropped' });
  const lines = [...before, ...after.slice(0, -1)];
  const told = lines.filter(({ msg }) => msg !== 'lines dropped').map(({ n }) => Number(n));
  const lost = lines.reduce((sum, { dropped = 0 }) => sum + Number(dropped), 0);
  expect(told.length).toBeGreaterThan(0);
  expect(told).toEqual(told.toSorted((a, b) => a - b));
  expect(told.length + lost).toBe(5000);
});

test('a socket of a parent that does not read: the process goes on', async () => {
  const child = logging(FLOOD, 'pipe');
  child.stderr!.pause();
  const [said] = await once(child.stdout!, 'data', { signal: AbortSignal.timeout(30_000) });
  expect(String(said)).toBe('went on');
});

test('a reader that is gone: the process goes on', async () => {
  const child = logging(`process.stdin.once('data', () => { ${FLOOD} });`, 'pipe');
  const gone = once(child.stderr!, 'close');
  child.stderr!.destroy();
  await gone;
  child.stdin!.end('go\n');
  expect(await textOf(child.stdout!)).toBe('went on');
});

test('into a file, every line arrives', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tasklease-log-'));
  try {
    const file = join(dir, 'log');
    const fd = openSync(file, 'w');
    const child = logging(FLOOD, fd);
    closeSync(fd);
    expect(await textOf(child.stdout!)).toBe('went on');
    const lines = linesOf(readFileSync(file, 'utf8'));
    expect(lines.map(({ n }) => n)).toEqual(Array.from({ length: 5000 }, (_, n) => n));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('each line is one JSON object with time, level, name and pid; levels below are not written', async () => {
  const child = logging(
    `log('debug', 'not told'); log('info', 'one\\ntwo', { task: 'a"b' }); log('error', 'bad');`,
    'pipe',
  );
  const lines = linesOf(await textOf(child.stderr!));
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatchObject({
    level: 30,
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    name: 'tasklease',
    pid: child.pid,
    task: 'a"b',
    msg: 'one\ntwo',
  });
});

test('values that look like Vault tokens are masked, wherever they stand in a field', async () => {
  const body = 'CAESIJ-_0123456789abcdefABCDEF';
  const child = logging(
    `const body = ${JSON.stringify(body)};
     for (const kind of ['hvs', 'hvb', 'hvr', 's', 'b', 'r'])
       log('warn', 'oops', { detail: 'token ' + kind + '.' + body + ' was bad', alone: kind + '.' + body, n: 1 });
     log('info', 'fine', { file: 'tls.certificate', path: 'database/creds/report', short: 's.abc' });`,
    'pipe',
  );
  const text = await textOf(child.stderr!);
  expect(text).not.toContain(body);
  const lines = linesOf(text);
  expect(lines[0]).toMatchObject({ detail: 'token [masked] was bad', alone: '[masked]', n: 1 });
  expect(lines.at(-1)).toMatchObject({
    file: 'tls.certificate',
    path: 'database/creds/report',
    short: 's.abc',
  });
});
