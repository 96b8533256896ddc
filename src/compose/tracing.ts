// Owns what a task's span is called by in the whole world: ids that an agent which takes the task over finds again.

import type { Grant } from '../domain/grant.ts';
import type { GrantId, TaskId } from '../domain/ids.ts';
import type { TraceIds } from '../domain/trace.ts';
import { FactTracer } from '../engine/fact-tracer.ts';
import type { Tracer } from '../ports/tracing.ts';
import { sha256 } from './sha256.ts';

export const tasksTracer = (
  tracer: Tracer,
  living: (task: TaskId) => Grant | undefined,
  agentId: () => string,
): FactTracer => new FactTracer({ tracer, living, idsOf: (id) => spanIds(agentId(), id) });

/** One journal is one agent's, so no other agent has a grant of that name under that id. */
function spanIds(agent: string, grant: GrantId): TraceIds {
  const digest = sha256(`tasklease span\n${agent}\n${grant}`);
  return { traceId: digest.slice(0, 32), spanId: digest.slice(32, 48) };
}
