// The two streams of facts, and the connection that holds a task (README, API).
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectProblem, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world?.close());

test('the stream of all facts tells a whole life, in order, as NDJSON', async () => {
  const events = await world.open('GET', '/v1/events');
  expect(events.status).toBe(200);
  expect(events.headers['content-type']).toMatch(/^application\/x-ndjson/);
  await startTask(world, 'told', 'database');
  await stopTask(world, 'told');
  await events.find((line) => line.task === 'told' && line.type === 'grant.closed');
  const types = events.lines.filter(({ task }) => task === 'told').map(({ type }) => type);
  const order = [
    'grant.accepted',
    'token.opened',
    'leases.issued',
    'delivery.published',
    'grant.stopping',
    'grant.closed',
  ];
  expect(types.filter((type) => order.includes(type))).toEqual(order);
  events.close();
});

test("a task's stream shows that task alone and ends with it", async () => {
  await startTask(world, 'watched', 'database');
  await startTask(world, 'unwatched', 'database');
  const events = await world.open('GET', '/v1/tasks/watched/events');
  expect(events.status).toBe(200);
  await stopTask(world, 'unwatched');
  await stopTask(world, 'watched');
  while ((await events.next()) !== undefined);
  expect(events.lines.at(-1)).toMatchObject({ type: 'grant.closed' });
  expect(JSON.stringify(events.lines)).not.toContain('unwatched');
  // Counted in the stream itself: a gap would tell how much others do.
  expect(events.lines.map(({ seq }) => seq)).toEqual(events.lines.map((_, i) => i + 1));
  expectProblem(await world.api('GET', '/v1/tasks/nobody/events'), 404, 'TASK_UNKNOWN');
});

test('?hold=true: closing the connection stops the task, closing another does not', async () => {
  await startTask(world, 'held', 'database');
  const looking = await world.open('GET', '/v1/tasks/held/events');
  const holding = await world.open('GET', '/v1/tasks/held/events?hold=true');
  expect(holding.status).toBe(200);
  looking.close();
  await startTask(world, 'passes-time', 'database');
  await stopTask(world, 'passes-time');
  expect((await world.api('GET', '/v1/tasks/held')).body).toMatchObject({ state: 'active' });
  holding.close();
  const receipt = await until('the task is stopped', async () => {
    const reply = await world.api('GET', '/v1/tasks/held/receipt');
    return reply.status === 200 && reply.body;
  });
  expect(receipt).toMatchObject({ outcome: 'lost', leases: [{ proof: 'revoked' }] });
  await world.untilNothingLeft(1_000);
});

test('a reader that never reads does not slow the tasks down', async () => {
  const events = await world.open('GET', '/v1/events');
  for (let n = 0; n < 10; n += 1) {
    await startTask(world, `unread-${n}`, 'key-value', { params: { env: 'staging' } });
    await stopTask(world, `unread-${n}`);
  }
  events.close();
});
