// The calls that change a task beside start and stop, over a real socket: strict bodies, the right socket, the
// answer; and what every 429 says.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Problem } from '../../../src/domain/problem.ts';
import { FakeEngine } from './fake-engine.ts';

let engine: FakeEngine;
beforeEach(async () => {
  engine = await FakeEngine.listening();
});
afterEach(() => engine[Symbol.asyncDispose]());

const extend = (body: unknown) => engine.call('POST', '/v1/tasks/t1/extend', body);
const abandon = (body: unknown, admin = true) => engine.call('POST', '/v1/tasks/t1/abandon', body, admin);

describe('POST /v1/tasks/{task}/extend', () => {
  test('asks for milliseconds and answers the task', async () => {
    expect(await extend({ duration: '10m' })).toMatchObject({ status: 200, body: { task: 't1' } });
    expect(engine.asked).toEqual(['extend: t1 600000']);
  });

  test.each([
    ['nothing', '', 'the body is not JSON'],
    ['no duration', {}, 'duration must be a duration like 90s, 10m or 1h'],
    ['no time', { duration: '0s' }, 'duration must be at least 1s'],
    ['an unknown key', { duration: '1m', by: 'me' }, 'by is not a known key'],
    ['a name twice', '{"duration":"1m","duration":"2m"}', 'the name "duration" stands twice in the body'],
  ])('%s is refused with a body that would do, before the engine is asked', async (_what, body, detail) => {
    const reply = await extend(body);
    expect(reply).toMatchObject({ status: 400, body: { code: 'SIGNAL_INVALID', detail } });
    if (!detail.includes('twice')) expect(reply.body.hint).toContain('{"duration": "10m"}');
    expect(engine.asked).toEqual([]);
  });

  test('a body of more than 64 KiB is 413', async () => {
    expect((await extend({ duration: 'x'.repeat(70_000) })).status).toBe(413);
  });

  test('a task id that is none is refused', async () => {
    expect((await engine.call('POST', '/v1/tasks/..%2Fx/extend', { duration: '1m' })).status).toBe(400);
  });

  test('takes POST only', async () => {
    const reply = await engine.call('PUT', '/v1/tasks/t1/extend', { duration: '1m' });
    expect(reply.status).toBe(405);
    expect(reply.headers.allow).toBe('POST');
  });

  test.each(['TASK_UNKNOWN', 'PROFILE_DENIED', 'TASK_SPENT', 'JOURNAL_UNWRITABLE'] as const)(
    'the engine’s %s is the answer',
    async (code) => {
      engine.answers.extend = () => {
        throw new Problem(code, 'why', { hint: 'what next' });
      };
      const reply = await extend({ duration: '1m' });
      expect(reply.body).toMatchObject({ code, status: reply.status, detail: 'why', hint: 'what next' });
    },
  );
});

describe('POST /v1/tasks/{task}/abandon', () => {
  test('gives the reason and answers the receipt', async () => {
    expect(await abandon({ reason: 'database/ is gone' })).toMatchObject({
      status: 200,
      body: { task: 't1', state: 'closed' },
    });
    expect(engine.asked).toEqual(['abandon: t1 database/ is gone']);
  });

  test('answers 202 while it is not done', async () => {
    engine.answers.abandon = () => ({ pending: { task: 't1', state: 'stopping' } });
    expect((await abandon({ reason: 'x' })).status).toBe(202);
  });

  test('is for the admin socket', async () => {
    expect(await abandon({ reason: 'x' }, false)).toMatchObject({
      status: 403,
      body: { code: 'ADMIN_ONLY' },
    });
    expect(engine.asked).toEqual([]);
  });

  test.each([
    ['no reason', {}, 'reason is missing'],
    ['an empty one', { reason: '' }, 'reason must not be empty'],
    ['two lines', { reason: 'a\nb' }, 'reason must not contain control characters'],
  ])('%s is refused', async (_what, body, detail) => {
    expect(await abandon(body)).toMatchObject({ status: 400, body: { detail } });
    expect(engine.asked).toEqual([]);
  });
});

