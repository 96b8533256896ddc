// What `tasklease events` prints of a stream, and how it ends.

import { expect, test } from 'vitest';
import { launch } from './command-line.ts';
import { stream } from './fake-agent.ts';
import { agent, cli } from './with-agent.ts';

const facts = [
  {
    seq: 1,
    at: '2026-11-22T10:00:00.000Z',
    task: 't1',
    type: 'grant.stopping',
    reason: 'completed',
    detail: null,
  },
  { seq: 2, at: '2026-11-22T10:00:00.100Z', task: 't1', type: 'grant.closed', outcome: 'completed' },
];
const ending =
  (...lines: unknown[]) =>
  (response: Parameters<ReturnType<typeof stream>>[0], seen: Parameters<ReturnType<typeof stream>>[1]) => {
    stream(...lines)(response, seen);
    response.end();
  };

test('TASK prints a line a fact and ends with the task', async () => {
  agent.on('GET /v1/tasks/*/events', ending(...facts));
  expect(await cli('events', 't1')).toMatchObject({
    code: 0,
    stdout:
      '2026-11-22T10:00:00.000Z  t1  grant.stopping  reason=completed\n2026-11-22T10:00:00.100Z  t1  grant.closed  outcome=completed\n',
  });
});

test('a fact without a time starts with its task', async () => {
  agent.on('GET /v1/tasks/*/events', ending({ task: 't1', type: 'grant.closed', outcome: 'completed' }));
  expect(await cli('events', 't1')).toMatchObject({
    code: 0,
    stdout: 't1  grant.closed  outcome=completed\n',
  });
});

test('--output json passes the NDJSON on as it is', async () => {
  agent.on('GET /v1/tasks/*/events', ending(...facts));
  const { stdout } = await cli('events', 't1', '--output', 'json');
  expect(stdout).toBe(facts.map((fact) => `${JSON.stringify(fact)}\n`).join(''));
});

test('of all tasks exits 3 when the agent goes away', async () => {
  agent.on('GET /v1/events', ending(facts[0]));
  expect(await cli('events')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('the agent ended the stream'),
  });
});

test('an agent that is killed under the stream: exit 3, and it is not said that it never answered', async () => {
  agent.on('GET /v1/events', stream(facts[0]));
  const running = launch(['events', '--socket', agent.socket]);
  await running.printed('grant.stopping');
  await agent.crash();
  const { code, stderr } = await running.finished;
  expect(code).toBe(3);
  expect(stderr).toContain('the agent ended the stream');
  expect(stderr).not.toContain('before it had answered');
});

test('prints each fact when it comes', async () => {
  agent.on('GET /v1/events', stream());
  const running = launch(['events', '--socket', agent.socket]);
  await agent.saw('GET /v1/events');
  agent.emit(facts[0]);
  await running.printed('grant.stopping');
  running.child.kill('SIGTERM');
  await running.finished;
});
