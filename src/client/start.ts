// Owns the start of a task. Invariant: a start that is not answered to the caller, because it was called off, because
// its answer was lost or because it failed, leaves no task behind: the agent is told to stop it until it has heard.

import { randomBytes } from 'node:crypto';
import { TaskleaseError } from './error.ts';
import { type Lines, passes, pause, WINDOW_MS } from './facts.ts';
import { AgentUnreachable, type Answer, ask, refusal, send } from './http.ts';
import { stopUntilHeard } from './stop.ts';
import type { Granted } from './task.ts';
import type { StartOptions, TaskEvent, TaskStatus } from './types.ts';

const TASK_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

type Body = Readonly<Record<string, unknown>>;
type Headers = Readonly<Record<string, string>>;

export class Starter {
  readonly #socket: string;
  /** The agent is in another pid namespace, as every sidecar is. */
  #pidsMeanNothing = false;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** @throws TaskleaseError, or the signal's reason */
  async start(options: StartOptions): Promise<Granted> {
    const { signal, task = makeTaskId(options.profile) } = options;
    if (!TASK_ID.test(task)) {
      throw new TaskleaseError('SIGNAL_INVALID', `"${task}" is not a task id`, {
        hint: 'give a letter or digit, then up to 127 letters, digits, dots, underscores or hyphens',
      });
    }
    signal?.throwIfAborted();
    const granted = this.#bound(task, options);
    if (signal === undefined) return granted;
    const aborted = Promise.withResolvers<never>();
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await Promise.race([granted, aborted.promise]);
    } catch (error) {
      if (signal.aborted) void this.#callOff(task, granted);
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** The request itself is not cut off: the agent may have it, and then its answer says what there is to stop. */
  async #callOff(task: string, granted: Promise<Granted>): Promise<void> {
    void stopUntilHeard(this.#socket, task);
    const { held } = await granted.catch(() => ({ held: undefined }));
    await stopUntilHeard(this.#socket, task);
    held?.stream.close();
  }

  async #bound(task: string, options: StartOptions): Promise<Granted> {
    const { bind, signal } = options;
    const body = bodyOf(options);
    const headers = traceOf(options);
    if (bind === undefined && !this.#pidsMeanNothing) {
      try {
        return await this.#put(task, { ...body, bind: { pid: process.pid } }, headers, signal);
      } catch (error) {
        if (!refusesPid(error)) throw error;
        this.#pidsMeanNothing = true;
      }
    }
    const bound = bind === null ? {} : { bind: bind ?? { connection: true } };
    return this.#put(task, { ...body, ...bound }, headers, signal);
  }

  /** Repeats a start whose answer was lost: the same body answers the same grant, also after the agent's restart. */
  async #put(task: string, body: Body, headers: Headers, signal: AbortSignal | undefined): Promise<Granted> {
    for (let lostAt: number | undefined; ; ) {
      try {
        return await this.#once(task, body, headers, signal);
      } catch (error) {
        if (error instanceof AgentUnreachable && error.heard) lostAt ??= performance.now();
        if (lostAt === undefined) throw error;
        const late = performance.now() - lostAt > WINDOW_MS;
        if (late || signal?.aborted === true || !passes(error)) {
          void stopUntilHeard(this.#socket, task);
          throw error;
        }
        await pause();
      }
    }
  }

  async #once(task: string, body: Body, headers: Headers, signal: AbortSignal | undefined): Promise<Granted> {
    const path = `/v1/tasks/${task}`;
    if (!holds(body)) {
      // Where it needs approval, until somebody has given it; that it is not wanted any more is told by a stop.
      for (;;) {
        const patient = `${path}?wait=1h`;
        const reply = await ask<TaskStatus>(this.#socket, 'PUT', patient, { body, headers, idle: signal });
        if (reply.status !== 202) return { status: this.#living(reply.body) };
        await pause(signal);
      }
    }
    const answer = await send(this.#socket, 'PUT', path, { body, headers, idle: signal });
    const first = await firstLine(this.#socket, answer);
    const status = this.#living(answer.status === 202 ? await this.#approved(path, answer) : first);
    answer.idle();
    return { status, held: { stream: answer, again: (leftMs) => this.#holdAgain(path, body, leftMs) } };
  }

  /** Reads on until the start that this stream holds is approved and done. @throws TaskleaseError */
  async #approved(path: string, { lines }: Answer): Promise<TaskStatus> {
    let why: unknown;
    for (;;) {
      const { value, done } = await lines.next();
      if (done === true) throw new AgentUnreachable(this.#socket, undefined);
      const fact = JSON.parse(value) as TaskEvent;
      if (fact.type === 'grant.refused') why = fact;
      if (fact.type === 'delivery.published') return (await ask<TaskStatus>(this.#socket, 'GET', path)).body;
      if (fact.type !== 'grant.closed') continue;
      throw refusal(403, JSON.stringify(why ?? { code: 'TASK_SPENT', detail: 'it was stopped meanwhile' }));
    }
  }

  /** @throws TaskleaseError for a start that was answered with a task that has no files, and stops that one */
  #living(status: TaskStatus): TaskStatus {
    if (works(status)) return status;
    void stopUntilHeard(this.#socket, status.task);
    throw new TaskleaseError('NOT_READY', `task ${status.task} is ${status.state} and has no files`, {
      hint: 'start it again when the reason has passed',
      retryable: true,
    });
  }

  /** The very same start again holds the task again; one that would be made anew is not the caller's. */
  async #holdAgain(path: string, body: Body, timeoutMs: number): Promise<Lines> {
    const answer = await send(this.#socket, 'PUT', path, { body, timeoutMs, idle: true });
    const status = await firstLine(this.#socket, answer);
    if (answer.status === 200 && works(status)) return answer;
    answer.close();
    throw new TaskleaseError('TASK_UNKNOWN', `the agent does not have task ${status.task} any more`);
  }
}

const holds = (body: Body): boolean => Object(body.bind).connection === true;

/** The start answer of a stream that stays open. @throws TaskleaseError */
async function firstLine(socket: string, answer: Answer): Promise<TaskStatus> {
  if (answer.status >= 300) throw refusal(answer.status, await answer.text());
  const { value, done } = await answer.lines.next();
  if (done === true) throw new AgentUnreachable(socket, undefined);
  return JSON.parse(value) as TaskStatus;
}

const works = ({ state, dir }: TaskStatus): boolean =>
  (state === 'active' || state === 'degraded') && dir !== null;

/** Whether it is our process id that the agent does not take. Nothing was started then. */
const refusesPid = (error: unknown): boolean =>
  error instanceof TaskleaseError &&
  [400, 401, 403].includes(error.status ?? 0) &&
  // An approver's reason may speak of anything.
  error.code !== 'APPROVAL_DENIED' &&
  /\bpid\b/i.test(`${error.detail} ${error.hint}`);

/** Only what the caller asked for is sent. */
function bodyOf({ profile, params, event, duration, deadline, parent, assertion }: StartOptions): Body {
  const asked = {
    profile,
    params,
    event: event && { type: event.type, id: event.id },
    duration,
    deadline: deadline instanceof Date ? deadline.toISOString() : deadline,
    parent,
    assertion,
  };
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
}

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** What is not valid would be ignored by the agent, and what HTTP cannot carry would fail the start. */
function traceOf({ traceparent, tracestate }: StartOptions): Headers {
  if (typeof traceparent !== 'string' || !TRACEPARENT.test(traceparent)) return {};
  const state = typeof tracestate === 'string' && /^[\x20-\x7e]{1,512}$/.test(tracestate);
  return { traceparent, ...(state ? { tracestate } : {}) };
}

/** `<profile>-<UTC time>-<48 random bits>`: unique, sortable, and a task id whatever the profile is called. */
function makeTaskId(profile: string): string {
  const name = String(profile)
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 96);
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  return `${name || 'task'}-${time}-${randomBytes(6).toString('hex')}`;
}
