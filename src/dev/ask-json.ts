// Owns one HTTP exchange with JSON in both directions, over TCP or a Unix socket, for the demo and the
// tests. Invariant: rejects only when nobody answers; what is no JSON object or list comes as `text`.
import { type RequestOptions, request } from 'node:http';

export type JsonReply<Body> = { status: number; body: Body };

/** `to` is where and what: host and port or socketPath, method, path, headers. */
export const askJson = <Body>(to: RequestOptions, body: unknown): Promise<JsonReply<Body>> =>
  new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const content =
      payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': payload.length };
    const sent = request({ ...to, agent: false, headers: { ...to.headers, ...content } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const value = /^\s*[{[]/.test(text) ? JSON.parse(text) : text === '' ? {} : { text };
        resolve({ status: response.statusCode ?? 0, body: value as Body });
      });
    });
    sent.once('error', reject);
    sent.end(payload);
  });
