// Owns the calls about tasks (README, API). Invariant: a call changes nothing before its whole
// input is checked.

import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { ZodError, ZodType } from 'zod';
import { isTaskId, TASK_ID_RULE, type TaskId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import { Secret } from '../domain/secret.ts';
import type { BusinessEvent, StartSignal } from '../domain/task-spec.ts';
import { traceContext } from '../domain/trace.ts';
import type { Agent } from '../engine/agent.ts';
import type { Stopped } from '../engine/stops.ts';
import type { TaskView } from '../engine/view.ts';
import { CallOff } from '../engine/within.ts';
import {
  abandonBody,
  approvalBody,
  businessEvent,
  extendBody,
  firstIssue,
  type StartBody,
  signedApproval,
  startBody,
} from '../schema/signal.ts';
import { canonical, parseStrict } from '../schema/strict-json.ts';
import { adminOnly, answer, type Exchange, readBody, waitMs } from './exchange.ts';
import { Holding } from './holding.ts';

/** @throws Problem SIGNAL_INVALID */
export function taskIdOf(text: string): TaskId {
  if (isTaskId(text)) return text;
  throw new Problem('SIGNAL_INVALID', `the task id is not valid: it must be ${TASK_ID_RULE}`, {
    hint: 'use an id such as build-81, without percent-encoding',
  });
}

export async function start(agent: Agent, exchange: Exchange): Promise<void> {
  const task = taskIdOf(exchange.segments[1]!);
  const { signal: asked, digest } = startSignal(parseStrict(await readBody(exchange.request)));
  using _assertion = asked.assertion;
  const { traceparent, tracestate } = exchange.request.headers;
  const continued = traceContext(traceparent, tracestate);
  const signal = continued === null ? asked : { ...asked, trace: continued };
  const { response, caller } = exchange;
  const patience = { ms: waitMs(exchange.query), callOff: new CallOff() };
  // Nobody is left to wait for it.
  response.once('close', () => patience.callOff.call());
  if (signal.bind === undefined || !('connection' in signal.bind)) {
    const { view, fresh, trace } = await agent.start(task, signal, digest, caller, false, patience);
    tellTrace(response, trace);
    return answer(response, startStatus(view, fresh), view);
  }
  // Watched from the beginning: a caller that leaves while its start is under way holds nothing.
  using holding = new Holding(agent, exchange, task, 'the bound connection was closed');
  const { view, fresh, trace } = await agent.start(task, signal, digest, caller, false, patience);
  tellTrace(response, trace);
  await holding.begin({ status: startStatus(view, fresh), fresh, tellTask: true });
}

/** What the caller's workload may continue the trace with (W3C Trace Context, level 2). */
function tellTrace(response: ServerResponse, trace: string | null): void {
  if (trace !== null && !response.headersSent) response.setHeader('traceresponse', trace);
}

const startStatus = ({ state }: TaskView, fresh: boolean): number =>
  state === 'pending_approval' ? 202 : fresh ? 201 : 200;

export async function approve(agent: Agent, exchange: Exchange): Promise<void> {
  const task = taskIdOf(exchange.segments[1]!);
  const { request, response, caller } = exchange;
  const example = '{"approve": true}';
  const body = parseStrict(await readBody(request), { example });
  const signed = signedApproval.safeParse(body);
  if (signed.success) {
    using jwt = new Secret(Buffer.from(signed.data.jwt));
    return answer(response, 200, await agent.approve(task, jwt, caller));
  }
  adminOnly(exchange);
  answer(response, 200, await agent.approve(task, checked(body, approvalBody, example), caller));
}

export async function extend(agent: Agent, exchange: Exchange): Promise<void> {
  const task = taskIdOf(exchange.segments[1]!);
  const { duration } = await bodyOf(exchange, extendBody, '{"duration": "10m"}');
  answer(exchange.response, 200, await agent.extend(task, duration, exchange.caller));
}

export async function abandon(agent: Agent, exchange: Exchange): Promise<void> {
  const task = taskIdOf(exchange.segments[1]!);
  const { reason } = await bodyOf(exchange, abandonBody, '{"reason": "the engine was deleted"}');
  answerStopped(exchange, await agent.abandon(task, reason, exchange.caller));
}

/** @throws Problem SIGNAL_INVALID that names the culprit */
async function bodyOf<T>({ request }: Exchange, shape: ZodType<T>, example: string): Promise<T> {
  return checked(parseStrict(await readBody(request), { example }), shape, example);
}

/** @throws Problem SIGNAL_INVALID that names the culprit */
function checked<T>(body: unknown, shape: ZodType<T>, example: string): T {
  const parsed = shape.safeParse(body);
  if (parsed.success) return parsed.data;
  throw invalidBody(parsed.error, `send a body like ${example}`);
}

function invalidBody(error: ZodError, hint: string): Problem {
  const { path, message } = firstIssue(error);
  const where = path.length === 0 ? 'the body' : path.join('.');
  return new Problem('SIGNAL_INVALID', `${where} ${message}`, { hint });
}

/** A validated start from a parsed body. @throws Problem SIGNAL_INVALID that names the culprit */
export function startSignal(body: unknown): { signal: StartSignal; digest: string } {
  const parsed = startBody.safeParse(body);
  if (!parsed.success) {
    throw invalidBody(parsed.error, 'see GET /v1/openapi.json for the body of a start');
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
    ...(body.parent === undefined ? {} : { parent: body.parent }),
    ...(body.assertion === undefined ? {} : { assertion: new Secret(Buffer.from(body.assertion)) }),
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
