// What a service manager hears, on a real datagram socket: by path and by abstract name.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, expect, test } from 'vitest';
import { openServiceManager } from '../../../../src/adapters/system/notify.ts';

const dir = mkdtempSync(join(tmpdir(), 'tasklease-notify-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Prints each datagram as JSON. Node has no datagram Unix sockets, and what sends must not be what receives. */
const RECEIVER = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
s.bind("\\0" + name[1:] if name.startswith("@") else name)
print(json.dumps("bound"), flush=True)
while True: print(json.dumps(s.recv(65536).decode()), flush=True)
`;

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function receiver(address: string): Promise<() => Promise<string>> {
  const child = spawn('python3', ['-c', RECEIVER, address], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => JSON.parse((await lines.next()).value ?? 'null');
  expect(await next()).toBe('bound');
  return next;
}

test.each([
  ['a path', join(dir, 'notify.sock')],
  ['an abstract name', `@tasklease-test-${process.pid}`],
])('%s hears each message whole, as one datagram', async (_name, address) => {
  const next = await receiver(address);
  const manager = openServiceManager({ NOTIFY_SOCKET: address, WATCHDOG_USEC: '30000000' }, 1)!;
  expect(manager.watchdogMs).toBe(30_000);
  manager.tell('READY=1', 'STATUS=ready, 0 tasks');
  expect(await next()).toBe('READY=1\nSTATUS=ready, 0 tasks');
  manager.tell('STATUS=a reason\nREADY=1');
  expect(await next(), 'no line becomes two').toBe('STATUS=a reason READY=1');
  manager.close();
  manager.tell('STOPPING=1');
});

test('nobody who asked, nobody who listens, nobody there: nothing happens', () => {
  expect(openServiceManager({}, 1)).toBeNull();
  expect(openServiceManager({ NOTIFY_SOCKET: 'relative' }, 1)).toBeNull();
  expect(openServiceManager({ NOTIFY_SOCKET: `/${'x'.repeat(200)}` }, 1)).toBeNull();
  const gone = openServiceManager({ NOTIFY_SOCKET: join(dir, 'nobody.sock') }, 1)!;
  gone.tell('READY=1');
  gone.close();
});

test('signs of life are given only where this process is meant', () => {
  const NOTIFY_SOCKET = join(dir, 'nobody.sock');
  const watchdog = (env: Record<string, string>) =>
    openServiceManager({ NOTIFY_SOCKET, ...env }, 42)!.watchdogMs;
  expect(watchdog({})).toBeNull();
  expect(watchdog({ WATCHDOG_USEC: '2000000' })).toBe(2000);
  expect(watchdog({ WATCHDOG_USEC: '2000000', WATCHDOG_PID: '42' })).toBe(2000);
  expect(watchdog({ WATCHDOG_USEC: '2000000', WATCHDOG_PID: '43' })).toBeNull();
  expect(watchdog({ WATCHDOG_USEC: 'soon' })).toBeNull();
});
