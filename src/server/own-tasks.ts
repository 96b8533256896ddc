// Owns the tasks that the configuration lists: started as the agent itself when it opens.

import type { TaskId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import type { Caller } from '../domain/task-spec.ts';
import type { Agent } from '../engine/agent.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import { startSignal } from './task-routes.ts';

const RETRY_MS = 2000;

/** Tasks of the configuration: started as the agent itself, again and again until they are. */
export async function startOwnTasks(
  agent: Agent,
  tasks: readonly Readonly<Record<string, unknown>>[],
  { log }: Telemetry,
): Promise<void> {
  const self: Caller = {
    uid: process.geteuid!(),
    gid: process.getegid!(),
    groups: [],
    pid: process.pid,
    admin: true,
  };
  // A child waits for its parent where that stands before it in the list.
  const started = new Map<unknown, Promise<void>>();
  for (const { id, ...body } of tasks) {
    const parent = started.get(body.parent) ?? Promise.resolve();
    started.set(
      id,
      parent.then(() => startOne(id as TaskId, body)),
    );
  }
  await Promise.all(started.values());

  async function startOne(id: TaskId, body: Readonly<Record<string, unknown>>): Promise<void> {
    const { signal, digest } = startSignal(body);
    for (;;) {
      try {
        const { view } = await agent.start(id, signal, digest, self, true);
        if (view.state !== 'pending_approval') return;
        log('warn', 'a task of the configuration waits for approval', { task: id });
        return;
      } catch (error) {
        const problem = Problem.of(error);
        log('error', 'a task of the configuration did not start', {
          task: id,
          code: problem.code,
          detail: problem.message,
        });
        if (!problem.retryable || problem.code === 'DRAINING') return;
        await new Promise((resolve) => setTimeout(resolve, problem.retryAfterMs ?? RETRY_MS).unref());
      }
    }
  }
}
