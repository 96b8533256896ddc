// Socket activation, as systemd does it: the sockets are somebody else's, who holds them through every restart of the
// agent. Who connects meanwhile waits, and is answered by the next agent.
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { call } from '../harness/socket-api.ts';
import { expectProblem, expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { type HeldSocket, heldSocket, SOCK_DGRAM } from '../harness/unix-socket.ts';
import { createWorld, type World } from '../harness/world.ts';

const EX_CONFIG = 78;

let world: World;
let ci = '';
const held = new Map<string, HeldSocket>();
/** What is in the place of the path is replaced, as systemd does. */
const hold = (path: string, options: Parameters<typeof heldSocket>[1] = {}): number => {
  held.get(path)?.close();
  rmSync(path, { force: true });
  held.set(path, heldSocket(path, options));
  return held.get(path)!.fd;
};

beforeAll(async () => {
  world = await createWorld({ start: false });
  ci = join(dirname(world.paths.socket), 'ci.sock');
  mkdirSync(world.paths.runtime, { mode: 0o700 });
  await world.configure((config) => {
    config.socket.mode = '0640';
    config.sockets = [{ name: 'ci', path: ci, mode: '0640', profiles: ['database'] }];
  });
});
afterEach(async () => {
  if (world.agent.running) await world.agent.term();
  for (const socket of held.values()) socket.close();
  held.clear();
  for (const path of [world.paths.socket, ci, world.paths.admin]) rmSync(path, { force: true });
});
afterAll(() => world?.close());

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);

test('it serves on the sockets that it is handed, opens the others, and leaves what was handed as it is', async () => {
  const handed = [
    ['ci', hold(ci, { mode: 0o600 })],
    ['agent', hold(world.paths.socket, { mode: 0o606 })],
  ] as const;
  const before = statSync(world.paths.socket).ino;
  await world.agent.start({}, handed);
  await startTask(world, 'handed', 'database');
  expect([mode(world.paths.socket), mode(ci), mode(world.paths.admin)]).toEqual(['606', '600', '600']);
  // Each is the one of its name, with what it may start, and knows who calls.
  expectProblem(await call(ci, 'PUT', '/v1/tasks/narrow', { profile: 'certificate' }), 403, 'PROFILE_DENIED');
  expectProblem(await call(ci, 'POST', '/v1/revoke-all'), 403, 'ADMIN_ONLY');
  expect((await call(ci, 'GET', '/v1/tasks')).body.tasks).toHaveLength(1);
  expect((await world.admin('GET', '/v1/tasks')).body.tasks).toHaveLength(1);
  expectProved(await stopTask(world, 'handed'), 1);
  await world.agent.term();
  expect(statSync(world.paths.socket).ino).toBe(before);
});

test('starts that come while no agent runs are not refused: they wait, and the next one answers them', async () => {
  const handed = [['agent', hold(world.paths.socket)]] as const;
  await world.agent.start({}, handed);
  await world.configure((config) => {
    config.on_exit = 'keep';
  });
  await world.agent.term();
  await world.agent.start({}, handed);
  await startTask(world, 'living', 'database');
  for (const [round, end] of [
    ['killed', () => world.agent.kill9()],
    ['terminated', () => world.agent.term()],
  ] as const) {
    await end();
    const waiting = [1, 2, 3].map((n) =>
      world.api('PUT', `/v1/tasks/${round}-${n}`, { profile: 'database' }),
    );
    await world.agent.start({}, handed);
    for (const reply of await Promise.all(waiting)) expect(reply.status, reply.text).toBe(201);
    // What lived before was taken over.
    expect((await world.api('GET', '/v1/tasks')).body.tasks.length).toBeGreaterThanOrEqual(4);
  }
  expect((await world.admin('POST', '/v1/revoke-all')).status).toBeLessThan(300);
  await world.untilNothingLeft();
});

test('the admin socket may be handed over too, where nobody else may use it', async () => {
  const handed = [['admin', hold(world.paths.admin, { mode: 0o600 })]] as const;
  await world.agent.start({}, handed);
  expect((await world.admin('GET', '/v1/tasks')).status).toBe(200);
});

describe('what is not expected is refused, with the reason, and the agent does not start', () => {
  test.each<[string, () => readonly (readonly [string, number])[], RegExp]>([
    [
      'a name that is not declared',
      () => [['tasklease.socket', hold(world.paths.socket)]],
      /descriptor 3 \(tasklease\.socket\) is not a socket of the configuration: FileDescriptorName= .*one of agent, ci, admin/,
    ],
    [
      'the same name twice',
      () => [
        ['ci', hold(ci)],
        ['ci', held.get(ci)!.fd],
      ],
      /descriptor 4 \(ci\) is handed over twice/,
    ],
    [
      'a socket at another path',
      () => [['agent', hold(ci)]],
      /descriptor 3 \(agent\) is bound to ".*ci\.sock", but socket\.path says .*agent\.sock/,
    ],
    [
      'a datagram socket',
      () => [['agent', hold(world.paths.socket, { type: SOCK_DGRAM, listening: false })]],
      /descriptor 3 \(agent\) is not a listening Unix stream socket: .*ListenStream=/,
    ],
    [
      'a socket that does not listen',
      () => [['agent', hold(world.paths.socket, { listening: false })]],
      /is not a listening Unix stream socket/,
    ],
    ['no socket at all', () => [['agent', 1]], /is not a listening Unix stream socket/],
    [
      'an admin socket that others may use',
      () => [['admin', hold(world.paths.admin, { mode: 0o660 })]],
      /descriptor 3 \(admin\): .*admin\.sock is open to others: .*SocketMode=0600/,
    ],
  ])('%s', async (_what, handed, said) => {
    const before = world.logs().length;
    await world.agent.launch({}, handed());
    expect((await world.agent.exited()).code).toBe(EX_CONFIG);
    expect(world.logs().slice(before)).toMatch(said);
  });

  test.each<[string, NodeJS.ProcessEnv, RegExp]>([
    ['fewer names than descriptors', { LISTEN_FDS: '2' }, /LISTEN_FDNAMES names 1 of 2 descriptors/],
    ['no names', { LISTEN_FDNAMES: '' }, /LISTEN_FDNAMES names 0 of 1 descriptors: .*FileDescriptorName=/],
    ['a number that is none', { LISTEN_FDS: 'all' }, /LISTEN_FDS is not a number: "all"/],
  ])('%s', async (_what, env, said) => {
    const before = world.logs().length;
    await world.agent.launch(env, [['agent', hold(world.paths.socket)]]);
    expect((await world.agent.exited()).code).toBe(EX_CONFIG);
    expect(world.logs().slice(before)).toMatch(said);
  });
});
