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
  await Promise.all(
    tasks.map(async ({ id, ...body }) => {
      const { signal, digest } = startSignal(body);
      for (;;) {
        try {
          await agent.start(id as TaskId, signal, digest, self, true);
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
    }),
  );
}
