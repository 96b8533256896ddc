// Owns the calls that answer with a stream of facts (README, API).

import { Problem } from '../domain/problem.ts';
import type { Agent } from '../engine/agent.ts';
import { answer, type Exchange } from './exchange.ts';
import { closedLine, Holding } from './holding.ts';
import { streamFacts } from './streams.ts';
import { taskIdOf } from './task-routes.ts';

export async function taskEvents(agent: Agent, exchange: Exchange): Promise<void> {
  const { response, caller, query } = exchange;
  const task = taskIdOf(exchange.segments[1]!);
  const hold = holds(query);
  const now = agent.get(task, caller);
  if (now.state === 'closed') {
    return answer(response, 200, closedLine(task, now), 'application/x-ndjson');
  }
  if (!hold || now.state === 'stopping') {
    return streamFacts(response, agent.facts, caller, { status: 200, task });
  }
  using holding = new Holding(agent, exchange, task, 'the holding connection was closed');
  await holding.begin({ status: 200, fresh: false, tellTask: false });
}

export async function allEvents(agent: Agent, exchange: Exchange): Promise<void> {
  streamFacts(exchange.response, agent.facts, exchange.caller, { status: 200, task: null });
}

/** Anything else would let a caller believe that it holds the task. @throws Problem SIGNAL_INVALID */
function holds(query: URLSearchParams): boolean {
  const hold = query.get('hold') ?? 'false';
  if (hold === 'true' || hold === 'false') return hold === 'true';
  throw new Problem('SIGNAL_INVALID', 'hold is neither true nor false', { hint: 'give hold=true' });
}
