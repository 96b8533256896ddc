// `tasklease run`: exit codes, signals and deadlines, against a stand-in. What happens when the agent goes away
// is in run-away.test.ts, what does not even start in run-refused.test.ts.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { node, tasklease } from './command-line.ts';
import { granted, json, receipt } from './fake-agent.ts';
import { agent, launchRun, run, runArgs } from './with-agent.ts';

/** A CMD that says "up" and every signal it gets, and ends with `code` after TERM or INT. */
const listener = (code = 0) => [
  node,
  '-e',
  `for (const s of ['SIGTERM','SIGINT','SIGHUP','SIGUSR1','SIGUSR2','SIGQUIT']) process.on(s, () => { console.log('got', s); if (s === 'SIGTERM' || s === 'SIGINT') setTimeout(() => process.exit(${code}), 100); }); setInterval(() => {}, 1000); console.log('up');`,
];

describe('a good run', () => {
  test('gives CMD its task and directory, says nothing, and answers CMD’s exit code', async () => {
    const { code, stdout, stderr } = await run('sh', '-c', 'echo $TASKLEASE_TASK $TASKLEASE_DIR; exit 7');
    expect({ code, stdout, stderr }).toEqual({
      code: 7,
      stdout: 't1 /run/tasklease/tasks/t1/current\n',
      stderr: '',
    });
  });

  test('binds the task to its own process and stops it, waiting 30 s for the proof', async () => {
    const running = launchRun('true');
    expect((await running.finished).code).toBe(0);
    expect(agent.seen[0]?.body).toEqual({ profile: 'report-read', bind: { pid: running.child.pid } });
    // The watch over the task may still be asking when the stop goes out.
    const changes = agent.seen.filter(({ method }) => method !== 'GET');
    expect(changes.at(-1)).toMatchObject({ method: 'DELETE', url: '/v1/tasks/t1?wait=30s' });
  });

  test('sends what was asked for and nothing else', async () => {
    await tasklease([
      'run',
      '--socket',
      agent.socket,
      '--profile',
      'p',
      '--param',
      'env=prod',
      '--param',
      'q=a=b',
      '--duration',
      '90s',
      '--event',
      'pull_request:acme/shop#4:2',
      '--',
      'true',
    ]);
    const [start] = agent.seen;
    expect(start?.url).toMatch(/^\/v1\/tasks\/p-\d{8}T\d{6}Z-[0-9a-f]{12}\?wait=1h$/);
    expect(start?.body).toMatchObject({
      params: { env: 'prod', q: 'a=b' },
      duration: '90s',
      event: { type: 'pull_request', id: 'acme/shop#4:2' },
    });
  });

  test('leaves CMD’s arguments and environment alone', async () => {
    const { stdout } = await tasklease(
      runArgs('sh', '-c', 'printf "%s|" "$@"; echo "$HIDDEN"', 'x', '--', '--help', 'a b', ''),
      { HIDDEN: 'seen' },
    );
    expect(stdout).toBe('--|--help|a b||seen\n');
  });

  test('answers 128+n when signal n ended CMD', async () => {
    expect((await run('sh', '-c', 'kill -9 $$')).code).toBe(137);
  });

  test('keeps CMD’s exit code when the revocation is still pending, and says so', async () => {
    agent.on('DELETE /v1/tasks/*', json(202, { task: 't1', state: 'stopping' }));
    const { code, stderr } = await run('sh', '-c', 'exit 3');
    expect(code).toBe(3);
    expect(stderr).toContain('not proved yet');
  });

  test('says when a lease could not be proved revoked', async () => {
    agent.on('DELETE /v1/tasks/*', json(200, receipt('t1', 'unproved')));
    expect(await run('true')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('could not be proved'),
    });
  });
});

describe('signals', () => {
  test.each(['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGQUIT'] as const)('%s reaches CMD once', async (signal) => {
    const running = launchRun(...listener());
    await running.printed('up');
    running.child.kill(signal);
    await running.printed(`got ${signal}`);
    running.child.kill('SIGTERM');
    const { stdout, code } = await running.finished;
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual(['up', `got ${signal}`, 'got SIGTERM', '']);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s ends CMD, whose exit code counts, and the task is stopped',
    async (signal) => {
      const running = launchRun(...listener(9));
      await running.printed('up');
      running.child.kill(signal);
      expect((await running.finished).code).toBe(9);
      await agent.saw('DELETE /v1/tasks/t1');
    },
  );

  test('a signal before the task is active stops the task; CMD is not started', async () => {
    agent.on('PUT /v1/tasks/*', () => {});
    const running = launchRun('echo', 'ran');
    await agent.saw('PUT /v1/tasks/t1');
    running.child.kill('SIGTERM');
    const { code, stdout, stderr } = await running.finished;
    expect({ code, stdout }).toEqual({ code: 143, stdout: '' });
    expect(stderr).toContain('CMD was not started');
    await agent.saw('DELETE /v1/tasks/t1');
  });

  test('a signal while the proof is awaited ends the wait, not the exit code', async () => {
    agent.on('DELETE /v1/tasks/*', () => {});
    const running = launchRun('sh', '-c', 'exit 4');
    await agent.saw('DELETE /v1/tasks/t1');
    running.child.kill('SIGINT');
    expect(await running.finished).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('no longer waiting'),
    });
  });

  test('kill -9 of run leaves CMD alive', async () => {
    const file = join(agent.directory, 'alive');
    const running = launchRun('sh', '-c', `echo up; sleep 1; echo yes > ${file}`);
    await running.printed('up');
    running.child.kill('SIGKILL');
    await running.finished;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(readFileSync(file, 'utf8')).toBe('yes\n');
  });
});

