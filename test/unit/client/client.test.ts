// What the TypeScript client makes of answers that a real agent gives rarely, against a stand-in for its socket.
import { expect, onTestFinished, test } from 'vitest';
import { connect, TaskleaseError } from '../../../src/client/index.ts';
import { LeasedTask } from '../../../src/client/task.ts';
import type { TaskStatus } from '../../../src/client/types.ts';
import { FakeAgent, granted, json, problem } from '../cli/fake-agent.ts';

const PROOF_MS = 200;

const listening = async (): Promise<FakeAgent> => {
  const agent = await FakeAgent.listening();
  onTestFinished(() => agent[Symbol.asyncDispose]());
  return agent;
};

/** A task of which the scope waits less long than it would. */
const impatient = (agent: FakeAgent): LeasedTask =>
  new LeasedTask(agent.socket, { status: granted('t1') as unknown as TaskStatus }, PROOF_MS);

const warnings = (): string[] => {
  const seen: string[] = [];
  const listen = ({ message }: Error) => seen.push(message);
  process.on('warning', listen);
  onTestFinished(() => void process.off('warning', listen));
  return seen;
};

const count = (agent: FakeAgent, method: string): number =>
  agent.seen.filter((one) => one.method === method).length;

test('a start is bound to this program, and says what was asked for and nothing else', async () => {
  const agent = await listening();
  const deadline = new Date('2026-11-22T10:15:00Z');
  const start = {
    profile: 'p',
    params: { a: 'b' },
    event: { type: 'e', id: '1' },
    parent: 'p1',
    duration: undefined,
  };
  const task = await connect({ socket: agent.socket }).start({ ...start, deadline });
  expect(agent.seen[0]!.body).toEqual({
    ...{ profile: 'p', params: { a: 'b' }, event: { type: 'e', id: '1' }, parent: 'p1' },
    deadline: '2026-11-22T10:15:00.000Z',
    bind: { pid: process.pid },
  });
  expect(task.id).toMatch(/^p-\d{8}T\d{6}Z-[0-9a-f]{12}$/);
  await task.stop();
});

test('an agent that refuses process ids is asked by connection, and from then on at once', async () => {
  const agent = await listening();
  const refuses = problem(
    400,
    'SIGNAL_INVALID',
    'bind.pid means nothing across pid namespaces',
    'bind the connection',
  );
  agent.on('PUT /v1/tasks/*', (response, seen) => {
    const task = seen.url.split('/')[3] ?? '';
    if (!('connection' in (seen.body!.bind as object))) return refuses(response, seen);
    response.writeHead(201, { 'content-type': 'application/x-ndjson' });
    response.write(`${JSON.stringify(granted(task))}\n`);
  });
  const client = connect({ socket: agent.socket });
  for (let n = 0; n < 2; n += 1) await (await client.start({ profile: 'p' })).stop();
  expect(count(agent, 'PUT')).toBe(3);
});

test('a start that needs approval is waited for, and the signal withdraws it', async () => {
  const agent = await listening();
  let asked = 0;
  agent.on('PUT /v1/tasks/*', (response, seen) => {
    asked += 1;
    json(asked > 1 ? 201 : 202, asked > 1 ? granted('t1') : { task: 't1', state: 'pending_approval' })(
      response,
      seen,
    );
  });
  const client = connect({ socket: agent.socket });
  await (await client.start({ profile: 'p', task: 't1' })).stop();
  expect(agent.seen.slice(0, 2).map(({ url }) => url)).toEqual(Array(2).fill('/v1/tasks/t1?wait=1h'));

  agent.on('PUT /v1/tasks/*', json(202, { task: 't2', state: 'pending_approval' }));
  const controller = new AbortController();
  const started = client.start({ profile: 'p', task: 't2', signal: controller.signal });
  await agent.saw('PUT /v1/tasks/t2?wait=1h');
  controller.abort();
  await expect(started).rejects.toBe(controller.signal.reason);
  await agent.saw('DELETE /v1/tasks/t2');
});

test.each([
  ['approved', { type: 'delivery.published' }, true],
  ['denied', { type: 'grant.refused', code: 'APPROVAL_DENIED', detail: 'uid 0 denied t1: wrong pid' }, false],
])('a start that its connection holds hears that it is %s', async (_what, fact, good) => {
  const agent = await listening();
  agent.on('PUT /v1/tasks/*', (response) => {
    response.writeHead(202, { 'content-type': 'application/x-ndjson' });
    for (const line of [
      { task: 't1', state: 'pending_approval' },
      fact,
      ...(good ? [] : [{ type: 'grant.closed' }]),
    ])
      response.write(`${JSON.stringify(line)}\n`);
  });
  const client = connect({ socket: agent.socket });
  const started = client.start({ profile: 'p', task: 't1', bind: { connection: true } });
  if (good) await (await started).stop();
  else await expect(started).rejects.toMatchObject({ code: 'APPROVAL_DENIED', status: 403 });
  expect(count(agent, 'PUT')).toBe(1);
});

