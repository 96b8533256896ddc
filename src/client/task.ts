// Owns one started task on the client's side. Invariants: a scope that is left has told the agent to stop, and goes
// on telling it in the background where the agent did not hear; the task's signal aborts once, when the task is over.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TaskleaseError } from './error.ts';
import { follow, type Lines, pause, WINDOW_MS } from './facts.ts';
import { AgentUnreachable, ask, type Request, refusal, send } from './http.ts';
import { stopUntilHeard, stopUntilProved } from './stop.ts';
import type { CallOptions, Outcome, Receipt, Task, TaskEvent, TaskStatus } from './types.ts';

/** How long leaving a scope waits for the proof, and a stop for an agent that is being restarted. */
const PROOF_MS = 30_000;
/** An agent that is away is found out first. */
const SLACK_MS = 1_000;

/** What a start was answered. */
export interface Granted {
  readonly status: TaskStatus;
  /** Where the task is bound to the connection: the open stream, and how to open it again. */
  readonly held?: { readonly stream: Lines; readonly again: (leftMs: number) => Promise<Lines> };
}

export class LeasedTask implements Task {
  readonly id: string;
  readonly profile: string;
  readonly dir: string;
  readonly #socket: string;
  readonly #proofMs: number;
  readonly #over = new AbortController();
  readonly #released = new AbortController();
  #deadline: Date;
  #watched = false;
  #receipt: Receipt | undefined;
  /** An earlier stop has waited for the agent in vain. */
  #unheard = false;

  constructor(socket: string, { status, held }: Granted, proofMs = PROOF_MS) {
    this.#socket = socket;
    this.#proofMs = proofMs;
    this.id = status.task;
    this.profile = status.profile;
    this.dir = status.dir ?? '';
    this.#deadline = new Date(status.deadline);
    if (held === undefined) return;
    this.#watched = true;
    void this.#watch({ first: held.stream, open: held.again, windowMs: WINDOW_MS });
  }

  get deadline(): Date {
    return this.#deadline;
  }

  get signal(): AbortSignal {
    if (!this.#watched) {
      this.#watched = true;
      // Bound to the process or to nothing, it goes on while the agent is away, but not past its deadline.
      void this.#watch({ open: (leftMs) => this.#look(leftMs), windowMs: Number.POSITIVE_INFINITY });
    }
    return this.#over.signal;
  }

  path(file: string): string {
    if (!/^[^/\0]+$/.test(file) || file === '.' || file === '..') {
      throw new TaskleaseError('FILE_UNKNOWN', `"${file}" is not the name of a file`, {
        hint: 'give a name from the profile, such as db.json',
      });
    }
    return join(this.dir, file);
  }

