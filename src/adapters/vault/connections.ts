// Owns the connections to Vault, which are kept and used again: undici's pool, without the rest of undici, since
// node:http takes twice the processor time for a request, and where Vault shares the machine the kill switch waits for
// that. Invariant: a request is sent once, to the server that the certificate says; nothing is repeated here.

import type { Dispatcher } from 'undici';
import Pool from 'undici/lib/dispatcher/pool.js';
import { type FileNews, LastGood } from '../../domain/last-good.ts';
import { TOO_LARGE } from './classify.ts';
import { fingerprint } from './credential-file.ts';
import { readTls, type TlsFiles, type TlsMaterial } from './tls-files.ts';

const MAX_REPLY = 1024 * 1024;
/** Well below Vault's own idle timeout of 5 min, so that a connection is hardly ever closed under a request. */
const IDLE_MS = 30_000;

export interface ConnectionOptions extends TlsFiles {
  readonly address: string;
  readonly tlsServerName?: string;
  /** Told of files that cannot be used as they are. */
  readonly news?: FileNews;
  /** How long a connection may take to stand. Nothing is sent before, so giving up on that is always safe. */
  readonly timeoutMs: number;
}

export interface Outgoing {
  readonly method: string;
  /** With its leading slash. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
  /** From now to the last byte. Milliseconds. */
  readonly limitMs: number;
}

export interface RawReply {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** Where a redirect points. */
  readonly location: string | undefined;
  readonly bytes: Buffer;
}

export interface Connections {
  exchange(request: Outgoing): Promise<RawReply>;
  /** Looks whether its files have changed; true while they may be changing still. */
  look(): boolean;
  close(): void;
}

/** Certificates follow their files: looked at this often at most, when there is something to send. */
const LOOK_MS = 1000;
/** Two files, or one in pieces, take a moment to be written. */
const STILL_MS = 100;

export function openConnections(options: ConnectionOptions): Connections {
  const files = [options.caFile, options.clientCertFile, options.clientKeyFile].filter(
    (file) => file !== undefined,
  );
  const good = new LastGood<TlsMaterial>('vault.tls', options.news);
  let taken = fingerprint(files);
  let material = good.take(() => readTls(options));
  let pool = poolWith(options, material);
  let lookedAt = performance.now();
  /** Another state of the files than the one that was taken, and since when it has been so. */
  let seen: { readonly print: string; readonly at: number } | null = null;
  const look = (): boolean => {
    lookedAt = performance.now();
    const print = fingerprint(files);
    if (print === taken) seen = null;
    else if (seen?.print !== print) seen = { print, at: lookedAt };
    else if (lookedAt - seen.at >= STILL_MS) {
      taken = print;
      seen = null;
      const before = material;
      material = good.take(() => readTls(options));
      if (material !== before) renew();
    }
    return seen !== null;
  };
  const renew = (): void => {
    // What is under way comes to its end.
    void pool.close();
    pool = poolWith(options, material);
  };
  return {
    exchange(request) {
      const waitMs = seen === null ? LOOK_MS : STILL_MS;
      if (files.length > 0 && performance.now() - lookedAt >= waitMs) look();
      return exchange(pool, request);
    },
    look,
    close: () => void pool.destroy(),
  };
}

function poolWith(options: ConnectionOptions, tls: TlsMaterial): Pool {
  return new Pool(new URL(options.address).origin, {
    // The gate limits; a limit here would make the session wait behind others.
    connections: null,
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: IDLE_MS,
    keepAliveMaxTimeout: IDLE_MS,
    // The time limit of each request is its caller's.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: {
      ...tls,
      timeout: options.timeoutMs,
      keepAlive: true,
      ...(options.tlsServerName === undefined ? {} : { servername: options.tlsServerName }),
    },
  });
}

function exchange(pool: Dispatcher, { method, path, headers, body, limitMs }: Outgoing): Promise<RawReply> {
  const { promise, resolve, reject } = Promise.withResolvers<RawReply>();
  let controller: Dispatcher.DispatchController | null = null;
  let failed: Error | null = null;
  const fail = (error: Error): void => {
    failed = error;
    clearTimeout(limit);
    controller?.abort(error);
    reject(error);
  };
  const limit = setTimeout(() => fail(coded('ETIMEDOUT')), limitMs);
  const chunks: Buffer[] = [];
  let size = 0;
  let status = 0;
  let retryAfter: string | undefined;
  let location: string | undefined;
  pool.dispatch(
    { method: method as Dispatcher.HttpMethod, path, headers: { ...headers }, body },
    {
      onRequestStart(started) {
        controller = started;
        // Given up while it waited for its connection: then it is not sent at all.
        if (failed !== null) started.abort(failed);
      },
      onResponseStart(_, statusCode, replied) {
        status = statusCode;
        retryAfter = replied['retry-after']?.toString();
        location = replied.location?.toString();
      },
      onResponseData(_, chunk) {
        size += chunk.length;
        if (size > MAX_REPLY) fail(coded(TOO_LARGE));
        else chunks.push(chunk);
      },
      onResponseEnd() {
        clearTimeout(limit);
        resolve({ status, retryAfter, location, bytes: whole(chunks) });
      },
      onResponseError(_, error) {
        fail(error);
      },
    },
  );
  return promise;
}

const coded = (code: string): Error => Object.assign(new Error(code), { code });

/** The bytes in one buffer, and in no other. */
function whole(chunks: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(chunks);
  for (const chunk of chunks) chunk.fill(0);
  return bytes;
}