describe('time', () => {
  /** From the start's answer, however long the command took to come to it. */
  const lasting = (expiresMs: number, deadlineMs: number) => {
    agent.on('PUT /v1/tasks/*', (response, seen) => {
      const task = granted('t1', { expiresMs, deadlineMs });
      agent.on('GET /v1/tasks/*', json(200, task));
      json(201, task)(response, seen);
    });
  };

  test('when the asked duration is over CMD gets SIGTERM: exit 124, whatever CMD makes of it', async () => {
    lasting(5000, 60_000);
    const { code, stdout } = await run(
      'sh',
      '-c',
      'trap "echo got SIGTERM; exit 0" TERM; while :; do sleep 0.1; done',
    );
    expect(code).toBe(124);
    expect(stdout).toContain('got SIGTERM');
    await agent.saw('DELETE /v1/tasks/t1');
  });

  test('at the deadline a CMD that ignores SIGTERM gets SIGKILL: exit 124', async () => {
    lasting(2000, 4000);
    const began = Date.now();
    const { code } = await run('sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done');
    expect(code).toBe(124);
    expect(Date.now() - began).toBeGreaterThan(3900);
  });

  test('a task that is years long does not end at once', async () => {
    lasting(3e11, 3e11);
    expect((await run('sh', '-c', 'sleep 0.3; exit 5')).code).toBe(5);
  });

  test('an extended task has its new time: the old end passes unnoticed', async () => {
    lasting(5000, 6000);
    const running = launchRun('sh', '-c', 'echo up; sleep 7; exit 5');
    await running.printed('up');
    await agent.saw('GET /v1/tasks/t1');
    const { expires_at, deadline } = granted('t1', { expiresMs: 60_000, deadlineMs: 75_000 });
    agent.emit({ seq: 1, task: 't1', type: 'deadline.moved', expires_at, deadline });
    expect(await running.finished).toMatchObject({ code: 5, stderr: '' });
  });

  test('when the new time is over CMD gets SIGTERM: exit 124', async () => {
    lasting(20_000, 30_000);
    const running = launchRun(...listener(0));
    await running.printed('up');
    await agent.saw('GET /v1/tasks/t1');
    const { expires_at, deadline } = granted('t1', { expiresMs: 300, deadlineMs: 20_000 });
    agent.emit({ seq: 1, task: 't1', type: 'deadline.moved', expires_at, deadline });
    expect(await running.finished).toMatchObject({ code: 124, stdout: 'up\ngot SIGTERM\n' });
  });

  test('when the agent says the task expired, CMD gets SIGKILL: exit 124', async () => {
    const running = launchRun(...listener());
    await running.printed('up');
    await agent.saw('GET /v1/tasks/t1/events');
    agent.emit({ seq: 1, task: 't1', type: 'grant.stopping', reason: 'expired' });
    expect((await running.finished).code).toBe(124);
  });
});

describe('the task ends before CMD does', () => {
  test.each(['lost', 'revoked', 'failed'])('%s: CMD gets SIGTERM, exit 125', async (reason) => {
    const running = launchRun(...listener(0));
    await running.printed('up');
    await agent.saw('GET /v1/tasks/t1/events');
    agent.emit({ seq: 1, task: 't1', type: 'grant.stopping', reason });
    const { code, stdout, stderr } = await running.finished;
    expect(code).toBe(125);
    expect(stdout).toContain('got SIGTERM');
    expect(stderr).toContain(`ended by the agent (${reason})`);
  });

  test('stopped by another caller: CMD gets SIGTERM and its exit code counts', async () => {
    const running = launchRun(...listener(6));
    await running.printed('up');
    await agent.saw('GET /v1/tasks/t1/events');
    agent.emit({ seq: 1, task: 't1', type: 'grant.stopping', reason: 'completed' });
    expect(await running.finished).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('stopped by another caller'),
    });
  });

  test('a stop between start and watch is not missed', async () => {
    agent.on('GET /v1/tasks/*', json(200, { task: 't1', state: 'closed', outcome: 'revoked' }));
    expect((await run(...listener(0))).code).toBe(125);
  });
});
