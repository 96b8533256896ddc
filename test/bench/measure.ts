// Owns how benchmarks call and measure: a client whose connection stays open, times, percentiles, memory.

import { readFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import type { Json } from '../harness/socket-api.ts';

export type Send = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Json>;

/** A client with one connection that stays open. Fails on a status that is not expected. */
export const keptAlive = (
  where: { socketPath: string } | { host: string; port: number },
  maxSockets = 1,
): Send => {
  const agent = new Agent({ keepAlive: true, maxSockets });
  return (method, path, body, headers = {}) =>
    new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const sent = httpRequest({
        ...where,
        agent,
        method,
        path,
        headers: {
          ...headers,
          ...(payload === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(payload)) }),
        },
      });
      sent.once('error', reject);
      sent.once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({ status: response.statusCode, body: text === '' ? undefined : JSON.parse(text) });
        });
      });
      sent.end(payload);
    });
};

export const expectStatus = (reply: Json, status: number, what: string): Json => {
  if (reply.status !== status) throw new Error(`${what}: ${reply.status} ${JSON.stringify(reply.body)}`);
  return reply.body;
};

export const timed = async <T>(into: number[], work: () => Promise<T>): Promise<T> => {
  const startedAt = performance.now();
  const result = await work();
  into.push(performance.now() - startedAt);
  return result;
};

export const percentile = (values: number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ??
  Number.NaN;

export const memoryMb = (pid: number): { rss: number; anonymous: number } => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mb = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024;
  return { rss: mb('VmRSS'), anonymous: mb('RssAnon') };
};
