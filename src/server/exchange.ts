// Owns one request and its answer: the body within its limit, the caller, and the ways to answer.
// Invariant: every failure leaves as problem+json (RFC 9457) with the status of its code.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseDuration } from '../domain/duration.ts';
import { Problem } from '../domain/problem.ts';
import type { Caller } from '../domain/task-spec.ts';

export const MAX_BODY = 64 * 1024;

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: Caller;
  /** Path segments after /v1/. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
}

/** Read and thrown away before the refusal, so that the caller gets it instead of a broken pipe. */
const MAX_THROWN_AWAY = 64 * 1024 * 1024;

/**
 * The body as text. (By events: an async iterator over a stream costs more than all the rest of a request.)
 * @throws Problem SIGNAL_INVALID with status 413 over 64 KiB
 */
export function readBody(request: IncomingMessage): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MAX_BODY) chunks.push(chunk);
    else if (size > MAX_THROWN_AWAY) request.destroy(tooLarge());
  });
  request.on('end', () => {
    try {
      if (size > MAX_BODY) throw tooLarge();
      resolve(UTF8.decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    } catch (error) {
      reject(error instanceof Problem ? error : notUtf8());
    }
  });
  request.on('error', reject);
  // A caller that went away in the middle of it: nothing if it was all there.
  request.on('close', () => reject(new Error('the caller left before its request was whole')));
  return promise;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

const tooLarge = (): Problem =>
  new Problem('SIGNAL_INVALID', 'the body is larger than 64 KiB', {
    status: 413,
    hint: 'a start body needs a few hundred bytes',
  });

const notUtf8 = (): Problem =>
  new Problem('SIGNAL_INVALID', 'the body is not UTF-8', { hint: 'send JSON in UTF-8' });

/** What a caller sent, fit for a message: no control or bidirectional characters, of bounded length. */
export const printable = (text: string): string => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?').slice(0, 200);

/** The `wait` of a query in milliseconds; 0 when absent. */
export function waitMs(query: URLSearchParams): number {
  const text = query.get('wait');
  if (text === null) return 0;
  const ms = parseDuration(text);
  if (ms === null || ms > 3_600_000) {
    throw new Problem('SIGNAL_INVALID', 'wait is not a duration of at most 1h', {
      hint: 'give one like wait=30s',
    });
  }
  return ms;
}

export function answer(
  response: ServerResponse,
  status: number,
  body: unknown,
  type = 'application/json',
): void {
  if (response.headersSent || response.destroyed) return;
  const text = typeof body === 'string' ? body : `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(text);
}

export function answerProblem(request: IncomingMessage, response: ServerResponse, error: unknown): Problem {
  const problem = Problem.of(error);
  const retryAfterMs = problem.retryAfterMs ?? (problem.status === 429 ? 1000 : undefined);
  if (retryAfterMs !== undefined && !response.headersSent) {
    response.setHeader('retry-after', Math.max(1, Math.ceil(retryAfterMs / 1000)));
  }
  // What was not read would be taken for the next request.
  if (!request.complete && !response.headersSent) response.setHeader('connection', 'close');
  answer(response, problem.status, problem.body(), 'application/problem+json');
  return problem;
}

/** @throws Problem ADMIN_ONLY on the sockets of workloads */
export function adminOnly({ caller }: Exchange): void {
  if (caller.admin) return;
  throw new Problem('ADMIN_ONLY', 'this call is for the admin socket', {
    hint: 'use admin.sock in runtime_dir',
  });
}
