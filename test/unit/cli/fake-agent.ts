// Owns a stand-in for the agent's socket API: an HTTP server on a Unix socket that answers what a test
// tells it to. It shows how the command line behaves for an answer, never how the agent behaves.

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly body: Record<string, unknown> | undefined;
}

export type Answer = (response: ServerResponse, seen: Seen) => void;

export const json =
  (status: number, body: unknown): Answer =>
  (response) => {
    response.writeHead(status, {
      'content-type': status >= 400 ? 'application/problem+json' : 'application/json',
    });
    response.end(JSON.stringify(body));
  };

export const problem = (status: number, code: string, detail: string, hint = 'do this instead'): Answer =>
  json(status, { type: 'about:blank', title: 'A title', status, code, detail, hint, retryable: false });

/** Opens an NDJSON stream with these lines and keeps it open. */
export const stream =
  (...facts: unknown[]): Answer =>
  (response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.flushHeaders();
    for (const fact of facts) response.write(`${JSON.stringify(fact)}\n`);
  };

const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();

export function granted(task: string, options: { expiresMs?: number; deadlineMs?: number } = {}) {
  return {
    task,
    state: 'active',
    profile: 'report-read',
    dir: `/run/tasklease/tasks/${task}/current`,
    files: ['db.env'],
    generation: 1,
    expires_at: inMs(options.expiresMs ?? 60_000),
    deadline: inMs(options.deadlineMs ?? 75_000),
    leases: [{ secret: 'db', expires_at: inMs(60_000), renewable: true, revocable: true }],
  };
}

export function receipt(task: string, proof = 'revoked') {
  const at = new Date().toISOString();
  return {
    task,
    profile: 'report-read',
    state: 'closed',
    outcome: 'completed',
    event: null,
    started_at: at,
    closed_at: at,
    exposure_seconds: 1.5,
    leases: [
      { secret: 'db', path: 'database/creds/report-prod', issued_at: at, ended_at: at, proof, ends_at: null },
    ],
  };
}

export class FakeAgent implements AsyncDisposable {
  readonly seen: Seen[] = [];
  readonly directory = mkdtempSync(join(tmpdir(), 'tasklease-cli-'));
  readonly socket = join(this.directory, 'agent.sock');
  /** The open NDJSON answers. */
  readonly open = new Set<ServerResponse>();
  /** Answers by `METHOD path` with `*` for a task id, without the query; later entries win. */
  private readonly routes = new Map<string, Answer>();
  private server = this.serve();

  constructor() {
    this.on('PUT /v1/tasks/*', (response, seen) =>
      json(201, granted(seen.url.split(/[/?]/)[3] ?? ''))(response, seen),
    );
    this.on('GET /v1/tasks/*', (response, seen) =>
      json(200, granted(seen.url.split('/')[3] ?? ''))(response, seen),
    );
    this.on('GET /v1/tasks/*/events', stream());
    this.on('DELETE /v1/tasks/*', (response, seen) => {
      json(200, receipt(seen.url.split(/[/?]/)[3] ?? ''))(response, seen);
    });
  }

  static async listening(): Promise<FakeAgent> {
    const agent = new FakeAgent();
    await agent.start();
    return agent;
  }

  on(route: string, answer: Answer): void {
    this.routes.set(route, answer);
  }

  start(): Promise<void> {
    return new Promise((resolve) => this.server.listen(this.socket, resolve));
  }

  /** Goes away as a killed process does: every connection breaks and nobody listens. */
  async crash(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
    this.open.clear();
  }

  async restart(): Promise<void> {
    this.server = this.serve();
    await this.start();
  }

  /** Writes a fact into every open stream. */
  emit(fact: unknown): void {
    for (const response of this.open) response.write(`${JSON.stringify(fact)}\n`);
  }

  /** Waits until a request has come whose `METHOD url` starts like this. */
  async saw(start: string): Promise<Seen> {
    for (let tries = 0; tries < 400; tries++) {
      const found = this.seen.find(({ method, url }) => `${method} ${url}`.startsWith(start));
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(
      `${start} never came; seen: ${this.seen.map(({ method, url }) => `${method} ${url}`).join(', ')}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.server.listening) await this.crash();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private serve() {
    return createServer((request, response) => void this.handle(request, response));
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const url = request.url ?? '';
    const seen = { method: request.method ?? '', url, body: text === '' ? undefined : JSON.parse(text) };
    this.seen.push(seen);
    const path = url.replace(/\?.*/, '');
    const route = `${seen.method} ${path.replace(/^(\/v1\/tasks\/)[^/]+/, '$1*')}`;
    const answer = this.routes.get(route) ?? problem(404, 'NOT_FOUND', `no ${route} in this test`);
    answer(response, seen);
    if (!response.writableEnded) {
      this.open.add(response);
      response.on('close', () => this.open.delete(response));
    }
  }
}
