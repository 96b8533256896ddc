// Owns HTTP/1.1 over the agent's Unix socket. Invariants: one connection a request, so none is reused that a
// restarting agent has closed; every failure to reach the agent is an AgentUnreachable, an abort the signal's reason.

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ProblemCode, TaskleaseError } from './error.ts';

/** An answer of which the body is still to come. */
export interface Answer {
  readonly status: number;
  /** The whole body. */
  text(): Promise<string>;
  /** The lines of an NDJSON body, as they come. */
  readonly lines: AsyncGenerator<string, void, undefined>;
  /** From now on the connection does not keep the program running. */
  idle(): void;
  close(): void;
}

export interface Request {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for the answer's beginning; without it the agent decides. */
  readonly timeoutMs?: number;
  /** The connection does not keep the program running; with a signal, from its abort on. */
  readonly idle?: boolean | AbortSignal | undefined;
}

/** Before anything was sent. EAGAIN: more callers at once than the socket's queue holds. */
const NOT_SENT = new Set(['ENOENT', 'ENOTDIR', 'ENOTSOCK', 'ECONNREFUSED', 'EACCES', 'EPERM', 'EAGAIN']);

/** Nobody answers at the socket, or whoever did has gone. */
export class AgentUnreachable extends TaskleaseError {
  /** The agent may have had the request. */
  readonly heard: boolean;
  /** The socket's queue was full: the very next moment it may not be. */
  readonly crowded: boolean;

  constructor(socket: string, cause: unknown) {
    const { code: errno = 'ECONNRESET' } = Object(cause) as { code?: string };
    const closed = errno === 'EACCES' || errno === 'EPERM';
    super('AGENT_UNREACHABLE', `no agent answers at ${socket} (${errno})`, {
      hint: closed
        ? "this user may not use the socket: its group is the agent's setting socket.group"
        : 'see that the agent runs, or name its socket with connect({ socket }) or TASKLEASE_SOCKET',
      retryable: true,
      cause,
    });
    this.heard = !NOT_SENT.has(errno);
    this.crowded = errno === 'EAGAIN';
  }
}

/** One request, answered with whatever status. @throws AgentUnreachable, or the signal's reason */
export async function send(
  socket: string,
  method: string,
  path: string,
  request: Request = {},
): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    try {
      return await exchange(socket, method, path, request);
    } catch (error) {
      if (!(error instanceof AgentUnreachable && error.crowded) || tries === 100) throw error;
      await sleep(20 + 10 * Math.random(), undefined, request.signal && { signal: request.signal }).catch(
        () => request.signal?.throwIfAborted(),
      );
    }
  }
}

/** One request for a JSON value. @throws TaskleaseError for an answer that is no success */
export async function ask<T>(
  socket: string,
  method: string,
  path: string,
  request: Request = {},
): Promise<{ readonly status: number; readonly body: T }> {
  const answer = await send(socket, method, path, request);
  const text = await answer.text();
  if (answer.status >= 300) throw refusal(answer.status, text);
  try {
    return { status: answer.status, body: JSON.parse(text) as T };
  } catch {
    throw refusal(answer.status, text);
  }
}

/** The error of an answer that is no success. */
export function refusal(status: number, text: string): TaskleaseError {
  let body: Record<string, unknown> = {};
  try {
    body = Object(JSON.parse(text));
  } catch {
    // Said below.
  }
  const { code, detail, hint, retryable, retry_after_ms: after } = body;
  if (typeof code !== 'string' || typeof detail !== 'string') {
    return new TaskleaseError('INTERNAL', `an answer with status ${status} that is no problem document`, {
      hint: "look whether the socket is the agent's",
      status,
    });
  }
  return new TaskleaseError(code as ProblemCode, detail, {
    ...(typeof hint === 'string' ? { hint } : {}),
    ...(typeof after === 'number' ? { retryAfterMs: after } : {}),
    status,
    retryable: retryable === true,
  });
}

function exchange(
  socket: string,
  method: string,
  path: string,
  { body, headers: more, signal, timeoutMs, idle }: Request,
): Promise<Answer> {
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const headers: Record<string, string> = {
    host: 'tasklease',
    accept: 'application/json, application/x-ndjson',
    ...(payload === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': String(payload.length) }),
    ...more,
  };
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const request = httpRequest({ socketPath: socket, method, path, headers, agent: false });
    const fail = (error: unknown) =>
      signal?.aborted === true ? signal.reason : new AgentUnreachable(socket, error);
    const timer =
      timeoutMs &&
      setTimeout(() => request.destroy(Object.assign(new Error(), { code: 'ETIMEDOUT' })), timeoutMs);
    const abort = () => void request.destroy(Object.assign(new Error(), { code: 'ABORT_ERR' }));
    signal?.addEventListener('abort', abort, { once: true });
    request.on('close', () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      if (typeof idle === 'object') idle.removeEventListener('abort', rest);
    });
    request.on('error', (error) => reject(fail(error)));
    const rest = () => void request.socket?.unref?.();
    if (idle === true) request.on('socket', rest);
    else if (idle) idle.addEventListener('abort', rest, { once: true });
    request.on('response', (response) => {
      clearTimeout(timer);
      response.on('error', () => {}); // told to whoever reads
      const chunks = chunksOf(response, fail);
      resolve({
        status: response.statusCode ?? 0,
        text: async () => {
          let text = '';
          for await (const chunk of chunks) text += chunk;
          return text;
        },
        lines: linesOf(chunks),
        idle: rest,
        close: () => void request.destroy(),
      });
    });
    request.end(payload);
  });
}

async function* chunksOf(
  response: IncomingMessage,
  fail: (error: unknown) => unknown,
): AsyncGenerator<string, void, undefined> {
  response.setEncoding('utf8');
  try {
    for await (const chunk of response) yield chunk as string;
  } catch (error) {
    throw fail(error);
  }
}

async function* linesOf(
  chunks: AsyncGenerator<string, void, undefined>,
): AsyncGenerator<string, void, undefined> {
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield line;
  }
}
