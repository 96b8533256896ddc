// `ready: postgres` on the real agent: the start answers once the credential works at the address that the workload will
// use, not before; a database that stays away is NOT_READY and leaves nothing anywhere.
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../src/dev/free-port.ts';
import { canLogin } from '../../src/dev/postgres-server.ts';
import { database, profile } from '../harness/sample-profiles.ts';
import { expectProblem, startTask, stopTask } from '../harness/tasks.ts';
import { pause } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
let door: Door;
beforeAll(async () => {
  door = new Door(await freePort());
  const ready = (more: object) =>
    profile({
      ...database,
      ready: { probe: 'postgres', secret: 'db', address: `127.0.0.1:${door.port}/postgres`, ...more },
    });
  world = await createWorld({
    profiles: { waits: ready({ timeout: '60s' }), hurries: ready({ timeout: '1s' }) },
  });
  door.leadsTo = world.postgres.port;
});
afterAll(async () => {
  await door?.close();
  await world?.close();
});

/** The way that workloads take to the database: closed at first. Vault has one of its own. */
class Door {
  leadsTo = 0;
  readonly port: number;
  #server: Server | null = null;

  constructor(port: number) {
    this.port = port;
  }

  async open(): Promise<void> {
    this.#server = createServer((client) => {
      const upstream = connect(this.leadsTo, '127.0.0.1');
      client.pipe(upstream).pipe(client);
      client.on('error', () => upstream.destroy());
      upstream.on('error', () => client.destroy());
    });
    await new Promise<void>((resolve) => this.#server!.listen(this.port, '127.0.0.1', resolve));
    expect((this.#server.address() as AddressInfo).port).toBe(this.port);
  }

  async close(): Promise<void> {
    await new Promise((resolve) => (this.#server === null ? resolve(null) : this.#server.close(resolve)));
    this.#server = null;
  }
}

test('with the database reachable two seconds late, the start answers after it works, and not before', async () => {
  let opened = Number.POSITIVE_INFINITY;
  const opening = pause(2000).then(async () => {
    opened = performance.now();
    await door.open();
  });
  const { files } = await startTask(world, 'late', 'waits');
  expect(performance.now()).toBeGreaterThan(opened);
  await opening;
  expect(files).toContain('db.json');
  const { username, password } = JSON.parse(await world.file('late', 'db.json'));
  expect(await canLogin(door.port, 'postgres', username, password)).toBe(true);
  await stopTask(world, 'late');
  await door.close();
  await world.untilNothingLeft();
});

test('while it waits the task is there to be seen and has no files', async () => {
  const start = world.api('PUT', '/v1/tasks/seen', { profile: 'waits' });
  let state = '';
  while (state === '') {
    const { status, body } = await world.api('GET', '/v1/tasks/seen');
    if (status === 200 && (await world.pgRoles()).length > 0) state = body.state;
    else await pause(50);
  }
  expect(state).toBe('starting');
  expect(world.taskDirs()).toEqual([]);
  // And a stop does not wait for the probe.
  await world.api('DELETE', '/v1/tasks/seen');
  expect((await start).status).toBe(409);
  await world.untilNothingLeft();
});

test('a database that stays away is NOT_READY: all is revoked and erased, and the same start works later', async () => {
  const problem = expectProblem(
    await world.api('PUT', '/v1/tasks/away', { profile: 'hurries' }),
    504,
    'NOT_READY',
  );
  expect(problem).toMatchObject({
    detail: `postgres 127.0.0.1:${door.port}/postgres refuses connections for 1s`,
    retryable: true,
  });
  await world.untilNothingLeft();
  await door.open();
  await startTask(world, 'away', 'hurries');
  await stopTask(world, 'away');
  await door.close();
});