test('a refusal is not tried again', async () => {
  const agent = await listening();
  agent.on(
    'PUT /v1/tasks/*',
    problem(403, 'PROFILE_DENIED', 'uid 7 may not start "p"', 'list it under allow'),
  );
  await expect(connect({ socket: agent.socket }).start({ profile: 'p' })).rejects.toMatchObject({
    code: 'PROFILE_DENIED',
    message: 'PROFILE_DENIED: uid 7 may not start "p"; list it under allow',
  });
  expect(count(agent, 'PUT')).toBe(1);
});

test('a start whose answer is lost is asked for again, word for word', async () => {
  const agent = await listening();
  let asked = 0;
  agent.on('PUT /v1/tasks/*', (response) => {
    asked += 1;
    if (asked < 3) response.destroy();
    else json(200, granted('t1'))(response, agent.seen[0]!);
  });
  const task = await connect({ socket: agent.socket }).start({ profile: 'p', task: 't1' });
  const bodies = agent.seen.map(({ body }) => JSON.stringify(body));
  expect([bodies.length, new Set(bodies).size]).toEqual([3, 1]);
  await task.stop();
});

test('a start that is refused after a lost answer tells the agent to stop what it may have had', async () => {
  const agent = await listening();
  let asked = 0;
  agent.on('PUT /v1/tasks/*', (response, seen) => {
    asked += 1;
    if (asked === 1) response.destroy();
    else problem(409, 'TASK_SPENT', 'it was used')(response, seen);
  });
  await expect(connect({ socket: agent.socket }).start({ profile: 'p' })).rejects.toMatchObject({
    code: 'TASK_SPENT',
  });
  await agent.saw('DELETE /v1/tasks/p-');
});

test('an answer that is no problem document is an error all the same', async () => {
  const agent = await listening();
  agent.on('PUT /v1/tasks/*', (response) => response.writeHead(418).end('I am a teapot'));
  const error = await connect({ socket: agent.socket })
    .start({ profile: 'p' })
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(TaskleaseError);
  expect(error).toMatchObject({ code: 'INTERNAL', status: 418 });
});

test('a scope whose proof does not come is left with a warning, and with its own result', async () => {
  const agent = await listening();
  agent.on('DELETE /v1/tasks/*', json(202, granted('t1')));
  const seen = warnings();
  const work = async (): Promise<string> => {
    await using task = impatient(agent);
    return task.id;
  };
  expect(await work()).toBe('t1');
  await expect.poll(() => seen.join()).toContain('task t1 is not proved stopped yet');
});

test('a scope that is left while the agent is away is left with a warning, and the agent is told when it is back', async () => {
  const agent = await listening();
  const seen = warnings();
  const task = impatient(agent);
  await agent.crash();
  await task[Symbol.asyncDispose]();
  await expect.poll(() => seen.join()).toContain('the agent is away');
  expect(count(agent, 'DELETE')).toBe(0);
  await agent.restart();
  await agent.saw('DELETE /v1/tasks/t1');
});

test('a scope is left in peace when the agent does not know its task; a stop says so', async () => {
  const agent = await listening();
  agent.on('DELETE /v1/tasks/*', problem(404, 'TASK_UNKNOWN', 'there is no task t1'));
  const task = impatient(agent);
  await expect(task.stop()).rejects.toMatchObject({ code: 'TASK_UNKNOWN' });
  await task[Symbol.asyncDispose]();
});

test('what the agent refuses to stop is told, beside what the scope itself threw', async () => {
  const agent = await listening();
  agent.on('DELETE /v1/tasks/*', problem(401, 'IDENTITY_REJECTED', 'who are you'));
  const work = async (): Promise<void> => {
    await using _task = impatient(agent);
    throw new Error('own');
  };
  const error = await work().catch((reason: unknown) => reason);
  expect(error).toMatchObject({ error: { code: 'IDENTITY_REJECTED' }, suppressed: { message: 'own' } });
});

test('a caller who has enough of events hangs up', async () => {
  const agent = await listening();
  const task = impatient(agent);
  const events = task.events();
  setTimeout(() => agent.emit({ seq: 1, at: 'now', task: 't1', type: 'leases.renewed' }), 100);
  for await (const { type } of events) {
    expect(type).toBe('leases.renewed');
    break;
  }
  await expect.poll(() => agent.open.size).toBe(0);
  await task.stop();
});
