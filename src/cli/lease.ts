// Owns the two ends of a task that `run` holds: the bound start, and the stop that waits for the proof.
// Invariant: a task started here is always bound, so that our own end, kill -9 included, ends it.

import { setTimeout as sleep } from 'node:timers/promises';
import { startApproved, Teller, untilPublished } from './approval-wait.ts';
import { type Client, expectOk, isStream, parseJson, type Reply, type Stream, taskPath } from './client.ts';
import { AgentUnreachable, Refused } from './failure.ts';
import { fieldsOf, textOf } from './show.ts';
import type { Start, StartBody } from './start-body.ts';

/** Between the loss of a connection and the attempt to hold its task again. */
const PAUSE_MS = 200;

/** The start answer, as far as `run` needs it. Instants are RFC 3339. */
export interface Granted {
  readonly state: string;
  readonly dir: string;
  /** The generation that brought what the files show; 0 where the agent does not say. */
  readonly filesSince: number;
  readonly expiresAt: string;
  readonly deadline: string;
  /** Where the task is bound to the connection: the stream that holds it, and the body that asked for it. */
  readonly held?: { readonly stream: Stream; readonly body: StartBody };
}

/**
 * Starts the task bound to process `pid`; where the agent cannot see that process (another pid namespace:
 * a sidecar), bound to the connection.
 * Waits for the approval that its profile may need.
 * @param signal when it is not wanted any more
 * @throws Refused, AgentUnreachable
 */
export async function startBound(
  client: Client,
  start: Start,
  pid: number,
  signal?: AbortSignal,
): Promise<Granted> {
  const reply = await startApproved(client, start.task, { ...start.body, bind: { pid } }, signal);
  return refusesPid(reply)
    ? startHeld(client, start.task, start.body, signal)
    : granted(expectOk(reply).body);
}

/** Whether it is the pid that the agent does not take. Anything else is refused for good, and only once. */
function refusesPid(reply: Reply): boolean {
  if (![400, 401, 403].includes(reply.status)) return false;
  const { code, detail, hint } = new Refused(reply.status, reply.text, reply.body).problem;
  // An approver's reason may speak of anything.
  return code !== 'APPROVAL_DENIED' && /\bpid\b/i.test(`${detail} ${hint ?? ''}`);
}

async function startHeld(
  client: Client,
  task: string,
  start: StartBody,
  signal?: AbortSignal,
): Promise<Granted> {
  const body = { ...start, bind: { connection: true } };
  const stream = await client.stream('PUT', taskPath(task), { body });
  if (!isStream(stream)) return granted(expectOk(stream).body);
  const first = await readHeld(client, stream);
  if (first.status >= 300) {
    stream.close();
    throw new Refused(first.status, first.text, first.body);
  }
  const active = first.status === 202 ? await approved(client, task, stream, first) : first;
  if (active !== null) return { ...granted(active.body), held: { stream, body } };
  // The agent went away; the next one keeps the request for a while.
  await sleep(PAUSE_MS, undefined, { signal });
  return startHeld(client, task, start, signal);
}

function approved(client: Client, task: string, stream: Stream, first: Reply): Promise<Reply | null> {
  new Teller(task).tell(first.body);
  return untilPublished(client, task, stream);
}

/** The start answer of a stream that stays open: its first line. @throws AgentUnreachable when there is none */
export async function readHeld(client: Client, stream: Stream): Promise<Reply> {
  const first = await stream.lines.next();
  if (first.done === true) throw new AgentUnreachable(client.socketPath, 'ECONNRESET');
  return { status: stream.status, text: first.value, body: parseJson(first.value) };
}

function granted(body: unknown): Granted {
  const fields = fieldsOf(body);
  const deadline = textOf(fields.deadline);
  return {
    state: textOf(fields.state),
    dir: textOf(fields.dir),
    filesSince: filesSinceOf(fields),
    expiresAt: textOf(fields.expires_at) || deadline,
    deadline,
  };
}

export const filesSinceOf = ({ files_since: since }: Readonly<Record<string, unknown>>): number =>
  typeof since === 'number' ? since : 0;

/** Stops the task and waits for the proof, up to `waitMs`. @throws AgentUnreachable */
export const stopTask = (client: Client, task: string, waitMs: number): Promise<Reply> =>
  client.request('DELETE', taskPath(task, `?wait=${Math.ceil(waitMs / 1000)}s`), {
    timeoutMs: waitMs + 5_000,
  });
