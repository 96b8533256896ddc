// Owns the sockets: bound with the right mode from the first moment, limits on what a client may cost,
// the caller known before the first byte is read. Invariant: no TCP here except metrics, read-only.

import { chmodSync, chownSync, lstatSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Problem } from '../domain/problem.ts';
import type { Caller } from '../domain/task-spec.ts';
import { answer, answerProblem, printable } from './exchange.ts';
import { dispatch, type Service } from './routes.ts';

export interface SocketOptions {
  readonly path: string;
  readonly mode: number;
  readonly gid?: number;
  readonly admin: boolean;
  /** Who is at the other end. @throws Problem IDENTITY_REJECTED */
  readonly callerOf: (socket: Socket, admin: boolean) => Caller;
  readonly onProblem: (problem: Problem, request: IncomingMessage) => void;
}

const MAX_CONNECTIONS = 4096;

/** Listens on a Unix socket. The caller holds the lock that makes it the only agent here. */
export async function listenSocket(service: Service, options: SocketOptions): Promise<Server> {
  const callers = new WeakMap<Socket, Caller | Problem>();
  const server = createServer(
    { maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 10_000, keepAliveTimeout: 5000 },
    (request, response) => {
      void serve(service, callers.get(request.socket), request, response).catch((error: unknown) =>
        options.onProblem(answerProblem(request, response, error), request),
      );
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.on('connection', (socket) => {
    try {
      callers.set(socket, options.callerOf(socket, options.admin));
    } catch (error) {
      callers.set(socket, Problem.of(error));
    }
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseRaw(error, socket as Socket));
  await removeStale(options.path);
  // Born closed to everybody else, widened afterwards: never wider than it should be.
  const umask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.path, resolve);
    });
  } finally {
    process.umask(umask);
  }
  if (options.gid !== undefined) chownSync(options.path, -1, options.gid);
  chmodSync(options.path, options.mode);
  return server;
}

async function serve(
  service: Service,
  caller: Caller | Problem | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (caller instanceof Problem) throw caller;
  if (caller === undefined) throw new Problem('IDENTITY_REJECTED', 'the caller is not known');
  const url = request.url ?? '/';
  const mark = url.indexOf('?');
  const path = mark === -1 ? url : url.slice(0, mark);
  const [empty, version, ...segments] = path.split('/');
  if (empty !== '' || version !== 'v1') {
    throw new Problem('NOT_FOUND', `there is no call ${printable(`${request.method} ${path}`)}`, {
      hint: 'every call is under /v1/',
    });
  }
  const query = new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1));
  await dispatch(service, { request, response, caller, segments, query });
}

/** What Node could not even read as HTTP. */
function refuseRaw(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [line, detail] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', 'the headers are larger than 8 KiB']
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'the request did not arrive in time']
        : ['400 Bad Request', 'the request is not HTTP/1.1'];
  const body = JSON.stringify({
    ...new Problem('SIGNAL_INVALID', detail).body(),
    status: Number(line.slice(0, 3)),
  });
  socket.end(
    `HTTP/1.1 ${line}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

/**
 * Removes the socket that a killed agent left behind; anything else in its place is not ours to remove.
 * @throws Error when a process still answers there
 */
async function removeStale(path: string): Promise<void> {
  try {
    if (!lstatSync(path).isSocket()) return;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });
  if (alive) throw new SocketTaken(path);
  rmSync(path);
}

export class SocketTaken extends Error {
  constructor(path: string) {
    super(`${path}: another process listens there: stop it, or give this agent a path of its own`);
    this.name = 'SocketTaken';
  }
}

/** Prometheus text on TCP, for scrapers that cannot reach the socket. Nothing else is served there. */
export async function listenMetrics(service: Service, host: string, port: number): Promise<Server> {
  const server = createServer(
    { maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 5000 },
    (request, response) => {
      const known = request.method === 'GET' && (request.url === '/metrics' || request.url === '/v1/metrics');
      if (known) answer(response, 200, service.metrics(), 'text/plain; version=0.0.4; charset=utf-8');
      else answerProblem(request, response, new Problem('NOT_FOUND', 'only GET /metrics is served here'));
    },
  );
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return server;
}
