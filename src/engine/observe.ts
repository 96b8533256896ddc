// Owns what an operator sees of the engine from outside: facts as log lines and counters, gauges.

import type { Telemetry } from '../ports/telemetry.ts';
import type { Agent } from './agent.ts';

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

/** Facts are log lines and metrics too. */
export function observe(agent: Agent, { log, count, writes }: Telemetry): void {
  agent.facts.listen((told, owner) => {
    const { type } = told;
    count('tasklease_facts_total', { type });
    if (type === 'grant.closed')
      count('tasklease_tasks_closed_total', { outcome: String(told.fact.outcome) });
    const level = type.endsWith('.failed') ? 'warn' : WORTH_A_LINE.has(type) ? 'info' : 'debug';
    if (!writes(level)) return;
    const { at: _at, ...fields } = told.fact;
    log(level, type, { ...fields, uid: owner });
  });
}

/** Profiles as they are read from disk, told to the agent and to the log. */
export function profileSink(agent: Agent, { log }: Telemetry) {
  return {
    put: (profile: Parameters<Agent['profiles']['put']>[0]) => {
      agent.profiles.put(profile);
      log('info', 'profile loaded', { profile: profile.name });
    },
    fault: (name: string, sentence: string) => {
      agent.profiles.fault(name, sentence);
      const stays = agent.profiles.names().includes(name) ? '; the last good version stays' : '';
      log('error', `profile not loaded${stays}`, { profile: name, fault: sentence });
    },
    remove: (name: string) => {
      agent.profiles.remove(name);
      log('info', 'profile removed', { profile: name });
    },
  };
}

/** What is so now, for the metrics. */
export function gauges(agent: Agent) {
  const { states, sessionTtlMs } = agent.gauges();
  return {
    tasklease_tasks: Object.entries(states).map(([state, value]) => ({ labels: { state }, value })),
    tasklease_ready: [{ value: agent.notReady().length === 0 ? 1 : 0 }],
    tasklease_session_ttl_seconds: [{ value: sessionTtlMs === null ? 0 : sessionTtlMs / 1000 }],
    tasklease_profiles: [{ value: agent.profiles.names().length }],
    tasklease_profile_faults: [{ value: agent.profiles.faults().length }],
  };
}
