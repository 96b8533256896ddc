// Owns a first look at the server behind vault.address, without any token: does it answer, over which TLS, what time
// has it. Invariant: nothing is sent but GET sys/health, and a certificate that does not verify is told, not used.

import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { ConnectionOptions } from './connections.ts';

export interface Probe {
  readonly status: number;
  readonly sealed: boolean | null;
  readonly standby: boolean | null;
  readonly version: string | null;
  /** How far its clock is ahead of ours, at least; null where it does not say. Milliseconds. */
  readonly skewMs: number | null;
  /** Null without TLS. */
  readonly tls: {
    readonly protocol: string;
    readonly subject: string;
    readonly issuer: string;
    readonly endsAt: number;
  } | null;
}

const MOST = 64 * 1024;

/** @throws Error with a `code` when there is no answer */
export function probe(options: ConnectionOptions): Promise<Probe> {
  const url = new URL('/v1/sys/health?standbyok=true&perfstandbyok=true', options.address);
  const read = (file: string | undefined) => (file === undefined ? undefined : readFileSync(file));
  const { promise, resolve, reject } = Promise.withResolvers<Probe>();
  const secure = url.protocol === 'https:';
  const sent = Date.now();
  const request = (secure ? httpsRequest : httpRequest)(
    url,
    {
      agent: false,
      timeout: options.timeoutMs,
      ...(secure
        ? {
            minVersion: 'TLSv1.2' as const,
            ca: read(options.caFile),
            cert: read(options.clientCertFile),
            key: read(options.clientKeyFile),
            ...(options.tlsServerName === undefined ? {} : { servername: options.tlsServerName }),
          }
        : {}),
    },
    (response) => {
      const answered = Date.now();
      const tls = secure ? tlsOf(response.socket as TLSSocket) : null;
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= MOST) chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        const body = parse(Buffer.concat(chunks));
        const { sealed, standby, version } = body;
        resolve({
          status: response.statusCode ?? 0,
          sealed: typeof sealed === 'boolean' ? sealed : null,
          standby: typeof standby === 'boolean' ? standby : null,
          version: typeof version === 'string' ? version.slice(0, 64) : null,
          skewMs: skewOf(response.headers.date, sent, answered),
          tls,
        });
      });
    },
  );
  request.on('timeout', () => request.destroy(Object.assign(new Error(), { code: 'ETIMEDOUT' })));
  request.on('error', reject);
  request.end();
  return promise;
}

/** The Date header counts whole seconds: only what lies outside of that second and of the way is told. */
export function skewOf(date: string | undefined, sentMs: number, answeredMs: number): number | null {
  const theirs = Date.parse(date ?? '');
  if (Number.isNaN(theirs)) return null;
  if (theirs + 999 < sentMs) return theirs + 999 - sentMs;
  return theirs > answeredMs ? theirs - answeredMs : 0;
}

function tlsOf(socket: TLSSocket): Probe['tls'] {
  const certificate = socket.getPeerCertificate();
  const name = (of: { CN?: string | string[]; O?: string | string[] } | undefined) =>
    String(of?.CN ?? of?.O ?? 'no name');
  return {
    protocol: socket.getProtocol() ?? 'unknown',
    subject: name(certificate.subject),
    issuer: name(certificate.issuer),
    endsAt: Date.parse(certificate.valid_to),
  };
}

function parse(bytes: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
