// The TypeScript client against the real agent: what a scope promises, how it fails, and what it does while the
// agent is killed and started again.
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type Client,
  connect,
  type StartOptions,
  type Task,
  TaskleaseError,
} from '../../src/client/index.ts';
import { database, profile, rotating } from '../harness/sample-profiles.ts';
import { pause, until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
let client: Client;
beforeAll(async () => {
  world = await createWorld({
    profiles: {
      extendable: { ...database, ttl: { default: '1m', max: '1h', grace: '1s', extend: true } },
      brief: { ...database, ttl: { default: '1s', max: '1m', grace: '0s' } },
      'only-admin': profile({ ...database, allow: {} }),
    },
  });
  client = connect({ socket: world.paths.socket });
});
beforeEach(async () => {
  if (!world.agent.running) await world.agent.start();
});
afterAll(() => world?.close());

const failure = async (work: Promise<unknown>): Promise<TaskleaseError> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TaskleaseError);
  return error as TaskleaseError;
};

/** Both ways in which a task hangs on this program. */
const BOUND: [string, StartOptions][] = [
  ['bound to the process', { profile: 'database' }],
  ['bound to the connection', { profile: 'database', bind: { connection: true } }],
];

test.each(BOUND)(
  'a scope has its secret, and when it is left nothing of it is left: %s',
  async (_, options) => {
    let id: string;
    {
      await using task = await client.start(options);
      id = task.id;
      expect(JSON.parse(await task.read('db.json'))).toMatchObject({ username: expect.any(String) });
      expect(task.path('db.env')).toBe(join(task.dir, 'db.env'));
      expect(task.signal.aborted).toBe(false);
      expect(await world.pgRoles()).toHaveLength(1);
    }
    expect((await world.api('GET', `/v1/tasks/${id}/receipt`)).body).toMatchObject({
      outcome: 'completed',
      leases: [{ proof: 'revoked' }],
    });
    await world.untilNothingLeft(1_000);
  },
);

test.each(BOUND)('a scope that throws throws its own error, and nothing is left: %s', async (_, options) => {
  const work = async () => {
    await using task = await client.start(options);
    throw new Error(`at work in ${task.profile}`);
  };
  await expect(work()).rejects.toThrow('at work in database');
  await world.untilNothingLeft(1_000);
});

test('stop answers the receipt; a second stop and the end of the scope answer the same', async () => {
  await using task = await client.start({
    profile: 'database',
    task: 'stopped-twice',
    event: { type: 'pull_request', id: 'acme/shop#412' },
  });
  const receipt = await task.stop();
  expect(receipt).toMatchObject({
    task: 'stopped-twice',
    state: 'closed',
    outcome: 'completed',
    event: { type: 'pull_request', id: 'acme/shop#412' },
    leases: [{ secret: 'db', proof: 'revoked' }],
  });
  expect(await task.stop()).toEqual(receipt);
  expect(task.signal.reason).toMatchObject({ code: 'TASK_OVER' });
  expect((await failure(task.read('db.json'))).code).toBe('TASK_OVER');
});

test('several stops at once answer the same receipt', async () => {
  const task = await client.start({ profile: 'database' });
  const [first, ...others] = await Promise.all([task.stop(), task.stop(), task[Symbol.asyncDispose]()]);
  expect(others).toEqual([first, undefined]);
});

test('params, duration and a deadline are sent as they were asked for', async () => {
  await using asked = await client.start({
    profile: 'key-value',
    params: { env: 'prod' },
    duration: '5m',
  });
  expect(JSON.parse(await asked.read('app.json'))).toBeTypeOf('object');
  expect(asked.deadline.getTime()).toBeLessThanOrEqual(Date.now() + 300_000);
  const deadline = new Date(Date.now() + 120_000);
  await using until = await client.start({ profile: 'database', deadline });
  expect(Math.abs(until.deadline.getTime() - deadline.getTime())).toBeLessThan(2_000);
  expect(await until.status()).toMatchObject({ task: until.id, state: 'active' });
});