describe('POST /v1/tasks/{task}/approval', () => {
  const approve = (body: unknown, admin = true) => engine.call('POST', '/v1/tasks/t1/approval', body, admin);
  const digest = 'a'.repeat(64);

  test('hands the word on and answers the task', async () => {
    expect(await approve({ approve: true, digest, reason: 'OPS-712' })).toMatchObject({
      status: 200,
      body: { task: 't1' },
    });
    expect(engine.asked).toEqual([`approve: t1 {"approve":true,"digest":"${digest}","reason":"OPS-712"}`]);
  });

  test('is for the admin socket', async () => {
    expect(await approve({ approve: true }, false)).toMatchObject({
      status: 403,
      body: { code: 'ADMIN_ONLY' },
    });
    expect(engine.asked).toEqual([]);
  });

  test.each([
    ['nothing', {}, 'approve must be true or false'],
    ['a maybe', { approve: 'yes' }, 'approve must be true or false'],
    [
      'a digest that is none',
      { approve: true, digest: 'abc' },
      'digest must be the approval.digest of the task: 64 hexadecimal digits',
    ],
    ['an unknown key', { approve: true, uid: 0 }, 'uid is not a known key'],
  ])('%s is refused', async (_what, body, detail) => {
    expect(await approve(body)).toMatchObject({ status: 400, body: { detail } });
    expect(engine.asked).toEqual([]);
  });
});

describe('a start that waits for approval', () => {
  test.each([
    ['', 0],
    ['?wait=10m', 600_000],
  ])('is answered 202 (%s), after the wait that its caller asks for', async (query, ms) => {
    engine.state = 'pending_approval';
    const reply = await engine.call('PUT', `/v1/tasks/t1${query}`, { profile: 'p' });
    expect(reply).toMatchObject({ status: 202, body: { state: 'pending_approval' } });
    expect(engine.patience).toBe(ms);
  });

  test('is refused with a wait that is none', async () => {
    const reply = await engine.call('PUT', '/v1/tasks/t1?wait=soon', { profile: 'p' });
    expect(reply).toMatchObject({ status: 400, body: { detail: 'wait is not a duration of at most 1h' } });
  });

  test('is held open where it binds the connection', async () => {
    engine.state = 'pending_approval';
    const reply = await engine.open('PUT', '/v1/tasks/t1', { profile: 'p', bind: { connection: true } });
    expect(reply.status).toBe(202);
    expect(await reply.next()).toMatchObject({ state: 'pending_approval' });
    reply.close();
  });
});

test('a start hands its parent and its cgroup on', async () => {
  const body = { profile: 'p', parent: 'above', bind: { cgroup: '/ci.slice' } };
  expect((await engine.call('PUT', '/v1/tasks/t1', body)).status).toBe(201);
  expect(engine.asked).toEqual([
    'start: t1 {"profile":"p","params":{},"bind":{"cgroup":"/ci.slice"},"parent":"above"}',
  ]);
});

test.each([
  ['says when to come back', 2300, '3'],
  ['says one second at least', 0, '1'],
  ['says one second where the engine does not say', undefined, '1'],
])('a 429 %s', async (_what, retryAfterMs, seconds) => {
  engine.answers.start = () => {
    throw new Problem('CAPACITY', 'full', retryAfterMs === undefined ? {} : { retryAfterMs });
  };
  const reply = await engine.call('PUT', '/v1/tasks/t1', { profile: 'p' });
  expect(reply).toMatchObject({ status: 429, body: { retryable: true } });
  expect(reply.headers['retry-after']).toBe(seconds);
});

test('the schema describes them, with their bodies', async () => {
  const { body } = await engine.call('GET', '/v1/openapi.json');
  const bodyOf = (path: string, method = 'post') =>
    body.paths[path][method].requestBody.content['application/json'].schema.$ref;
  expect(bodyOf('/v1/tasks/{task}', 'put')).toBe('#/components/schemas/Start');
  expect(bodyOf('/v1/tasks/{task}/extend')).toBe('#/components/schemas/Extend');
  expect(bodyOf('/v1/tasks/{task}/abandon')).toBe('#/components/schemas/Abandon');
  const { Start, Extend, Abandon } = body.components.schemas;
  expect(Start.properties).toMatchObject({ parent: { type: 'string' }, bind: { anyOf: expect.any(Array) } });
  expect(Extend).toMatchObject({ required: ['duration'], additionalProperties: false });
  expect(Abandon).toMatchObject({ required: ['reason'], additionalProperties: false });
  expect(body.paths['/v1/tasks/{task}/events'].get.responses['2XX'].content).toHaveProperty([
    'application/x-ndjson',
  ]);
  expect(bodyOf('/v1/tasks/{task}/approval')).toBe('#/components/schemas/Approval');
  expect(body.components.schemas.Approval.anyOf).toMatchObject([
    { required: ['approve'], additionalProperties: false },
    { required: ['jwt'], additionalProperties: false },
  ]);
  const { given } = body.components.schemas.Task.properties.approval.properties;
  expect(given.items.properties).toMatchObject({ uid: {}, signer: { type: 'string' } });
});
