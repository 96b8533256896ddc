// Owns the calls about tasks (README, API). Invariant: a call changes nothing before its whole
// input is checked.

import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { isTaskId, TASK_ID_RULE, type TaskId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import type { BusinessEvent, StartSignal } from '../domain/task-spec.ts';
import type { Agent, Stopped } from '../engine/agent.ts';
import { businessEvent, firstIssue, type StartBody, startBody } from '../schema/signal.ts';
import { answer, type Exchange, readBody, waitMs } from './exchange.ts';
import { streamFacts } from './streams.ts';
import { canonical, parseStrict } from './strict-json.ts';

/** @throws Problem SIGNAL_INVALID */
export function taskIdOf(text: string): TaskId {
  if (isTaskId(text)) return text;
  throw new Problem('SIGNAL_INVALID', `the task id is not valid: it must be ${TASK_ID_RULE}`, {
    hint: 'use an id such as build-81, without percent-encoding',
  });
}

export async function start(agent: Agent, exchange: Exchange): Promise<void> {
  const task = taskIdOf(exchange.segments[1]!);
  const { signal, digest } = startSignal(parseStrict(await readBody(exchange.request)));
  const { request, response, caller } = exchange;
  const connection = signal.bind !== undefined && 'connection' in signal.bind;
  // Watched from the beginning: a caller that leaves while its start is under way holds nothing.
  const leaving = new Leaving(request.socket, connection);
  try {
    const { view, fresh } = await agent.start(task, signal, digest, caller);
    const status = fresh ? 201 : 200;
    if (!connection) return answer(response, status, view);
    const lost = () => agent.lost(task, caller, 'the bound connection was closed');
    if (leaving.left) return lost();
    streamFacts(response, agent.facts, caller, { status, task, first: view, onGone: lost });
  } finally {
    leaving[Symbol.dispose]();
  }
}

/** Whether a connection was closed since; listens to it for as long as that matters. */
class Leaving implements Disposable {
  left = false;
  readonly #socket: Socket;
  readonly #onClose = () => {
    this.left = true;
  };

  constructor(socket: Socket, watch: boolean) {
    this.#socket = socket;
    if (watch) socket.once('close', this.#onClose);
  }

  [Symbol.dispose](): void {
    this.#socket.off('close', this.#onClose);
  }
}

/** A validated start from a parsed body. @throws Problem SIGNAL_INVALID that names the culprit */
export function startSignal(body: unknown): { signal: StartSignal; digest: string } {
  const parsed = startBody.safeParse(body);
  if (!parsed.success) {
    const { path, message } = firstIssue(parsed.error);
    const where = path.length === 0 ? 'the body' : path.join('.');
    throw new Problem('SIGNAL_INVALID', `${where} ${message}`, {
      hint: 'see GET /v1/openapi.json for the body of a start',
    });
  }
  return {
    signal: toSignal(parsed.data),
    digest: createHash('sha256').update(canonical(body)).digest('hex'),
  };
}

function toSignal(body: StartBody): StartSignal {
  return {
    profile: body.profile,
    params: body.params,
    ...(body.duration === undefined ? {} : { durationMs: body.duration }),
    ...(body.deadline === undefined ? {} : { deadline: body.deadline }),
    ...(body.event === undefined ? {} : { event: body.event }),
    ...(body.bind === undefined ? {} : { bind: body.bind }),
  };
}

export async function show(agent: Agent, exchange: Exchange): Promise<void> {
  answer(exchange.response, 200, agent.get(taskIdOf(exchange.segments[1]!), exchange.caller));
}

export async function list(agent: Agent, exchange: Exchange): Promise<void> {
  answer(exchange.response, 200, { tasks: agent.list(exchange.caller) });
}

export async function stop(agent: Agent, exchange: Exchange): Promise<void> {
  const task = taskIdOf(exchange.segments[1]!);
  answerStopped(exchange, await agent.stop(task, exchange.caller, waitMs(exchange.query)));
}

export async function stopEvent(agent: Agent, exchange: Exchange): Promise<void> {
  const event = eventOf(exchange.query.get('event'));
  answerAll(exchange, await agent.stopEvent(event, exchange.caller, waitMs(exchange.query)));
}

function eventOf(text: string | null): BusinessEvent {
  const colon = text?.indexOf(':') ?? -1;
  if (text === null || colon < 1 || colon === text.length - 1) {
    throw new Problem('SIGNAL_INVALID', 'event is missing or not type:id', {
      hint: 'give DELETE /v1/tasks?event=pull_request:acme%2Fshop%23412',
    });
  }
  const parsed = businessEvent.safeParse({ type: text.slice(0, colon), id: text.slice(colon + 1) });
  if (parsed.success) return parsed.data;
  const { path, message } = firstIssue(parsed.error);
  throw new Problem('SIGNAL_INVALID', `event ${path.join('.')} ${message}`, {
    hint: 'give type:id as at the start',
  });
}

export async function receipt(agent: Agent, exchange: Exchange): Promise<void> {
  answer(exchange.response, 200, agent.receipt(taskIdOf(exchange.segments[1]!), exchange.caller));
}

export async function taskEvents(agent: Agent, exchange: Exchange): Promise<void> {
  const { response, caller, query } = exchange;
  const task = taskIdOf(exchange.segments[1]!);
  const now = agent.get(task, caller);
  if (now.state === 'closed') {
    const at = 'closed_at' in now ? now.closed_at : now.started_at;
    const closed = { seq: 0, at, task, type: 'grant.closed', outcome: now.outcome };
    return answer(response, 200, closed, 'application/x-ndjson');
  }
  const hold = query.get('hold') === 'true';
  streamFacts(response, agent.facts, caller, {
    status: 200,
    task,
    ...(hold ? { onGone: () => agent.lost(task, caller, 'the holding connection was closed') } : {}),
  });
}

export async function allEvents(agent: Agent, exchange: Exchange): Promise<void> {
  streamFacts(exchange.response, agent.facts, exchange.caller, { status: 200, task: null });
}

export async function drain(agent: Agent, exchange: Exchange): Promise<void> {
  answerAll(exchange, await agent.drain(waitMs(exchange.query)));
}

export async function revokeAll(agent: Agent, exchange: Exchange): Promise<void> {
  answerAll(exchange, await agent.revokeAll(waitMs(exchange.query)));
}

function answerStopped({ response }: Exchange, stopped: Stopped): void {
  if ('receipt' in stopped) answer(response, 200, stopped.receipt);
  else answer(response, 202, stopped.pending);
}

function answerAll({ response }: Exchange, all: readonly Stopped[]): void {
  const tasks = all.map((stopped) => ('receipt' in stopped ? stopped.receipt : stopped.pending));
  answer(response, all.some((stopped) => 'pending' in stopped) ? 202 : 200, { tasks });
}
