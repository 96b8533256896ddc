// Owns a stand-in for the agent's socket, for the shell client's own logic: exit codes, encoding, and when it
// opens and closes connections. It is no proof of leasing; the scenarios show that on the real agent and Vault.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One request as it came; `closedAt` is set (ms since the epoch) when its connection has ended. */
export type Seen = { method: string; url: string; body: string; at: number; closedAt?: number };

/** What the stand-in does with the next tasks. */
export type Behaviour = {
  /** Answers a start with this problem instead. */
  problem?: { status: number; code: string; detail: string; hint: string };
  /** Status of a stop: 200 closed, 202 stopping. */
  stop?: number;
  /** Outcome in the receipt. */
  outcome?: string;
  /** Ends a bound task after this many milliseconds, with its outcome, as at a deadline. */
  endAfterMs?: number;
  /** Breaks a bound task's connection after this many milliseconds, as a restart of the agent does. */
  breakAfterMs?: number;
  /** What a start is answered that asks for a task again. */
  again?: 200 | 201 | 409;
  /** Tells a bound task's stream after this many milliseconds that it was extended. */
  extendAfterMs?: number;
  /** Lets a bound start wait for an approval, and this come of it. */
  approval?: 'given' | 'denied';
  /** Never answers a start. */
  silent?: boolean;
};

export class FakeAgent {
  readonly dir = mkdtempSync(join(tmpdir(), 'tasklease-sh-'));
  readonly socket = join(this.dir, 'agent.sock');
  readonly seen: Seen[] = [];
  behaviour: Behaviour = {};
  readonly #streams = new Set<ServerResponse>();
  readonly #known = new Set<string>();
  readonly #server: Server = createServer((request, response) => void this.#answer(request, response));

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.socket, resolve));
  }

  async stop(): Promise<void> {
    for (const stream of this.#streams) stream.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.dir, { recursive: true, force: true });
  }

  of(method: string): Seen[] {
    return this.seen.filter((one) => one.method === method);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    const one: Seen = { method, url, body: '', at: Date.now() };
    this.seen.push(one);
    request.socket.once('close', () => {
      one.closedAt = Date.now();
    });
    for await (const chunk of request) one.body += String(chunk);
    if (method === 'PUT') this.#startTask(one, response);
    else if (method === 'GET')
      response.end(JSON.stringify(this.#active(url.slice('/v1/tasks/'.length), 'p')));
    else this.#stopTask(response);
  }

  #active(task: string, profile: string) {
    return {
      ...{ task, state: 'active', profile, dir: `${this.dir}/${task}/current` },
      ...{ deadline: '2026-11-22T10:15:00Z', leases: [] },
    };
  }

  #wait(task: string, approval: 'given' | 'denied', response: ServerResponse): void {
    response.writeHead(202, { 'content-type': 'application/x-ndjson' });
    this.#streams.add(response);
    const tell = (line: unknown) => response.write(`${JSON.stringify(line)}\n`);
    tell({ task, state: 'pending_approval', dir: null });
    if (approval === 'given') {
      for (const type of ['approval.given', 'grant.approved', 'delivery.published'])
        tell({ seq: 1, task, type });
      return;
    }
    tell({ seq: 1, task, type: 'grant.refused', code: 'APPROVAL_DENIED', detail: 'uid 0 denied t1: no' });
    tell({ seq: 2, task, type: 'grant.closed', outcome: 'refused' });
    response.end();
  }

  #startTask({ url, body }: Seen, response: ServerResponse): void {
    const { problem, endAfterMs, breakAfterMs, extendAfterMs, again = 200, silent = false } = this.behaviour;
    if (silent) return;
    if (problem !== undefined) return refuse(response, problem);
    const task = url.slice('/v1/tasks/'.length);
    const start = JSON.parse(body) as { profile: string; bind?: { connection?: boolean } };
    const first = !this.#known.has(task);
    this.#known.add(task);
    if (!first && again === 409) {
      return refuse(response, {
        status: 409,
        code: 'TASK_SPENT',
        detail: 'It was used.',
        hint: 'Choose another.',
      });
    }
    const { approval } = this.behaviour;
    if (approval !== undefined) return this.#wait(task, approval, response);
    const answer = this.#active(task, start.profile);
    const bound = start.bind?.connection === true;
    response.writeHead(first ? 201 : again, {
      'content-type': bound ? 'application/x-ndjson' : 'application/json',
    });
    if (!bound) {
      response.end(JSON.stringify(answer));
      return;
    }
    response.write(`${JSON.stringify(answer)}\n`);
    this.#streams.add(response);
    response.once('close', () => this.#streams.delete(response));
    const moved = { seq: 1, at: 'now', task, type: 'deadline.moved', deadline: 'later' };
    if (extendAfterMs !== undefined) {
      setTimeout(() => response.write(`${JSON.stringify(moved)}\n`), extendAfterMs);
    }
    const { outcome = 'completed' } = this.behaviour;
    const end = (): void => {
      response.write(
        `${JSON.stringify({ ...moved, type: 'grant.stopping', reason: outcome, detail: null })}\n`,
      );
      response.end(`${JSON.stringify({ ...moved, type: 'grant.closed', outcome })}\n`);
    };
    if (endAfterMs !== undefined) setTimeout(end, endAfterMs);
    if (breakAfterMs !== undefined && first) setTimeout(() => response.destroy(), breakAfterMs);
  }

  #stopTask(response: ServerResponse): void {
    const { stop = 200, outcome = 'completed' } = this.behaviour;
    response.writeHead(stop, { 'content-type': 'application/json' });
    response.end(JSON.stringify(stop === 200 ? { state: 'closed', outcome } : { state: 'stopping' }));
  }
}

function refuse(response: ServerResponse, { status, ...rest }: NonNullable<Behaviour['problem']>): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ type: 'about:blank', title: rest.code, status, ...rest, retryable: false }));
}
