// Tasks of the configuration: each started as the agent itself until it is, a child after its parent.

import { describe, expect, test } from 'vitest';
import { Problem } from '../../../src/domain/problem.ts';
import type { Agent } from '../../../src/engine/agent.ts';
import type { Telemetry } from '../../../src/ports/telemetry.ts';
import { startOwnTasks } from '../../../src/server/own-tasks.ts';

/** Runs them against an engine that answers each start by `answer`; the starts and log lines in order. */
const run = async (
  tasks: Record<string, unknown>[],
  answer: (task: string, n: number) => void = () => {},
  waits = false,
) => {
  const said: string[] = [];
  const tries = new Map<string, number>();
  const start = async (task: string, _signal: unknown, _digest: string, caller: unknown, again: boolean) => {
    expect(caller).toMatchObject({ admin: true, pid: process.pid });
    expect(again).toBe(true);
    const n = (tries.get(task) ?? 0) + 1;
    tries.set(task, n);
    said.push(`asks for ${task}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
    answer(task, n);
    said.push(`has ${task}`);
    return { view: { state: waits ? 'pending_approval' : 'active' } };
  };
  const log = (_level: string, _message: string, fields: { task: string; code: string }) =>
    said.push(`${fields.task} ${fields.code}`);
  await startOwnTasks({ start } as unknown as Agent, tasks, { log } as unknown as Telemetry);
  return said;
};
const own = (id: string, more: Record<string, unknown> = {}) => ({ id, profile: 'p', ...more });

describe('tasks of the configuration', () => {
  test('are started side by side', async () => {
    expect(await run([own('a'), own('b')])).toEqual(['asks for a', 'asks for b', 'has a', 'has b']);
  });

  test('a child waits for its parent, and its child for that', async () => {
    const tasks = [own('a'), own('b', { parent: 'a' }), own('c', { parent: 'b' })];
    expect(await run(tasks)).toEqual(['a', 'b', 'c'].flatMap((task) => [`asks for ${task}`, `has ${task}`]));
  });

  test('are tried again while the failure may pass', async () => {
    const said = await run([own('a')], (_task, n) => {
      if (n < 3) throw new Problem('VAULT_SEALED', 'sealed', { retryAfterMs: 1 });
    });
    expect(said).toEqual([
      ...['asks for a', 'a VAULT_SEALED', 'asks for a', 'a VAULT_SEALED'],
      ...['asks for a', 'has a'],
    ]);
  });

  test('are told of where they wait for approval, and not asked for again', async () => {
    expect(await run([own('a')], () => {}, true)).toEqual(['asks for a', 'has a', 'a undefined']);
  });

  test.each(['PROFILE_UNKNOWN', 'DRAINING'] as const)('are given up on %s, and told', async (code) => {
    const said = await run([own('a')], () => {
      throw new Problem(code, 'no');
    });
    expect(said).toEqual(['asks for a', `a ${code}`]);
  });
});
