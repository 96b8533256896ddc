// `tasklease run --restart-on-change`, against a stand-in: one restart for one change, and when there is none.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Child, Ended } from '../../../src/cli/child.ts';
import { LEAST_GRACE_MS, Restarts } from '../../../src/cli/restarts.ts';
import { launch, node, type Running } from './command-line.ts';
import { granted, json } from './fake-agent.ts';
import { agent } from './with-agent.ts';

/** A CMD that counts its starts in its output, says which signals it gets, and ends with 7 after SIGTERM. */
const COUNTER = [
  node,
  '-e',
  `for (const s of ['SIGTERM','SIGHUP','SIGINT']) process.on(s, () => { console.log('got', s); if (s === 'SIGTERM') setTimeout(() => process.exit(7), 100); });
   setInterval(() => {}, 1000); console.log('up', process.pid, process.argv[1], process.env.TASKLEASE_TASK);`,
  'word',
];

function restarting(...cmd: readonly string[]): Running {
  const args = ['--socket', agent.socket, '--profile', 'report-read', '--task', 't1', '--restart-on-change'];
  return launch(['run', ...args, '--', ...cmd]);
}

const published = (generation: number, changed?: boolean) => ({
  type: 'delivery.published',
  generation,
  files: ['db.env'],
  ...(changed === undefined ? {} : { changed }),
});
const ups = (text: string): string[] => text.split('\n').filter((line) => line.startsWith('up'));

async function untilUps(running: Running, count: number): Promise<void> {
  await vi.waitFor(() => expect(ups(running.stdout())).toHaveLength(count), { timeout: 20_000 });
}

describe('run --restart-on-change', () => {
  test('a change restarts CMD once, with its arguments and environment, however often it is told', async () => {
    const running = restarting(...COUNTER);
    await untilUps(running, 1);
    await agent.saw('GET /v1/tasks/t1/events');
    await agent.saw('GET /v1/tasks/t1');
    for (const fact of [published(2, true), published(2, true), published(3, false)]) agent.emit(fact);
    await untilUps(running, 2);
    agent.emit(published(4));
    await untilUps(running, 3);
    running.child.kill('SIGHUP');
    await running.printed('got SIGHUP');
    running.child.kill('SIGTERM');
    const { code, stdout, stderr } = await running.finished;
    expect(code).toBe(7);
    const started = ups(stdout).map((line) => line.split(' '));
    expect(started.map(([, , word, task]) => [word, task])).toEqual(Array(3).fill(['word', 't1']));
    expect(new Set(started.map(([, pid]) => pid)).size).toBe(3);
    expect(stderr.split('\n').filter((line) => line.includes('is started again'))).toHaveLength(2);
    expect(agent.seen.filter(({ method }) => method === 'PUT')).toHaveLength(1);
    expect(agent.seen.filter(({ method }) => method === 'DELETE')).toHaveLength(1);
  });

  test('a change while nobody listened is seen when the stream is open again', async () => {
    const running = restarting(...COUNTER);
    await untilUps(running, 1);
    await agent.saw('GET /v1/tasks/t1/events');
    await agent.crash();
    agent.on('GET /v1/tasks/*', json(200, { ...granted('t1'), generation: 3, files_since: 2 }));
    await agent.restart();
    await untilUps(running, 2);
    running.child.kill('SIGTERM');
    expect((await running.finished).code).toBe(7);
  });

  test('a CMD that ends by itself ends the run, and one that was asked to end is not started again', async () => {
    const own = restarting('sh', '-c', 'echo up; exit 5');
    expect(await own.finished).toMatchObject({ code: 5, stdout: 'up\n', stderr: '' });
    const asked = restarting(
      'sh',
      '-c',
      'trap "sleep 1; exit 6" TERM; echo up; while :; do sleep 0.05; done',
    );
    await untilUps(asked, 1);
    asked.child.kill('SIGTERM');
    agent.emit(published(2, true));
    expect(await asked.finished).toMatchObject({ code: 6, stdout: 'up\n' });
  });

  test('without the option a change is no reason to do anything', async () => {
    const args = ['--socket', agent.socket, '--profile', 'report-read', '--task', 't1', '--'];
    const running = launch(['run', ...args, ...COUNTER]);
    await untilUps(running, 1);
    await agent.saw('GET /v1/tasks/t1');
    agent.emit(published(2, true));
    running.child.kill('SIGHUP');
    await running.printed('got SIGHUP');
    running.child.kill('SIGTERM');
    const { code, stdout } = await running.finished;
    expect({ code, ups: ups(stdout).length }).toEqual({ code: 7, ups: 1 });
  });

  test('the option takes no value: a forgotten -- is corrected where CMD begins', async () => {
    const running = launch(['run', '--profile', 'p', '--restart-on-change', 'true']);
    const { code, stderr } = await running.finished;
    expect(code).toBe(125);
    expect(stderr).toContain('tasklease run --profile p --restart-on-change -- true');
  });
});

