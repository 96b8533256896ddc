// Owns the promises about who a caller is, on the real kernel, across user and pid namespaces.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';

const SERVER = fileURLToPath(new URL('../harness/whoami-server.ts', import.meta.url));
const NODE = [process.execPath, '--disable-warning=ExperimentalWarning'];
/** A client in one line, so that it can run as anybody: Node's binary may be out of another user's reach. */
const CLIENT = ['curl', '--silent', '--http0.9', '--max-time', '20', '--unix-socket'];

let dir = '';
let server: ChildProcess;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tasklease-caller-'));
  chmodSync(dir, 0o755);
});
afterEach(() => {
  server.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

async function listen(prefix: readonly string[]): Promise<string> {
  const path = join(dir, 's');
  const [command, ...args] = [...prefix, ...NODE, SERVER, path];
  server = spawn(command!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(server.stdout!, 'data');
  return path;
}

const ask = async (prefix: readonly string[], path: string): Promise<Record<string, unknown>> => {
  const [command, ...args] = [...prefix, ...CLIENT, path, 'http://x/'];
  return JSON.parse((await promisify(execFile)(command!, args)).stdout);
};

const AS_1234 = ['setpriv', '--reuid=1234', '--regid=1235', '--groups=1236,1237'];

test('uid, gid and groups are those of the process that connects', async () => {
  const path = await listen([]);
  const caller = await ask(AS_1234, path);
  expect(caller).toMatchObject({ uid: 1234, gid: 1235, admin: false });
  expect(caller.groups).toEqual([1236, 1237]);
  expect(caller.pid).toBeGreaterThan(1);
});

test('uid 65534 is a user like others where every uid is mapped', async () => {
  const path = await listen([]);
  expect(await ask(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'], path)).toMatchObject({
    uid: 65534,
  });
});

test('a caller whom the user namespace of the agent does not map is refused, not taken for nobody', async () => {
  const path = await listen(['unshare', '--user', '--map-root-user']);
  expect(await ask(AS_1234, path)).toMatchObject({ code: 'IDENTITY_REJECTED', status: 401 });
  expect(await ask([], path)).toMatchObject({ uid: 0 });
});

test('a caller outside the pid namespace of the agent has pid 0, and its uid all the same', async () => {
  const path = await listen(['unshare', '--pid', '--fork', '--kill-child']);
  expect(await ask(AS_1234, path)).toMatchObject({ uid: 1234, pid: 0 });
});
