// Owns the sockets: bound with the right mode from the first moment, limits on what a client may cost,
// the caller known before the first byte is read. Invariant: no TCP here except metrics, read-only.

import { chmodSync, chownSync, lstatSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Problem } from '../domain/problem.ts';
import type { Caller } from '../domain/task-spec.ts';
import { answer, answerProblem, printable } from './exchange.ts';
import { Places } from './places.ts';
import { dispatch, type Service } from './routes.ts';

export interface SocketOptions {
  readonly path: string;
  /** A listening socket at that path that the agent was handed: its mode and owner are not ours to set. */
  readonly fd?: number;
  readonly mode: number;
  readonly gid?: number;
  readonly admin: boolean;
  /** Its name in the configuration, for what is said of it. */
  readonly key?: string;
  /** What may be started through it; absent for whatever the profiles allow. */
  readonly profiles?: readonly string[];
  /** How many sockets for workloads share the descriptors. */
  readonly among?: number;
  /** Who is at the other end. @throws Problem IDENTITY_REJECTED */
  readonly callerOf: (socket: Socket, admin: boolean) => Caller;
  readonly onProblem: (problem: Problem, request: IncomingMessage) => void;
}

const MAX_CONNECTIONS = 4096;
/** For files, Vault and the admin socket, whatever the workloads do. */
const RESERVED_DESCRIPTORS = 256;
const ADMIN_CONNECTIONS = 128;

/** What a client may cost. Node looks after slow and idle ones every 30 s by itself: they would keep their places. */
const LIMITS = {
  maxHeaderSize: 8192,
  headersTimeout: 5000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 2000,
};

/** What the limit on descriptors leaves for workloads: getrlimit(2), RLIMIT_NOFILE. */
function workloadConnections(): number {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
  const left = Number(limit ?? MAX_CONNECTIONS) - RESERVED_DESCRIPTORS;
  return Math.max(4, Math.min(MAX_CONNECTIONS, left));
}

/** Listens on a Unix socket. The caller holds the lock that makes it the only agent here. */
export async function listenSocket(service: Service, options: SocketOptions): Promise<Server> {
  const places = options.admin
    ? ADMIN_CONNECTIONS
    : Math.max(4, Math.floor(workloadConnections() / (options.among ?? 1)));
  const through = options.profiles === undefined ? {} : { profiles: options.profiles };
  const callers = new Places(options.admin ? places : Math.ceil(places / 2), (socket) => ({
    ...options.callerOf(socket, options.admin),
    ...through,
  }));
  const server = createServer(LIMITS, (request, response) => {
    void serve(service, callers, request, response).catch((error: unknown) =>
      options.onProblem(answerProblem(request, response, error), request),
    );
  });
  server.maxConnections = places;
  // Before HTTP has it: a flood costs no parser.
  const [begin] = server.listeners('connection');
  server.removeAllListeners('connection').on('connection', (socket: Socket) => {
    if (callers.admit(socket)) begin!.call(server, socket);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseRaw(error, socket as Socket));
  await bind(server, options);
  return server;
}

/** @throws ListenFault */
async function bind(server: Server, { path, fd, mode, gid, key = 'socket' }: SocketOptions): Promise<void> {
  if (fd !== undefined) return listening(server, key, path, (done) => server.listen({ fd }, done));
  await removeStale(key, path);
  // Born closed to everybody else, widened afterwards: never wider than it should be.
  const umask = process.umask(0o177);
  try {
    await listening(server, key, path, (done) => server.listen(path, done));
  } finally {
    process.umask(umask);
  }
  if (gid !== undefined) chownSync(path, -1, gid);
  chmodSync(path, mode);
}

async function serve(
  service: Service,
  callers: Places,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const caller = callers.caller(request.socket);
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
 * @throws ListenFault when a process still answers there
 */
async function removeStale(key: string, path: string): Promise<void> {
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
  if (alive) throw new ListenFault(key, path, Object.assign(new Error(), { code: 'EADDRINUSE' }));
  rmSync(path);
}

/** A socket of the configuration that cannot be had; the message says which and what to do. */
export class ListenFault extends Error {
  constructor(key: string, where: string, error: NodeJS.ErrnoException) {
    const why: Record<string, string> = {
      EADDRINUSE: 'is in use: stop what is there, or choose another',
      EINVAL: 'is not possible: a socket path has at most 107 bytes',
      ENAMETOOLONG: 'is not possible: a socket path has at most 107 bytes',
      EACCES: 'may not be used by this uid: choose another, or run as a user who may',
      EADDRNOTAVAIL: 'is not an address of this host: choose another',
      ENOTFOUND: 'is not an address of this host: choose another',
    };
    super(`${key}: ${where} ${why[error.code ?? ''] ?? `cannot be used (${error.code ?? error.message})`}`);
    this.name = 'ListenFault';
  }
}

async function listening(
  server: Server,
  key: string,
  where: string,
  start: (done: () => void) => void,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new ListenFault(key, where, error)));
    start(resolve);
  });
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
  await listening(server, 'metrics.listen', `${host}:${port}`, (done) => server.listen(port, host, done));
  return server;
}
