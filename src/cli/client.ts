// HTTP/1.1 over the agent's Unix socket, for the command line. Invariants: one connection a request, so
// that a command never keeps the process alive; a failure to reach the agent is always AgentUnreachable.

import { statSync } from 'node:fs';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { AgentUnreachable, Refused } from './failure.ts';

/** A whole answer. `text` is the body as sent, `body` its JSON value (undefined when it is none). */
export interface Reply {
  readonly status: number;
  readonly text: string;
  readonly body: unknown;
}

/** An answer of type application/x-ndjson that stays open. `lines` ends with the connection, or throws. */
export interface Stream {
  readonly status: number;
  readonly lines: AsyncGenerator<string, void, undefined>;
  close(): void;
}

export interface Client {
  readonly socketPath: string;
  /** One request. `timeoutMs` bounds the whole exchange; without it the agent decides how long it takes. */
  request(method: string, path: string, options?: RequestOptions): Promise<Reply>;
  /** The same, but an NDJSON answer is handed over while it is still open. */
  stream(method: string, path: string, options?: RequestOptions): Promise<Stream | Reply>;
  /** Breaks off whatever is still open. */
  close(): void;
}

/** The trace that a start is part of (W3C Trace Context). */
export interface Trace {
  /** Sent with every request; the agent takes those of a start. */
  readonly headers: Readonly<Record<string, string>>;
  /** What the agent's answer said to continue it with. */
  answered: string | null;
}

export interface RequestOptions {
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

export const isStream = (answer: Stream | Reply): answer is Stream => 'lines' in answer;

/** A task's resource. Ids hold only `[A-Za-z0-9._-]` (checked where they are read), so nothing is escaped. */
export const taskPath = (task: string, rest = ''): string => `/v1/tasks/${task}${rest}`;

export function connect(socketPath: string, trace?: Trace): Client {
  const open = new Set<ClientRequest>();
  return {
    socketPath,
    async request(method, path, options = {}) {
      const { response, settle } = await exchange(open, socketPath, method, path, options, trace);
      return settle(readAll(socketPath, response));
    },
    async stream(method, path, options = {}) {
      const { request, response, settle } = await exchange(open, socketPath, method, path, options, trace);
      if (!/^application\/x-ndjson\b/.test(response.headers['content-type'] ?? '')) {
        return settle(readAll(socketPath, response));
      }
      await settle(Promise.resolve());
      return {
        status: response.statusCode ?? 0,
        lines: readLines(socketPath, response),
        close: () => void request.destroy(),
      };
    },
    close() {
      for (const request of open) request.destroy();
    },
  };
}

/** The reply, when it is a success; throws Refused with the agent's problem otherwise. */
export function expectOk(reply: Reply): Reply {
  if (reply.status >= 200 && reply.status < 300) return reply;
  throw new Refused(reply.status, reply.text, reply.body);
}

interface Exchange {
  readonly request: ClientRequest;
  readonly response: IncomingMessage;
  /** Passes `work` on and then disarms the timeout. */
  settle<T>(work: Promise<T>): Promise<T>;
}

function exchange(
  open: Set<ClientRequest>,
  socketPath: string,
  method: string,
  path: string,
  options: RequestOptions,
  trace: Trace | undefined,
): Promise<Exchange> {
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  const headers: Record<string, string | number> = {
    host: 'tasklease',
    accept: 'application/json, application/x-ndjson',
    ...trace?.headers,
  };
  if (body !== undefined) {
    headers['content-type'] = 'application/json';
    headers['content-length'] = Buffer.byteLength(body);
  }
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, method, path, headers, agent: false });
    const timer = options.timeoutMs === undefined ? undefined : setTimeout(timedOut, options.timeoutMs);
    function timedOut() {
      request.destroy(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' }));
    }
    const settle = async <T>(work: Promise<T>): Promise<T> => {
      try {
        return await work;
      } finally {
        clearTimeout(timer);
      }
    };
    open.add(request);
    request.on('close', () => open.delete(request));
    request.on('error', (error) => {
      clearTimeout(timer);
      reject(unreachable(socketPath, error));
    });
    request.on('response', (response) => {
      const { traceresponse } = response.headers;
      if (trace !== undefined && typeof traceresponse === 'string') trace.answered = traceresponse;
      resolve({ request, response, settle });
    });
    request.end(body);
  });
}

async function readAll(socketPath: string, response: IncomingMessage): Promise<Reply> {
  let text = '';
  for await (const line of readChunks(socketPath, response)) text += line;
  return { status: response.statusCode ?? 0, text, body: parseJson(text) };
}

async function* readLines(
  socketPath: string,
  response: IncomingMessage,
): AsyncGenerator<string, void, undefined> {
  let rest = '';
  for await (const chunk of readChunks(socketPath, response)) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield line;
  }
}

async function* readChunks(
  socketPath: string,
  response: IncomingMessage,
): AsyncGenerator<string, void, undefined> {
  response.setEncoding('utf8');
  try {
    for await (const chunk of response) yield chunk as string;
  } catch (error) {
    throw unreachable(socketPath, error);
  }
}

/** The JSON value of a text, or undefined. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unreachable(socketPath: string, error: unknown): AgentUnreachable {
  const { code = 'ECONNRESET' } = error as NodeJS.ErrnoException;
  const refused = code === 'ECONNREFUSED';
  return new AgentUnreachable(socketPath, refused && isNoSocket(socketPath) ? 'ENOTSOCK' : code);
}

/** Linux answers ECONNREFUSED for a file that is no socket as well as for a socket without a listener. */
function isNoSocket(path: string): boolean {
  try {
    return !statSync(path).isSocket();
  } catch {
    return false;
  }
}
