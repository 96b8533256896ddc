// Owns the connections to Vault, in the place where node-vault expects `request-promise`. Invariant: no
// redirects, no ambient settings, replies of at most 1 MiB; a request is aborted only when its caller
// gave a time limit, which none that issues a secret does.

import { readFileSync } from 'node:fs';
import { Pool } from 'undici';
import { failedReply, failedRequest } from './classify.ts';
import { Gate, type Urgency } from './gate.ts';

const MAX_REPLY = 1024 * 1024;
const MAX_REQUESTS = 64;
/** Vault itself gives up on a request after 90 s (default_max_request_duration); later there is no reply. */
const LAST_WORD_MS = 120_000;

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
  /** Milliseconds; absent for what must never be cut off. */
  readonly limitMs?: number;
}

export interface Reply {
  readonly statusCode: number;
  readonly body: unknown;
  readonly request: { readonly path: string };
}

export interface Transport {
  /** request-promise's way to preset options; what node-vault presets has no meaning here. */
  defaults(): (options: CallOptions) => Promise<Reply>;
  close(): Promise<void>;
}

export function openTransport(options: TransportOptions): Transport {
  const { origin } = new URL(options.address);
  const gate = new Gate(MAX_REQUESTS);
  const pool = new Pool(origin, {
    connections: MAX_REQUESTS,
    pipelining: 1,
    headersTimeout: LAST_WORD_MS,
    bodyTimeout: LAST_WORD_MS,
    maxResponseSize: MAX_REPLY,
    connect: {
      timeout: options.timeoutMs,
      ...(options.caFile === undefined ? {} : { ca: readFileSync(options.caFile) }),
      ...(options.tlsServerName === undefined ? {} : { servername: options.tlsServerName }),
      ...(options.clientCertFile === undefined ? {} : { cert: readFileSync(options.clientCertFile) }),
      ...(options.clientKeyFile === undefined ? {} : { key: readFileSync(options.clientKeyFile) }),
    },
  });

  async function send(call: CallOptions): Promise<Reply> {
    const path = call.uri!.slice(origin.length);
    const line = { method: call.method, path: path.replace(/^\/v1\//, '').replace(/\?.*/, '') };
    const body = call.json === undefined ? null : Buffer.from(JSON.stringify(call.json));
    try {
      return await gate.through(call.urgency, async () => {
        const answer = await pool
          .request({
            method: call.method as 'GET',
            path,
            headers: {
              'x-vault-request': 'true',
              ...call.headers,
              ...(body === null ? {} : { 'content-type': 'application/json' }),
            },
            body,
            ...(call.limitMs === undefined ? {} : { signal: AbortSignal.timeout(call.limitMs) }),
          })
          .catch((error: unknown) => {
            throw failedRequest(line, origin, error);
          });
        const bytes = await collect(answer.body).catch((error: unknown) => {
          throw failedRequest(line, origin, error);
        });
        try {
          if (answer.statusCode !== 200 && answer.statusCode !== 204) {
            const retryAfter = answer.headers['retry-after'];
            throw failedReply(
              line,
              answer.statusCode,
              bytes,
              Array.isArray(retryAfter) ? retryAfter[0] : retryAfter,
            );
          }
          return { statusCode: answer.statusCode, body: parse(bytes), request: { path: line.path } };
        } finally {
          bytes.fill(0);
        }
      });
    } finally {
      // A secret id or a wrapped token may be in it.
      body?.fill(0);
    }
  }

  return { defaults: () => send, close: () => pool.destroy() };
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  if (chunks.length === 1) return chunks[0]!;
  const whole = Buffer.concat(chunks);
  for (const chunk of chunks) chunk.fill(0);
  return whole;
}

const parse = (bytes: Buffer): unknown => {
  if (bytes.length === 0) return {};
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
};