test('a child names its parent, and ends with it', async () => {
  await world.writeProfile('mother', { ...database, children: ['database'] });
  await until('the profile is read', async () => {
    const parent = await client.start({ profile: 'mother' });
    const child = await client.start({ profile: 'database', parent: parent.id });
    await parent.stop();
    await until('the child is over', () => child.signal.aborted);
    return true;
  });
  await world.untilNothingLeft();
});

test('more time: the deadline moves, here too', async () => {
  await using task = await client.start({ profile: 'extendable' });
  const before = task.deadline.getTime();
  const after = await task.extend('10m');
  expect(after.getTime() - before).toBe(600_000);
  expect(task.deadline).toEqual(after);
  await using other = await client.start({ profile: 'database' });
  expect(await failure(other.extend('10m'))).toMatchObject({ code: 'PROFILE_DENIED', status: 403 });
});

test('events tell a rotation and the end, and then they end', async () => {
  const task = await client.start({ profile: 'rotating' });
  const seen: string[] = [];
  for await (const { type, generation } of task.events()) {
    seen.push(type);
    if (type === 'delivery.published' && generation === 2) await task.stop();
  }
  expect(seen).toContain('delivery.published');
  expect(seen.at(-1)).toBe('grant.closed');
  expect(rotating.overlap).toBe('1s');
});

test('an error carries code, status, hint and whether another try may help', async () => {
  expect(await failure(client.start({ profile: 'no-such' }))).toMatchObject({
    code: 'PROFILE_UNKNOWN',
    status: 404,
    retryable: false,
    hint: expect.stringMatching(/\S/),
    message: expect.stringMatching(/^PROFILE_UNKNOWN: .*no-such/),
  });
  expect((await failure(client.start({ profile: 'database', task: '../x' }))).code).toBe('SIGNAL_INVALID');
  expect((await failure(client.start({ profile: 'database', duration: 'soon' }))).code).toBe(
    'SIGNAL_INVALID',
  );
  expect((await failure(client.start({ profile: 'half-denied' }))).code).toBe('VAULT_DENIED');
  const one = await client.start({ profile: 'database', task: 'taken', bind: null });
  expect((await failure(client.start({ profile: 'database', task: 'taken', duration: '1m' }))).code).toBe(
    'TASK_CONFLICT',
  );
  expect(await failure(one.read('db.jsn'))).toMatchObject({ code: 'FILE_UNKNOWN' });
  expect(() => one.path('../../etc/passwd')).toThrow(TaskleaseError);
  await one.stop();
  await world.untilNothingLeft();
});

test('no agent: the error names the socket and says what to do', async () => {
  const nobody = join(world.paths.scratch, 'nobody.sock');
  expect(await failure(connect({ socket: nobody }).start({ profile: 'database' }))).toMatchObject({
    code: 'AGENT_UNREACHABLE',
    retryable: true,
    message: expect.stringContaining(nobody),
    hint: expect.stringContaining('TASKLEASE_SOCKET'),
  });
});

test('the socket is the option’s, else that of TASKLEASE_SOCKET, else the installed agent’s', () => {
  expect(connect({ socket: '/a.sock' }).socket).toBe('/a.sock');
  expect(connect().socket).toBe(process.env.TASKLEASE_SOCKET ?? '/run/tasklease/agent.sock');
  process.env.TASKLEASE_SOCKET = '/b.sock';
  try {
    expect(connect().socket).toBe('/b.sock');
  } finally {
    delete process.env.TASKLEASE_SOCKET;
  }
});

test.each([
  ['at once', 0],
  ['soon', 3],
  ['a little later', 12],
])(
  'a start that is called off %s leaves nothing, whether or not the agent had it',
  async (_when, afterMs) => {
    for (const [, options] of [
      ...BOUND,
      ['bound to nothing', { profile: 'database', bind: null }] as const,
    ]) {
      const reason = new Error('enough');
      const controller = new AbortController();
      const start = client.start({ ...options, signal: controller.signal });
      setTimeout(() => controller.abort(reason), afterMs);
      const task = await start.catch((error: unknown) => error);
      if (task === reason) continue;
      await (task as Task).stop();
    }
    await world.untilNothingLeft();
  },
);

