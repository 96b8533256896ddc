// Owns the table of calls. Invariant: what is not in it is NOT_FOUND, a known path with another method
// METHOD_NOT_ALLOWED, an admin's call on the workload socket ADMIN_ONLY.

import { Problem } from '../domain/problem.ts';
import type { Agent } from '../engine/agent.ts';
import * as streams from './event-routes.ts';
import { adminOnly, answer, type Exchange, printable } from './exchange.ts';
import { type Call, openapi } from './openapi.ts';
import * as tasks from './task-routes.ts';

export interface Service {
  readonly agent: Agent;
  /** Why the agent is not alive, though it answers; null when it is. */
  readonly stuck: () => Problem | null;
  /** Files of the configuration that are not in force as they are. */
  readonly files: { faults(): string[]; faulty(): string[] };
  /** Prometheus text. */
  readonly metrics: () => string;
  readonly version: string;
}

type Handler = (service: Service, exchange: Exchange) => Promise<void>;

/** `path` is the segments after /v1/; `*` is any. */
interface Route extends Call {
  readonly handle: Handler;
}

const of =
  (handle: (agent: Agent, exchange: Exchange) => Promise<void>): Handler =>
  ({ agent }, exchange) =>
    handle(agent, exchange);

export const ROUTES: readonly Route[] = [
  {
    method: 'PUT',
    path: ['tasks', '*'],
    handle: of(tasks.start),
    query: ['wait'],
    body: 'Start',
    answers: 'Task',
    streams: true,
  },
  { method: 'GET', path: ['tasks', '*'], handle: of(tasks.show), answers: 'Task' },
  { method: 'DELETE', path: ['tasks', '*'], handle: of(tasks.stop), query: ['wait'], answers: 'Receipt' },
  { method: 'GET', path: ['tasks'], handle: of(tasks.list) },
  { method: 'DELETE', path: ['tasks'], handle: of(tasks.stopEvent), query: ['event', 'wait'] },
  {
    method: 'POST',
    path: ['tasks', '*', 'extend'],
    handle: of(tasks.extend),
    body: 'Extend',
    answers: 'Task',
  },
  {
    method: 'GET',
    path: ['tasks', '*', 'events'],
    handle: of(streams.taskEvents),
    query: ['hold'],
    streams: true,
  },
  { method: 'GET', path: ['events'], handle: of(streams.allEvents), streams: true },
  { method: 'GET', path: ['tasks', '*', 'receipt'], handle: of(tasks.receipt), answers: 'Receipt' },
  { method: 'GET', path: ['health'], handle: health, query: ['ready'] },
  { method: 'GET', path: ['metrics'], handle: metrics },
  { method: 'GET', path: ['openapi.json'], handle: schema },
  {
    method: 'POST',
    path: ['tasks', '*', 'approval'],
    handle: of(tasks.approve),
    body: 'Approval',
    answers: 'Task',
  },
  {
    method: 'POST',
    path: ['tasks', '*', 'abandon'],
    admin: true,
    handle: of(tasks.abandon),
    body: 'Abandon',
    answers: 'Receipt',
  },
  { method: 'POST', path: ['drain'], admin: true, handle: of(tasks.drain), query: ['wait'] },
  { method: 'POST', path: ['revoke-all'], admin: true, handle: of(tasks.revokeAll), query: ['wait'] },
];

/** Finds and runs the call. @throws Problem */
export async function dispatch(service: Service, exchange: Exchange): Promise<void> {
  const fitting = ROUTES.filter(({ path }) => matches(path, exchange.segments));
  const route = fitting.find(({ method }) => method === exchange.request.method);
  if (route === undefined) {
    if (fitting.length === 0) {
      throw new Problem('NOT_FOUND', `there is no call ${named(exchange)}`, {
        hint: 'see GET /v1/openapi.json',
      });
    }
    const allow = fitting.map(({ method }) => method).join(', ');
    exchange.response.setHeader('allow', allow);
    throw new Problem('METHOD_NOT_ALLOWED', `${named(exchange)} is no call of this path`, {
      hint: `it takes ${allow}`,
    });
  }
  if (route.admin === true) adminOnly(exchange);
  await route.handle(service, exchange);
}

const named = ({ request, segments }: Exchange): string =>
  printable(`${request.method} /v1/${segments.join('/')}`);

const matches = (path: readonly string[], segments: readonly string[]): boolean =>
  path.length === segments.length && path.every((part, i) => part === '*' || part === segments[i]);

/** Alive: a restart would cure nothing. Ready: a start would be taken. Not being ready is no reason to be restarted. */
async function health(service: Service, { response, query, caller }: Exchange): Promise<void> {
  const { agent, version } = service;
  if (query.has('ready')) await agent.look();
  const stuck = service.stuck();
  const live = stuck === null;
  const ready = live && agent.notReady().length === 0;
  const told = ({ code, message, hint }: Problem) => ({ code, detail: message, hint });
  const reasons = (live ? agent.notReady() : [stuck]).map(told);
  const status = (query.has('ready') ? ready : live) ? 200 : 503;
  const faulty = agent.profiles.faulty();
  // Which profiles there are, and what is wrong with one, is for the operator; anybody learns that one is not in force.
  const profiles = caller.admin
    ? { names: agent.profiles.names(), faults: agent.profiles.faults(), faulty }
    : { faulty };
  const files = {
    ...(caller.admin ? { faults: service.files.faults() } : {}),
    faulty: service.files.faulty(),
  };
  answer(response, status, {
    status: live ? 'ok' : 'stuck',
    live,
    ready,
    reasons,
    profiles,
    files,
    version,
  });
}

async function metrics(service: Service, { response }: Exchange): Promise<void> {
  answer(response, 200, service.metrics(), 'text/plain; version=0.0.4; charset=utf-8');
}

async function schema({ version }: Service, { response }: Exchange): Promise<void> {
  answer(response, 200, openapi(version, ROUTES));
}
