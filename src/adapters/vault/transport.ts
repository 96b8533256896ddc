// Owns the connections to Vault, in the place where node-vault expects `request-promise`. Invariant: no
// redirects, no ambient settings, replies of at most 1 MiB; a request is cut off only when its caller
// gave a time limit, which none that issues a secret does.

import { readFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import type { Socket } from 'node:net';
import { failedReply, failedRequest, isMissing, NOT_CONNECTED, TOO_LARGE } from './classify.ts';
import { Gate, type Urgency } from './gate.ts';

const MAX_REPLY = 1024 * 1024;
const MAX_REQUESTS = 64;
/** Of these, for the sessions, which pass beside the gate: login or renewal, and elders three at a time. */
const SESSION_REQUESTS = 4;
/** Vault itself gives up on a request after 90 s (default_max_request_duration); later there is no reply. */
const LAST_WORD_MS = 120_000;
/** Well below Vault's own idle timeout of 5 min, so that a connection is hardly ever closed under a request. */
const IDLE_MS = 30_000;

export interface TransportOptions {
  readonly address: string;
  readonly caFile?: string;
  readonly tlsServerName?: string;
  readonly clientCertFile?: string;
  readonly clientKeyFile?: string;
  readonly timeoutMs: number;
}

/** The options of one call, as node-vault hands them on. */
export interface CallOptions {
  readonly method: string;
  readonly path: string;
  readonly uri?: string;
  readonly headers?: Record<string, string>;
  readonly json?: unknown;
  readonly urgency: Urgency;
  /** Milliseconds; absent for what must not be cut off while Vault can still answer. */
  readonly limitMs?: number;
  /** That there is no such lease or token is an answer here, MISSING, and no failure. */
  readonly mayBeMissing?: boolean;
}

/** The body of an answer that no reply can forge. */
export const MISSING = Symbol('missing');

export interface Reply {
  readonly statusCode: number;
  readonly body: unknown;
  readonly request: { readonly path: string };
}

export interface Transport {
  /** request-promise's way to preset options; what node-vault presets has no meaning here. */
  defaults(): (options: CallOptions) => Promise<Reply>;
  close(): void;
}

interface RawReply {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly bytes: Buffer;
}

export function openTransport(options: TransportOptions): Transport {
  const { origin, protocol, hostname, port } = new URL(options.address);
  // Parsed once; a literal IPv6 address loses its brackets here.
  const server = { protocol, hostname: hostname.replace(/^\[|\]$/g, ''), ...(port === '' ? {} : { port }) };
  const gate = new Gate(MAX_REQUESTS - SESSION_REQUESTS);
  const agent = openConnections(protocol, options);
  const request = protocol === 'https:' ? https.request : http.request;

  function exchange(call: CallOptions, body: Buffer | null): Promise<RawReply> {
    return new Promise((resolve, reject) => {
      const sent = request({
        ...server,
        path: call.uri!.slice(origin.length),
        agent,
        method: call.method,
        headers: {
          'x-vault-request': 'true',
          ...call.headers,
          ...(body === null ? {} : { 'content-type': 'application/json', 'content-length': body.length }),
        },
      });
      const limit = setTimeout(() => sent.destroy(coded('ETIMEDOUT')), call.limitMs ?? LAST_WORD_MS);
      const end = (error: unknown) => {
        clearTimeout(limit);
        reject(error);
      };
      sent.on('socket', (socket) => limitConnecting(sent, socket, protocol, options.timeoutMs));
      sent.on('error', end);
      sent.on('response', (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_REPLY) sent.destroy(coded(TOO_LARGE));
          else chunks.push(chunk);
        });
        response.on('error', end);
        response.on('end', () => {
          clearTimeout(limit);
          resolve({
            status: response.statusCode!,
            retryAfter: response.headers['retry-after'],
            bytes: whole(chunks),
          });
        });
      });
      sent.end(body);
    });
  }

  async function send(call: CallOptions): Promise<Reply> {
    const line = { method: call.method, path: call.path.slice(1) };
    const body = call.json === undefined ? null : Buffer.from(JSON.stringify(call.json));
    try {
      const reply = await gate
        .through(call.urgency, laneOf(call), () => exchange(call, body))
        .catch((error: unknown) => {
          throw failedRequest(line, origin, error);
        });
      try {
        const request = { path: line.path };
        if (reply.status === 200 || reply.status === 204) {
          return { statusCode: reply.status, body: parse(reply.bytes), request };
        }
        if (call.mayBeMissing === true && isMissing(reply.status, reply.bytes)) {
          return { statusCode: 200, body: MISSING, request };
        }
        throw failedReply(line, reply.status, reply.bytes, reply.retryAfter);
      } finally {
        reply.bytes.fill(0);
      }
    } finally {
      // A secret id or a wrapped token may be in it.
      body?.fill(0);
    }
  }

  return { defaults: () => send, close: () => agent.destroy() };
}

function openConnections(protocol: string, options: TransportOptions): http.Agent {
  // The gate limits; a limit here would make the session wait behind others.
  const pool = { keepAlive: true, maxFreeSockets: MAX_REQUESTS, timeout: IDLE_MS };
  if (protocol !== 'https:') return new http.Agent(pool);
  return new https.Agent({
    ...pool,
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    ...(options.caFile === undefined ? {} : { ca: readFileSync(options.caFile) }),
    ...(options.tlsServerName === undefined ? {} : { servername: options.tlsServerName }),
    ...(options.clientCertFile === undefined ? {} : { cert: readFileSync(options.clientCertFile) }),
    ...(options.clientKeyFile === undefined ? {} : { key: readFileSync(options.clientKeyFile) }),
  });
}

/** The mount that the request is for: that of the lease, else of the path. */
function laneOf({ json, path }: CallOptions): string {
  const { lease_id: leaseId } = (json ?? {}) as { lease_id?: unknown };
  return (typeof leaseId === 'string' ? leaseId : path.slice(1)).split('/', 1)[0]!;
}

/** Nothing is sent before the connection stands, so giving up on that is always safe. */
function limitConnecting(sent: http.ClientRequest, socket: Socket, protocol: string, limitMs: number): void {
  if (!socket.connecting) return;
  const limit = setTimeout(() => sent.destroy(coded(NOT_CONNECTED)), limitMs);
  const clear = () => clearTimeout(limit);
  socket.once(protocol === 'https:' ? 'secureConnect' : 'connect', clear);
  socket.once('close', clear);
}

const coded = (code: string): Error => Object.assign(new Error(code), { code });

function whole(chunks: readonly Buffer[]): Buffer {
  if (chunks.length === 1) return chunks[0]!;
  const bytes = Buffer.concat(chunks);
  for (const chunk of chunks) chunk.fill(0);
  return bytes;
}

const parse = (bytes: Buffer): unknown => {
  if (bytes.length === 0) return {};
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
};