test('a signal ends the waiting for a proof, not the revocation; the next stop answers it', async () => {
  const task = await client.start({ profile: 'database' });
  process.kill(world.vault.pid, 'SIGSTOP');
  try {
    await expect(task.stop({ signal: AbortSignal.timeout(300) })).rejects.toThrow(/timeout/);
    expect(existsSync(task.dir)).toBe(false);
  } finally {
    process.kill(world.vault.pid, 'SIGCONT');
  }
  expect(await task.stop()).toMatchObject({ state: 'closed', leases: [{ proof: 'revoked' }] });
});

test('the signal of a task aborts when the agent ends it: at its deadline, by the kill switch', async () => {
  for (const bind of [undefined, { connection: true } as const]) {
    const brief = await client.start({ profile: 'brief', bind });
    await until('the deadline aborts it', () => brief.signal.aborted);
    expect(brief.signal.reason).toMatchObject({
      code: 'TASK_OVER',
      detail: expect.stringContaining('expired'),
    });
    const cut = await client.start({ profile: 'database', bind });
    const { signal } = cut;
    await world.admin('POST', '/v1/revoke-all?wait=30s');
    await until('the kill switch aborts it', () => signal.aborted);
    expect((await cut.stop()).outcome).toBe('revoked');
  }
});

test('the agent is killed and started again: tasks live on, however bound, and their events go on', async () => {
  const lives = await Promise.all(
    BOUND.map(async ([, options]) => {
      const task = await client.start(options);
      const types: string[] = [];
      const told = (async () => {
        for await (const { type } of task.events()) types.push(type);
      })();
      return { task, secret: await task.read('db.json'), signal: task.signal, types, told };
    }),
  );
  await world.agent.kill9();
  await world.agent.start();
  // Longer than a connection has to come back.
  await pause(11_000);
  for (const { task, secret, signal, types, told } of lives) {
    expect(signal.aborted).toBe(false);
    expect(await task.status()).toMatchObject({ state: 'active', generation: 1 });
    expect(await task.read('db.json')).toBe(secret);
    expect(await task.stop()).toMatchObject({ outcome: 'completed', leases: [{ proof: 'revoked' }] });
    await told;
    expect(types.at(-1)).toBe('grant.closed');
  }
});

test('a scope that is left while the agent is away waits for it to come back', async () => {
  const task = await client.start({ profile: 'database' });
  await world.agent.kill9();
  const left = task[Symbol.asyncDispose]();
  await world.agent.start();
  await left;
  expect((await world.api('GET', `/v1/tasks/${task.id}/receipt`)).status).toBe(200);
  await world.untilNothingLeft(1_000);
});

test.each(BOUND)(
  'starts over kills of the agent are answered or refused, and nothing is left: %s',
  async (_, options) => {
    let going = true;
    let done = 0;
    const lane = async (): Promise<void> => {
      while (going) {
        try {
          await using task = await client.start(options);
          await task.read('db.json');
          done += 1;
        } catch (error) {
          expect(error).toBeInstanceOf(TaskleaseError);
          await pause(50);
        }
      }
    };
    const lanes = Promise.all(Array.from({ length: 8 }, lane));
    for (let kill = 0; kill < 2; kill += 1) {
      await pause(300 + 150 * kill);
      await world.agent.kill9();
      await world.agent.start();
    }
    const reached = done;
    await until('it goes on', () => done > reached);
    going = false;
    await lanes;
    await until('every task is closed', async () =>
      (await world.admin('GET', '/v1/tasks')).body.tasks.every(
        ({ state }: { state: string }) => state === 'closed',
      ),
    );
  },
);

test('an agent that never answers is given up when the caller’s patience ends', async () => {
  const path = join(world.paths.scratch, 'silent.sock');
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const signal = AbortSignal.timeout(200);
  await expect(connect({ socket: path }).start({ profile: 'database', signal })).rejects.toThrow(/timeout/);
  server.close();
});
