// `tasklease run` while its agent is away, against a stand-in: a task bound to the process does not notice; one
// bound to the connection has 10 s to hold it again, by the very same start.

import { beforeEach, describe, expect, test } from 'vitest';
import { launch, node, tasklease } from './command-line.ts';
import { granted, json, problem, receipt, stream } from './fake-agent.ts';
import { agent } from './with-agent.ts';

const runArgs = (...cmd: string[]) => [
  ...['run', '--socket', agent.socket, '--profile', 'report-read', '--task', 't1', '--parent', 'above', '--'],
  ...cmd,
];
const launchRun = (...cmd: string[]) => launch(runArgs(...cmd));
/** A CMD that says "up" and every signal it gets, and ends with `code` after TERM. */
const listener = (code = 0) => [
  node,
  '-e',
  `for (const s of ['SIGTERM','SIGHUP']) process.on(s, () => { console.log('got', s); if (s === 'SIGTERM') setTimeout(() => process.exit(${code}), 100); }); setInterval(() => {}, 1000); console.log('up');`,
];
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const body = { profile: 'report-read', parent: 'above' };

describe('a task that is bound to the process', () => {
  test('an agent’s restart goes unnoticed: CMD is not disturbed and nothing is said', async () => {
    const running = launchRun(...listener(0));
    await running.printed('up');
    await agent.saw('GET /v1/tasks/t1/events');
    await agent.crash();
    agent.seen.length = 0;
    await pause(500);
    await agent.restart();
    await agent.saw('GET /v1/tasks/t1/events');
    await pause(300);
    running.child.kill('SIGTERM');
    expect(await running.finished).toMatchObject({ code: 0, stdout: 'up\ngot SIGTERM\n', stderr: '' });
    await agent.saw('DELETE /v1/tasks/t1?wait=30s');
  });

  test('the final stop is repeated while the agent is coming back', async () => {
    const running = launchRun(...listener(7));
    await running.printed('up');
    await agent.saw('GET /v1/tasks/t1/events');
    await agent.crash();
    running.child.kill('SIGTERM');
    await pause(2000);
    agent.seen.length = 0;
    await agent.restart();
    expect(await running.finished).toMatchObject({ code: 7, stderr: '' });
    // What is left of the 30 s.
    expect((await agent.saw('DELETE /v1/tasks/t1')).url).toMatch(/wait=2\ds$/);
  });

  test('a stop that the agent’s restart cut short is repeated', async () => {
    let stops = 0;
    agent.on('DELETE /v1/tasks/*', (response, seen) => {
      stops += 1;
      if (stops === 1) response.destroy();
      else json(200, receipt('t1'))(response, seen);
    });
    expect(await launchRun('sh', '-c', 'exit 4').finished).toMatchObject({ code: 4, stderr: '' });
    expect(stops).toBe(2);
  });

  test('that comes back without the task: it is lost, CMD gets SIGTERM, exit 125', async () => {
    const running = launchRun(...listener(0));
    await running.printed('up');
    await agent.saw('GET /v1/tasks/t1/events');
    await agent.crash();
    agent.on('GET /v1/tasks/*/events', problem(404, 'TASK_UNKNOWN', 'there is no task t1'));
    await agent.restart();
    expect(await running.finished).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('t1 is lost'),
    });
  });

  test('that comes back having ended the task says why: CMD gets SIGTERM, exit 125', async () => {
    const running = launchRun(...listener(0));
    await running.printed('up');
    await agent.saw('GET /v1/tasks/t1/events');
    await agent.crash();
    agent.on('GET /v1/tasks/*', json(200, { task: 't1', state: 'stopping', outcome: 'failed' }));
    await agent.restart();
    expect(await running.finished).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('ended by the agent (failed)'),
    });
  });

  test('an agent that stays away for 10 s: it is said, CMD goes on, its exit code counts', async () => {
    const running = launchRun('sh', '-c', 'echo up; sleep 11; exit 3');
    await running.printed('up');
    await agent.saw('GET /v1/tasks/t1/events');
    await agent.crash();
    await pause(11_500);
    running.child.kill('SIGINT'); // no patience for the 30 s
    const { code, stderr } = await running.finished;
    expect(code).toBe(3);
    expect(stderr).toContain('t1: the agent has been away for 10 s; CMD goes on');
    expect(stderr).not.toContain('lost');
  });
});

