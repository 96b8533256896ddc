// Owns the promises about who a caller is, on the real kernel, across user and pid namespaces.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bootTimeMs } from '../../src/adapters/native/linux.ts';
import { pinCaller } from '../../src/adapters/peer/pinned-caller.ts';
import { containerOf } from '../../src/domain/evidence.ts';

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

test('of the calling process its executable and cgroup are seen', async () => {
  const path = await listen([]);
  const { pid, evidence } = await ask(AS_1234, path);
  const cgroup = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? null;
  expect(evidence).toEqual({
    pid,
    exe: realpathSync('/usr/bin/curl'),
    cgroup,
    container: containerOf(cgroup),
  });
});

test('an executable that another file hides under its name is not taken for that file', async () => {
  const path = await listen([]);
  const hidden = join(dir, 'hidden');
  copyFileSync(realpathSync('/usr/bin/curl'), hidden);
  // In a mount namespace of its own the caller puts a file of its making over a name that a profile may list.
  const over = [
    'unshare',
    '--mount',
    'sh',
    '-c',
    `mount --bind ${hidden} /usr/bin/env && exec /usr/bin/env "$@"`,
    'sh',
  ];
  const [command, ...args] = [...over, ...CLIENT.slice(1), path, 'http://x/'];
  const { evidence } = JSON.parse((await promisify(execFile)(command!, args)).stdout);
  expect(evidence).toMatchObject({ exe: null, pid: expect.any(Number) });
});

test('outside the pid namespace of the agent the process is held all the same where the kernel can, and nothing is read by number', async () => {
  const path = await listen(['unshare', '--pid', '--fork', '--kill-child']);
  const { evidence } = await ask(AS_1234, path);
  if (evidence !== null) expect(evidence).toEqual({ pid: 0, exe: null, cgroup: null, container: null });
});

describe('the process that connected', () => {
  /** A connection made by a process of its own, and the descriptor of our end. */
  async function connected() {
    const path = join(dir, 'p');
    const accepted = Promise.withResolvers<Socket>();
    const listener = createServer((socket) => accepted.resolve(socket)).listen(path);
    await once(listener, 'listening');
    const source = `require('node:net').connect(${JSON.stringify(path)}); setTimeout(() => {}, 600000)`;
    server = spawn(process.execPath, ['--eval', source]);
    const socket = await accepted.promise;
    const fd = (socket as unknown as { _handle: { fd: number } })._handle.fd;
    return {
      fd,
      peer: { pid: server.pid!, shared: true, connectedAt: bootTimeMs() },
      close() {
        socket.destroy();
        listener.close();
      },
    };
  }

  test.each<[string, (() => null) | undefined]>([
    ['by the kernel', undefined],
    ['by its number, on older kernels', () => null],
  ])('is alive until it ends, %s', async (_how, peerPidfd) => {
    const { fd, peer, close } = await connected();
    const pinned = pinCaller(fd, peer, peerPidfd)!;
    expect(pinned.alive()).toBe(true);
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
    expect(pinned.alive()).toBe(false);
    pinned.close();
    expect(() => pinCaller(fd, peer, peerPidfd)).toThrow(
      expect.objectContaining({ code: 'IDENTITY_REJECTED', retryable: true }),
    );
    close();
  });

  test('is not a later one of its number', async () => {
    const { fd, peer, close } = await connected();
    const earlier = { ...peer, connectedAt: peer.connectedAt - 60_000 };
    expect(() => pinCaller(fd, earlier, () => null)).toThrow(
      expect.objectContaining({ code: 'IDENTITY_REJECTED' }),
    );
    close();
  });
});
