// Owns what an operator sees of the engine from outside: facts as log lines and numbers, profiles as they are read.
// Invariant: a line about a task names the task and its business event.

import { eventText } from '../domain/task-spec.ts';
import type { Meter } from '../ports/metrics.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import type { Agent } from './agent.ts';
import { FactMeter } from './fact-meter.ts';
import type { FactTracer } from './fact-tracer.ts';

const WORTH_A_LINE = new Set([
  'grant.accepted',
  'approval.requested',
  'approval.given',
  'approval.denied',
  'grant.approved',
  'grant.stopping',
  'grant.refused',
  'erasure.failed',
  'revocation.failed',
  'renewal.failed',
  'grant.closed',
]);

/** Facts are log lines and metrics too, and spans where somebody takes them. */
export function observe(
  agent: Agent,
  { log, writes }: Telemetry,
  meter: Meter,
  tracer: FactTracer | null = null,
): void {
  const numbers = new FactMeter(meter);
  agent.facts.listen((told, owner) => {
    numbers.tell(told.entry);
    tracer?.tell(told.task, told.entry);
    const { type } = told;
    const level = type.endsWith('.failed') ? 'warn' : WORTH_A_LINE.has(type) ? 'info' : 'debug';
    if (!writes(level)) return;
    const { at: _at, type: _type, ...fields } = told.fact;
    log(level, type, { ...fields, event: eventText(told.event), uid: owner });
  });
}

/** Profiles as they are read from disk, told to the agent and to the log. */
export function profileSink(agent: Agent, { log, count }: Telemetry) {
  return {
    put: (profile: Parameters<Agent['profiles']['put']>[0]) => {
      agent.profiles.put(profile);
      log('info', 'profile loaded', { profile: profile.name });
    },
    fault: (name: string, sentence: string) => {
      agent.profiles.fault(name, sentence);
      count('tasklease_profile_reload_failures_total');
      const stays = agent.profiles.names().includes(name) ? '; the last good version stays' : '';
      log('error', `profile not loaded${stays}`, { profile: name, fault: sentence });
    },
    clear: (name: string) => {
      agent.profiles.clear(name);
      log('info', 'right again', { file: name });
    },
    remove: (name: string) => {
      agent.profiles.remove(name);
      log('info', 'profile removed', { profile: name });
    },
  };
}