describe('a task that is bound to the connection', () => {
  beforeEach(() => {
    agent.on('PUT /v1/tasks/*', (response, seen) => {
      const bind = seen.body?.bind as { pid?: number };
      if (bind.pid === undefined) stream(granted('t1'))(response, seen);
      else problem(400, 'SIGNAL_INVALID', 'bind.pid is refused across pid namespaces')(response, seen);
    });
  });
  const held = { ...body, bind: { connection: true } };

  test('the connection stays open until the task is stopped', async () => {
    let heldAtStop = -1;
    agent.on('DELETE /v1/tasks/*', (response, seen) => {
      heldAtStop = [...agent.open].filter((open) => open !== response).length;
      json(200, receipt('t1'))(response, seen);
    });
    expect(await launchRun('sh', '-c', 'exit 7').finished).toMatchObject({ code: 7, stderr: '' });
    expect(agent.seen[1]?.body).toEqual(held);
    expect(heldAtStop).toBe(1);
  });

  test('after an agent’s restart it is held again by the very same start', async () => {
    const running = launchRun(...listener(0));
    await running.printed('up');
    await agent.crash();
    agent.seen.length = 0;
    await agent.restart();
    expect((await agent.saw('PUT /v1/tasks/t1')).body).toEqual(held);
    await pause(300);
    expect(agent.open.size).toBe(1);
    running.child.kill('SIGTERM');
    const { code, stderr } = await running.finished;
    expect(code).toBe(0);
    expect(stderr).toContain('trying for 10 s to reach it again');
    expect(stderr).toContain('the agent is back');
  });

  test('and again after a second one', async () => {
    const running = launchRun(...listener(0));
    await running.printed('up');
    for (let restarts = 0; restarts < 2; restarts++) {
      await agent.crash();
      agent.seen.length = 0;
      await agent.restart();
      await agent.saw('PUT /v1/tasks/t1');
      await pause(200);
    }
    running.child.kill('SIGTERM');
    expect((await running.finished).code).toBe(0);
  });

  test('a refusal that passes does not lose it', async () => {
    const running = launchRun(...listener(0));
    await running.printed('up');
    await agent.crash();
    let refusals = 0;
    agent.on('PUT /v1/tasks/*', (response, seen) => {
      refusals += 1;
      if (refusals < 3) problem(503, 'JOURNAL_UNWRITABLE', 'the journal is full')(response, seen);
      else stream(granted('t1'))(response, seen);
    });
    await agent.restart();
    await expect.poll(() => agent.open.size, { timeout: 5000 }).toBe(1);
    running.child.kill('SIGTERM');
    expect((await running.finished).code).toBe(0);
  });

  test.each([
    [
      'has ended it: 409',
      problem(409, 'TASK_SPENT', 'task id t1 has been used'),
      'ended by the agent (lost)',
    ],
    ['holds it while it is stopping', stream({ task: 't1', state: 'stopping', outcome: 'lost' }), '(lost)'],
  ])('an agent that %s: CMD gets SIGTERM, exit 125', async (_what, answer, words) => {
    const running = launchRun(...listener(0));
    await running.printed('up');
    await agent.crash();
    agent.on('PUT /v1/tasks/*', answer);
    agent.on('GET /v1/tasks/*', json(200, { task: 't1', state: 'closed', outcome: 'lost' }));
    await agent.restart();
    expect(await running.finished).toMatchObject({ code: 125, stderr: expect.stringContaining(words) });
  });

  test('an agent that starts it anew has lost it: CMD gets SIGTERM, exit 125, the new one is stopped', async () => {
    const running = launchRun(...listener(0));
    await running.printed('up');
    await agent.crash();
    agent.seen.length = 0;
    agent.on('PUT /v1/tasks/*', (response) => {
      response.writeHead(201, { 'content-type': 'application/x-ndjson' });
      response.write(`${JSON.stringify(granted('t1'))}\n`);
    });
    await agent.restart();
    expect(await running.finished).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('t1 is lost: the agent no longer knows it'),
    });
    await agent.saw('DELETE /v1/tasks/t1');
  });

  test('an agent that stays away for 10 s: it is lost, CMD gets SIGTERM, exit 125', async () => {
    const running = launchRun(...listener(0));
    await running.printed('up');
    const began = Date.now();
    await agent.crash();
    const { code, stdout, stderr } = await running.finished;
    expect(code).toBe(125);
    expect(stdout).toContain('got SIGTERM');
    expect(stderr).toContain('the agent did not come back within 10 s');
    expect(Date.now() - began).toBeGreaterThan(9_900);
  });

  test('a refusal of the second start is the one that is told', async () => {
    agent.on('PUT /v1/tasks/*', (response, seen) => {
      const pid = (seen.body?.bind as { pid?: number } | undefined)?.pid !== undefined;
      problem(
        pid ? 400 : 503,
        pid ? 'SIGNAL_INVALID' : 'VAULT_SEALED',
        pid ? 'bind.pid 7 is not visible' : 'Vault is sealed',
      )(response, seen);
    });
    expect(await tasklease(runArgs('echo', 'ran'))).toMatchObject({
      code: 125,
      stdout: '',
      stderr: expect.stringContaining('VAULT_SEALED'),
    });
  });
});
