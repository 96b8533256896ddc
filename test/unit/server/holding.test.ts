// Connections that hold a task, over a real socket: attached with the start or with ?hold=true, lost when they
// close, and not lost when it is the agent that leaves.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Problem } from '../../../src/domain/problem.ts';
import { until } from '../../harness/until.ts';
import { FakeEngine } from './fake-engine.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await FakeEngine.listening();
});
afterEach(() => engine[Symbol.asyncDispose]());

const START = { profile: 'p', bind: { connection: true } };
const startHeld = () => engine.open('PUT', '/v1/tasks/t1', START);
const LOST = 'lost: t1 the bound connection was closed';
const saw = (call: string) => until(`the engine is asked "${call}"`, () => engine.asked.includes(call), 5000);
const unwritable = (): never => {
  throw new Problem('JOURNAL_UNWRITABLE', 'the journal is full');
};

describe('a start that binds the connection', () => {
  test('is held, and answered with NDJSON whose first line is the task', async () => {
    const reply = await startHeld();
    expect(reply.status).toBe(201);
    expect(reply.headers['content-type']).toBe('application/x-ndjson');
    expect(await reply.next()).toMatchObject({ task: 't1', state: 'active' });
    expect(engine.asked[1]).toBe('hold: t1');
    engine.tell('leases.renewed');
    expect(await reply.next()).toMatchObject({ seq: 1, type: 'leases.renewed' });
    reply.close();
  });

  test('made again after a restart of the agent is answered 200, and holds the task again', async () => {
    engine.answers.start = () => ({ view: engine.view(), fresh: false, trace: null });
    const reply = await startHeld();
    expect(reply.status).toBe(200);
    expect(engine.asked[1]).toBe('hold: t1');
    reply.close();
    await saw(LOST);
  });

  test('is lost when the connection closes', async () => {
    const reply = await startHeld();
    expect(engine.asked).not.toContain(LOST);
    reply.close();
    await saw(LOST);
    expect(engine.listeners).toBe(0);
  });

  test('is not lost when it is the agent that leaves', async () => {
    const reply = await startHeld();
    await reply.next();
    engine.leaving = true;
    await engine[Symbol.asyncDispose]();
    expect(await reply.next()).toBeUndefined();
    expect(engine.asked).not.toContain(LOST);
  });

  test('is not lost after it was closed in good order', async () => {
    const reply = await startHeld();
    engine.tell('grant.closed', { outcome: 'completed' });
    while ((await reply.next()) !== undefined);
    expect(reply.lines.at(-1)).toMatchObject({ type: 'grant.closed' });
    expect(engine.asked).not.toContain(LOST);
  });

  test('is lost when the caller left while it was under way', async () => {
    const started = Promise.withResolvers<unknown>();
    engine.answers.start = () => started.promise;
    const leaving = startHeld();
    leaving.catch(() => {});
    await saw('start: t1 {"profile":"p","params":{},"bind":{"connection":true}}');
    await engine.hangUp();
    started.resolve({ view: engine.view(), fresh: true, trace: null });
    await saw(LOST);
  });

  test('whose hold cannot be put on record fails, and leaves nothing behind', async () => {
    engine.answers.hold = unwritable;
    const reply = await engine.call('PUT', '/v1/tasks/t1', START);
    expect(reply).toMatchObject({ status: 503, body: { code: 'JOURNAL_UNWRITABLE' } });
    expect(engine.asked).toContain(LOST);
  });

  test('made again, whose hold cannot be put on record, may be made again', async () => {
    engine.answers.start = () => ({ view: engine.view(), fresh: false, trace: null });
    engine.answers.hold = unwritable;
    expect((await engine.call('PUT', '/v1/tasks/t1', START)).status).toBe(503);
    expect(engine.asked).not.toContain(LOST);
  });

  test('of a task that ended meanwhile says so and ends', async () => {
    engine.answers.hold = () => {
      engine.state = 'closed';
    };
    const reply = await startHeld();
    expect(await reply.next()).toMatchObject({ state: 'closed' });
    expect(await reply.next()).toBeUndefined();
    expect(engine.asked).not.toContain(LOST);
  });
});

describe('GET /v1/tasks/{task}/events', () => {
  const HELD = 'lost: t1 the holding connection was closed';

  test('?hold=true holds the task: facts come, and closing it loses the task', async () => {
    const reply = await engine.open('GET', '/v1/tasks/t1/events?hold=true');
    engine.tell('leases.renewed');
    expect(await reply.next()).toMatchObject({ seq: 1, type: 'leases.renewed' });
    expect(engine.asked).toContain('hold: t1');
    reply.close();
    await saw(HELD);
  });

  test.each(['', '?hold=false'])('%s only looks on', async (query) => {
    const reply = await engine.open('GET', `/v1/tasks/t1/events${query}`);
    reply.close();
    await until('nobody listens', () => engine.listeners === 0, 5000);
    expect(engine.asked.filter((call) => !call.startsWith('get'))).toEqual([]);
  });

  test.each(['?hold', '?hold=yes', '?hold=1'])(
    '%s is refused: the caller would believe to hold it',
    async (query) => {
      expect(await engine.call('GET', `/v1/tasks/t1/events${query}`)).toMatchObject({
        status: 400,
        body: { code: 'SIGNAL_INVALID', detail: 'hold is neither true nor false' },
      });
    },
  );

  test('a task that is stopping is not held any more', async () => {
    engine.state = 'stopping';
    const reply = await engine.open('GET', '/v1/tasks/t1/events?hold=true');
    reply.close();
    await until('nobody listens', () => engine.listeners === 0, 5000);
    expect(engine.asked).not.toContain('hold: t1');
    expect(engine.asked).not.toContain(HELD);
  });

  test('a closed task has one fact left to tell', async () => {
    engine.state = 'closed';
    const reply = await engine.call('GET', '/v1/tasks/t1/events?hold=true');
    expect(reply.body).toMatchObject({ type: 'grant.closed', outcome: 'lost' });
  });
});
