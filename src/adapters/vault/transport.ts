// Owns the way of a request to Vault and back, in the place where node-vault expects `request-promise`. Invariant: no
// redirects but to the nodes of the configuration, no ambient settings, replies of at most 1 MiB; a request is cut off only when its caller
// gave a time limit, which none that issues a secret does.

import { failedReply, failedRequest, isMissing } from './classify.ts';
import { type ClusterOptions, openCluster } from './cluster.ts';
import { exactJson } from './exact-json.ts';
import { Gate, type Urgency } from './gate.ts';

const MAX_REQUESTS = 64;
/** Of these, for the sessions, which pass beside the gate: login or renewal, elders two at a time, and the end of one. */
const SESSION_REQUESTS = 4;
/** Vault itself gives up on a request after 90 s (default_max_request_duration); later there is no reply. */
const LAST_WORD_MS = 120_000;

export type TransportOptions = ClusterOptions;

/** The options of one call, as node-vault hands them on. */
export interface CallOptions {
  readonly method: string;
  readonly path: string;
  readonly uri?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Record<string, string>;
  readonly json?: unknown;
  readonly urgency: Urgency;
  /** Milliseconds; absent for what must not be cut off while Vault can still answer. */
  readonly limitMs?: number;
  /** That there is no such lease or token is an answer here, MISSING, and no failure. */
  readonly mayBeMissing?: boolean;
  /** The same for 404. */
  readonly mayBeAbsent?: boolean;
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
  /** Looks whether the files of its connections have changed; true while they may be changing still. */
  look(): boolean;
  close(): void;
}

export function openTransport(options: TransportOptions): Transport {
  const { origin } = new URL(options.address);
  const gate = new Gate(MAX_REQUESTS - SESSION_REQUESTS);
  const connections = openCluster(options);

  async function send(call: CallOptions): Promise<Reply> {
    const line = { method: call.method, path: call.path.slice(1) };
    const body = call.json === undefined ? null : Buffer.from(JSON.stringify(call.json));
    try {
      const reply = await gate
        .through(call.urgency, laneOf(call), () =>
          connections.exchange({
            method: call.method,
            path: call.uri!.slice(origin.length) + queryOf(call),
            headers: {
              'x-vault-request': 'true',
              ...call.headers,
              ...(body === null ? {} : { 'content-type': 'application/json' }),
            },
            body,
            limitMs: call.limitMs ?? LAST_WORD_MS,
          }),
        )
        .catch((error: unknown) => {
          throw failedRequest(line, origin, error);
        });
      try {
        const request = { path: line.path };
        if (reply.status === 200 || reply.status === 204) {
          return { statusCode: reply.status, body: parse(reply.bytes), request };
        }
        const missing = call.mayBeMissing === true && isMissing(reply.status, reply.bytes);
        if (missing || (call.mayBeAbsent === true && reply.status === 404)) {
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

  return { defaults: () => send, look: () => connections.look(), close: () => connections.close() };
}

const queryOf = ({ query }: CallOptions): string =>
  query === undefined ? '' : `?${new URLSearchParams(query)}`;

/** The mount that the request is for: that of the lease, else of the path. */
function laneOf({ json, path }: CallOptions): string {
  const { lease_id: leaseId } = (json ?? {}) as { lease_id?: unknown };
  return (typeof leaseId === 'string' ? leaseId : path.slice(1)).split('/', 1)[0]!;
}

const parse = (bytes: Buffer): unknown => {
  if (bytes.length === 0) return {};
  try {
    return exactJson(bytes.toString('utf8'));
  } catch {
    return null;
  }
};