/** Children that do what a test says. */
class Stage {
  readonly children: { readonly log: string[]; end: (ended: Ended) => void; over: boolean }[] = [];

  readonly spawn = (): Child => {
    const { promise, resolve } = Promise.withResolvers<Ended>();
    const child = { log: [] as string[], end: resolve, over: false };
    this.children.push(child);
    return {
      ended: promise,
      kill: (signal) => void child.log.push(signal),
      isOver: () => child.over,
      terminate: () => void child.log.push('SIGTERM'),
    };
  };
}

describe('restarts, step by step', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const open = (graceMs = 0) => {
    const stage = new Stage();
    const restarts = new Restarts({
      spawn: stage.spawn,
      onChange: true,
      filesSince: 1,
      graceMs: () => graceMs,
      tell: () => undefined,
    });
    return { stage, restarts, ended: restarts.ended() };
  };
  const settle = () => vi.advanceTimersByTimeAsync(0);

  test.each([
    [0, LEAST_GRACE_MS],
    [60_000, 60_000],
  ])('grace %i ms: SIGKILL %i ms after SIGTERM, and never to the next child', async (grace, killedAfter) => {
    const { stage, restarts } = open(grace);
    restarts.changed(2);
    await vi.advanceTimersByTimeAsync(killedAfter - 1);
    expect(stage.children[0]!.log).toEqual(['SIGTERM']);
    await vi.advanceTimersByTimeAsync(1);
    expect(stage.children[0]!.log).toEqual(['SIGTERM', 'SIGKILL']);
    stage.children[0]!.end({ exitCode: 137 });
    await vi.advanceTimersByTimeAsync(10 * killedAfter);
    expect(stage.children[1]!.log).toEqual([]);
  });

  test('what changes during a restart is found by the next child; what changes after it is one more', async () => {
    const { stage, restarts } = open();
    restarts.changed(2);
    restarts.changed(3);
    stage.children[0]!.end({ exitCode: 0 });
    await settle();
    restarts.changed(3);
    expect(stage.children.map(({ log }) => log)).toEqual([['SIGTERM'], []]);
    restarts.changed(4);
    stage.children[1]!.end({ exitCode: 0 });
    await settle();
    expect(stage.children).toHaveLength(3);
  });

  test('a child that has ended, which nobody has heard of yet, is not started again', async () => {
    const { stage, restarts, ended } = open();
    stage.children[0]!.over = true;
    restarts.changed(2);
    stage.children[0]!.end({ exitCode: 3 });
    expect(await ended).toEqual({ exitCode: 3 });
    expect(stage.children).toHaveLength(1);
  });

  test.each(['SIGTERM', 'SIGQUIT', 'SIGINT'] as const)('%s during a restart ends the run', async (signal) => {
    const { stage, restarts, ended } = open();
    restarts.changed(2);
    restarts.forwarded(signal);
    restarts.changed(3);
    stage.children[0]!.end({ exitCode: 3 });
    expect(await ended).toEqual({ exitCode: 3 });
    expect(stage.children).toHaveLength(1);
  });

  test('SIGHUP and SIGINT of before do not keep CMD from being restarted', async () => {
    const { stage, restarts } = open();
    restarts.forwarded('SIGHUP');
    restarts.forwarded('SIGINT');
    restarts.changed(2);
    restarts.forwarded('SIGHUP');
    stage.children[0]!.end({ exitCode: 0 });
    await settle();
    expect(stage.children).toHaveLength(2);
  });

  test('the end of the task during a restart is the end: its child is not started again', async () => {
    const { stage, restarts, ended } = open();
    restarts.changed(2);
    restarts.terminate();
    stage.children[0]!.end({ exitCode: 4 });
    expect(await ended).toEqual({ exitCode: 4 });
    expect(stage.children).toHaveLength(1);
  });
});
