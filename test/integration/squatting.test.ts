// What stands where the agent's sockets and directories belong: another's socket, a file, a link, a directory that
// somebody else can change. The agent says which, why and what to do, touches nothing of it, and ends with 78.
// What makes a directory safe is in test/unit/adapters/files/directory.test.ts, two agents on one in operator.test.ts.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Json } from '../harness/socket-api.ts';
import { expectProblem, startTask, stopTask } from '../harness/tasks.ts';
import { heldSocket } from '../harness/unix-socket.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const isRoot = process.getuid!() === 0;

let world: World;
let fine: Json;
const squatters: ChildProcess[] = [];
const closing: (() => void)[] = [];
beforeAll(async () => {
  world = await createWorld({ start: false });
  await world.configure((config) => {
    config.sockets = [{ path: further(), profiles: ['database'] }];
    fine = structuredClone(config);
  });
});
afterEach(async () => {
  if (world.agent.running) await world.agent.term();
  for (const child of squatters.splice(0)) child.kill('SIGKILL');
  for (const close of closing.splice(0)) close();
  for (const path of [world.paths.socket, further()]) rmSync(path, { recursive: true, force: true });
  await world.configure((config) => {
    Object.assign(config, structuredClone(fine));
  });
});
afterAll(() => world?.close());

const further = (): string => join(dirname(world.paths.socket), 'further.sock');

/** What the agent says, which ends at once. */
const refusal = async (): Promise<string> => {
  const before = world.logs().length;
  await world.agent.launch();
  const { code } = await world.agent.exited();
  const said = world.logs().slice(before);
  expect(code, said).toBe(78);
  return said;
};

/** Another process, of another user where that can be, that listens there and takes whoever comes. */
const squat = async (path: string): Promise<void> => {
  const source = `
    const { createServer } = require('node:net');
    const server = createServer((client) => client.on('error', () => {}).end('HTTP/1.1 200 OK\\r\\n\\r\\n'));
    server.listen(${JSON.stringify(path)}, () => {
      require('node:fs').chmodSync(${JSON.stringify(path)}, 0o666);
      if (process.getuid() === 0) { process.setgid(1001); process.setuid(1001); }
      console.log('there');
    });`;
  const child = spawn(process.execPath, ['--eval', source], { stdio: ['ignore', 'pipe', 'inherit'] });
  squatters.push(child);
  let said = '';
  child.stdout.on('data', (text) => {
    said += text;
  });
  await until('it squats', () => said.includes('there'));
};

describe.each([
  ['socket', () => world.paths.socket],
  ['sockets.0', () => further()],
] as const)('in the place of %s', (key, place) => {
  test('a socket that another process listens on: refused, and that one is left alone', async () => {
    await squat(place());
    const { ino } = lstatSync(place());
    const said = await refusal();
    expect(said).toContain(`${place()} is in use: stop what is there, or choose another`);
    expect(lstatSync(place()).ino).toBe(ino);
    expect(squatters[0]!.exitCode).toBeNull();
  });

  test('a socket whose process is gone: it is replaced', async () => {
    heldSocket(place(), { mode: 0o666 }).close();
    const { ino } = lstatSync(place());
    await world.agent.start();
    expect(lstatSync(place()).ino).not.toBe(ino);
    expect(lstatSync(place()).mode & 0o777).toBe(0o660);
  });

  test.each<[string, (path: string, aside: string) => void]>([
    ['a file', (path) => writeFileSync(path, 'mine')],
    ['a directory', (path) => mkdirSync(path)],
    [
      'a link to a socket that listens',
      (path, aside) => {
        const { close } = heldSocket(aside);
        closing.push(close);
        symlinkSync(aside, path);
      },
    ],
    ['a link to nowhere', (path, aside) => symlinkSync(`${aside}-nowhere`, path)],
  ])('%s: refused, and it is still there', async (_what, put) => {
    const aside = join(dirname(place()), 'aside.sock');
    put(place(), aside);
    closing.push(() => rmSync(aside, { force: true }));
    const { ino } = lstatSync(place());
    expect(await refusal()).toMatch(new RegExp(`${key}: ${place()} is in use: stop what is there`));
    expect(lstatSync(place()).ino).toBe(ino);
  });
});

describe('a directory that was swapped', () => {
  test.each(['runtime_dir', 'state_dir', 'secrets_dir', 'profiles_dir'])(
    '%s: a link in its place is refused, even to a good one',
    async (key) => {
      const real = fine[key] as string;
      const moved = `${real}-moved`;
      mkdirSync(real, { recursive: true, mode: 0o700 });
      renameSync(real, moved);
      symlinkSync(moved, real);
      closing.push(() => {
        rmSync(real);
        renameSync(moved, real);
      });
      expect(await refusal()).toMatch(
        new RegExp(`${key}: ${real} is a symbolic link\n.*give the real directory`),
      );
    },
  );

  test('the socket’s directory: a link in its place is refused', async () => {
    const dir = dirname(world.paths.socket);
    renameSync(dir, `${dir}-moved`);
    symlinkSync(`${dir}-moved`, dir);
    closing.push(() => {
      rmSync(dir);
      renameSync(`${dir}-moved`, dir);
    });
    expect(await refusal()).toMatch(/socket\.path: .* is a symbolic link/);
  });

  test.each(['runtime_dir', 'state_dir', 'secrets_dir', 'profiles_dir'])(
    '%s: one that others can change is refused',
    async (key) => {
      const dir = fine[key] as string;
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      const { mode } = lstatSync(dir);
      chmodSync(dir, 0o775);
      closing.push(() => chmodSync(dir, mode & 0o7777));
      expect(await refusal()).toMatch(
        new RegExp(`${key}: ${dir} can be changed by others .*\n.*chmod go-w ${dir}`),
      );
    },
  );

  if (isRoot) {
    test.each(['runtime_dir', 'state_dir', 'secrets_dir', 'profiles_dir'])(
      '%s: another user’s is refused',
      async (key) => {
        const dir = fine[key] as string;
        mkdirSync(dir, { recursive: true, mode: 0o700 });
        chownSync(dir, 1001, 1001);
        closing.push(() => chownSync(dir, 0, 0));
        expect(await refusal()).toMatch(new RegExp(`${key}: ${dir} belongs to uid 1001`));
      },
    );
  }

  test('secrets_dir under a living agent, by one on a disk: a start is refused, and nothing is written there', async () => {
    await world.agent.start();
    await startTask(world, 'before', 'database');
    await stopTask(world, 'before');
    const dir = fine.secrets_dir as string;
    renameSync(dir, `${dir}-moved`);
    symlinkSync(world.paths.scratch, dir);
    closing.push(() => {
      rmSync(dir);
      renameSync(`${dir}-moved`, dir);
    });
    const reply = await world.api('PUT', '/v1/tasks/swapped', { profile: 'database' });
    expectProblem(reply, 500, 'TMPFS_UNSAFE');
    expect(await world.vaultLeases()).toEqual([]);
  });
});
