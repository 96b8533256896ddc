// Owns the agent's signs of life to the service manager. Invariant: READY=1 once callers are let in, whatever Vault
// does; a sign of life only from an event loop that turns and a journal that does not hang, so that what a restart
// can cure is restarted, and nothing else.

import type { ServiceManager } from '../adapters/system/notify.ts';
import type { Agent } from '../engine/agent.ts';
import type { Vitals } from '../engine/vitals.ts';

/** Where nobody asks for signs of life the status is told this often. */
const STATUS_EVERY_MS = 10_000;

export interface Supervision {
  stopping(): void;
  close(): void;
}

export function superviseBy(manager: ServiceManager | null, agent: Agent, vitals: Vitals): Supervision {
  if (manager === null) return { stopping: () => {}, close: () => {} };
  const beat =
    manager.watchdogMs === null ? STATUS_EVERY_MS : Math.min(STATUS_EVERY_MS, manager.watchdogMs / 3);
  let said = '';
  const status = (): string[] => {
    const text = statusOf(agent, vitals);
    if (text === said) return [];
    said = text;
    return [`STATUS=${text}`];
  };
  const look = (...first: string[]): void => {
    const alive = manager.watchdogMs !== null && vitals.stuck() === null ? ['WATCHDOG=1'] : [];
    const lines = [...first, ...alive, ...status()];
    if (lines.length > 0) manager.tell(...lines);
  };
  look('READY=1');
  const timer = setInterval(look, beat);
  timer.unref();
  return {
    stopping() {
      manager.tell('STOPPING=1', 'STATUS=stopping: revoking what is leased');
      said = '';
    },
    close() {
      clearInterval(timer);
      manager.close();
    },
  };
}

/** One line for `systemctl status`. */
function statusOf(agent: Agent, vitals: Vitals): string {
  const { grants } = agent.snapshot();
  const stopping = grants.filter(({ state }) => state === 'stopping').length;
  const tasks = `${grants.length} ${grants.length === 1 ? 'task' : 'tasks'}${stopping === 0 ? '' : `, ${stopping} stopping`}`;
  const [problem] = [vitals.stuck(), ...agent.notReady()].filter((each) => each !== null);
  return problem === undefined
    ? `ready, ${tasks}`
    : `not ready (${problem.code}): ${problem.message}; ${tasks}`;
}