  async read(file: string, { signal }: CallOptions = {}): Promise<string> {
    const path = this.path(file);
    try {
      return await readFile(path, { encoding: 'utf8', ...(signal && { signal }) });
    } catch (error) {
      signal?.throwIfAborted();
      if ((error as { code?: string }).code !== 'ENOENT') throw error;
      if (this.#over.signal.aborted) throw this.#over.signal.reason;
      throw new TaskleaseError('FILE_UNKNOWN', `task ${this.id} has no file "${file}" now`, {
        hint: 'look at task.status(): it lists the files, or says why there are none',
        cause: error,
      });
    }
  }

  async status({ signal }: CallOptions = {}): Promise<TaskStatus> {
    return this.#ask('GET', '', { signal });
  }

  async extend(duration: string, { signal }: CallOptions = {}): Promise<Date> {
    const { deadline } = await this.#ask('POST', '/extend', { body: { duration }, signal });
    this.#deadline = new Date(deadline);
    return this.#deadline;
  }

  events({ signal }: CallOptions = {}): AsyncGenerator<TaskEvent, void, undefined> {
    const open = (timeoutMs: number) => this.#events({ timeoutMs, signal });
    return follow({ open, windowMs: WINDOW_MS, signal });
  }

  async stop({ signal }: CallOptions = {}): Promise<Receipt> {
    signal?.throwIfAborted();
    this.#end('completed', 'it was stopped here');
    if (this.#receipt !== undefined) return this.#receipt;
    try {
      this.#receipt = await stopUntilProved(this.#socket, this.id, this.#unheard ? 0 : this.#proofMs, signal);
      // What holds the task is let go last: before the stop it would look like a loss.
      this.#released.abort();
      return this.#receipt;
    } catch (error) {
      this.#unheard ||= error instanceof AgentUnreachable;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), this.#proofMs + SLACK_MS);
    try {
      await this.stop({ signal: patience.signal });
    } catch (error) {
      // An agent that does not know the task any more has nothing left to stop.
      if (error instanceof TaskleaseError && error.code === 'TASK_UNKNOWN') return;
      const away = error instanceof AgentUnreachable;
      if (!away && !patience.signal.aborted) throw error;
      // The work of the scope is done, whatever becomes of the proof: nothing is thrown over its result.
      process.emitWarning(
        away
          ? `task ${this.id} could not be stopped yet: the agent is away; it is told as soon as it is back`
          : `task ${this.id} is not proved stopped yet: its revocation is pending, and the agent keeps trying`,
        { type: 'TaskleaseWarning', code: away ? 'AGENT_UNREACHABLE' : 'REVOCATION_PENDING' },
      );
      void stopUntilHeard(this.#socket, this.id);
    } finally {
      clearTimeout(timer);
      this.#released.abort();
    }
  }

  /** One question, over a restart of the agent: asked again unless it may have been heard and is more than a question. */
  async #ask(method: 'GET' | 'POST', rest: string, request: Request): Promise<TaskStatus> {
    for (let awaySince: number | undefined; ; ) {
      try {
        return (await ask<TaskStatus>(this.#socket, method, `/v1/tasks/${this.id}${rest}`, request)).body;
      } catch (error) {
        awaySince ??= performance.now();
        const again = error instanceof AgentUnreachable && (method === 'GET' || !error.heard);
        if (!again || performance.now() - awaySince > WINDOW_MS) throw error;
        await pause(request.signal);
      }
    }
  }

  /** Follows the facts to the task's end, however that comes. */
  async #watch(following: Pick<Parameters<typeof follow>[0], 'first' | 'open' | 'windowMs'>): Promise<void> {
    try {
      for await (const fact of follow({ ...following, signal: this.#released.signal, idle: true })) {
        if (fact.type === 'deadline.moved') this.#deadline = new Date(String(fact.deadline));
        if (fact.type === 'grant.stopping') this.#end(fact.reason as Outcome, 'the agent stopped it');
        if (fact.type === 'grant.closed') this.#end(fact.outcome as Outcome, 'the agent stopped it');
      }
    } catch (error) {
      if (!this.#released.signal.aborted) this.#end('lost', 'the agent lost sight of it', error);
    }
  }

  /** Opens the stream for the watch; what has been meanwhile, the task itself tells. */
  async #look(leftMs: number): Promise<Lines> {
    const timeoutMs = Math.min(leftMs, WINDOW_MS);
    const options = { timeoutMs, signal: this.#released.signal, idle: true };
    try {
      const stream = await this.#events(options);
      const { body } = await ask<TaskStatus>(this.#socket, 'GET', `/v1/tasks/${this.id}`, options);
      this.#deadline = new Date(body.deadline);
      if (body.state === 'stopping') this.#end((body.outcome ?? 'lost') as Outcome, 'the agent stopped it');
      return stream;
    } catch (error) {
      if (Date.now() > this.#deadline.getTime()) this.#end('expired', 'its deadline has passed');
      throw error;
    }
  }

  async #events(options: { timeoutMs: number; signal?: AbortSignal | undefined; idle?: boolean }) {
    const answer = await send(this.#socket, 'GET', `/v1/tasks/${this.id}/events`, options);
    if (answer.status !== 200) throw refusal(answer.status, await answer.text());
    return answer;
  }

  #end(outcome: Outcome, detail: string, cause?: unknown): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort(
      new TaskleaseError('TASK_OVER', `task ${this.id} is over (${outcome}): ${detail}`, { cause }),
    );
  }
}
