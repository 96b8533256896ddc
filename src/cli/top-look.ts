// Owns one look at the agent for `tasklease top`: its tasks, its health and its own numbers. Invariant: three reads and
// no more; what this socket does not tell is unknown, not zero.

import type { Client } from './client.ts';
import { expectOk } from './client.ts';
import { reasons } from './health.ts';
import { fieldsOf } from './show.ts';
import { rowsOf, type Seen } from './top-frame.ts';

const TIMEOUT_MS = 5000;

/** @throws AgentUnreachable, Refused */
export async function look(client: Client, everybody: boolean): Promise<Seen> {
  const ask = (path: string) => client.request('GET', path, { timeoutMs: TIMEOUT_MS });
  const [tasks, health, metrics] = await Promise.all([
    ask('/v1/tasks'),
    ask('/v1/health?ready'),
    ask('/v1/metrics'),
  ]);
  const number = (name: string): number | null => {
    const found = new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics.status === 200 ? metrics.text : '');
    return found === null ? null : Number(found[1]);
  };
  return {
    tasks: rowsOf(expectOk(tasks).body),
    ready: fieldsOf(health.body).ready === true,
    reasons: reasons(health.body).map((line) => line.trim()),
    everybody,
    sessionSeconds: number('tasklease_session_ttl_seconds'),
    leases: number('tasklease_leases'),
    withoutTask: number('tasklease_leases_without_task'),
    pending: number('tasklease_revocations_pending'),
    oldestSeconds: number('tasklease_revocation_oldest_age_seconds'),
    at: Date.now(),
  };
}
