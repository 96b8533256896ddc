// Owns how the tests speak to the agent: HTTP/1.1 over its Unix socket, as curl would. Invariant: paths and
// bodies go out byte for byte; what a test did not ask to be escaped is not escaped.
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';

/** JSON as the tests look into it; a wrong guess about its shape fails the test that made it. */
// biome-ignore lint/suspicious/noExplicitAny: replies are looked into by tests, which is their validation
export type Json = any;

export type Reply = {
  status: number;
  headers: Record<string, string>;
  /** The parsed JSON, or the text where it is none. */
  body: Json;
  text: string;
};

/** An NDJSON answer that stays open. */
export type OpenReply = {
  status: number;
  headers: Record<string, string>;
  /** The next line's value; undefined at the end of the stream. Fails after `withinMs`. */
  next(withinMs?: number): Promise<Json | undefined>;
  /** Reads until a line satisfies `wanted`; fails at the end of the stream. */
  find(wanted: (line: Json) => boolean, withinMs?: number): Promise<Json>;
  /** Cuts the connection. */
  close(): void;
  /** Every line read so far. */
  readonly lines: Json[];
};

const flat = (response: IncomingMessage): Record<string, string> =>
  Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));

const encode = (body: unknown): Buffer | undefined =>
  body === undefined
    ? undefined
    : typeof body === 'string' || Buffer.isBuffer(body)
      ? Buffer.from(body)
      : Buffer.from(JSON.stringify(body));

const open = (
  socketPath: string,
  method: string,
  path: string,
  body: unknown,
  headers: Record<string, string>,
): ClientRequest => {
  const payload = encode(body);
  const sent = httpRequest({
    socketPath,
    method,
    path,
    agent: false,
    headers: {
      host: 'tasklease',
      ...(payload === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': String(payload.length) }),
      ...headers,
    },
  });
  sent.end(payload);
  return sent;
};

/** One call; rejects when the agent cannot be reached or hangs up. */
export const call = (
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const sent = open(socketPath, method, path, body, headers);
    sent.setTimeout(90_000, () => sent.destroy(new Error(`${method} ${path}: silent for 90 s`)));
    sent.once('error', reject);
    sent.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode ?? 0, headers: flat(response), text, body: parsed(text) });
      });
    });
  });

const parsed = (text: string): Json => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

/** One call whose answer is read line by line while it is open. */
export const openCall = (
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<OpenReply> =>
  new Promise((resolve, reject) => {
    const sent = open(socketPath, method, path, body, { accept: 'application/x-ndjson' });
    sent.once('error', reject);
    sent.once('response', (response) => {
      const lines: Json[] = [];
      const waiting: (() => void)[] = [];
      let rest = '';
      let ended = false;
      let read = 0;
      const wake = (): void => {
        for (const each of waiting.splice(0)) each();
      };
      const end = (): void => {
        ended = true;
        wake();
      };
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        const parts = (rest + chunk).split('\n');
        rest = parts.pop() ?? '';
        for (const part of parts) if (part.trim() !== '') lines.push(parsed(part));
        wake();
      });
      response.once('end', end);
      response.once('error', end);
      response.once('close', end);
      sent.on('error', end);
      const next = async (withinMs = 45_000): Promise<Json | undefined> => {
        const startedAt = performance.now();
        while (read >= lines.length && !ended) {
          const left = withinMs - (performance.now() - startedAt);
          if (left <= 0) throw new Error(`${method} ${path}: no line for ${withinMs} ms`);
          let timer: NodeJS.Timeout | undefined;
          await new Promise<void>((woken) => {
            waiting.push(woken);
            timer = setTimeout(woken, left);
          });
          clearTimeout(timer);
        }
        return read < lines.length ? lines[read++] : undefined;
      };
      resolve({
        status: response.statusCode ?? 0,
        headers: flat(response),
        lines,
        next,
        find: async (wanted, withinMs) => {
          for (;;) {
            const line = await next(withinMs);
            if (line === undefined) {
              throw new Error(`${method} ${path} ended before the awaited line: ${JSON.stringify(lines)}`);
            }
            if (wanted(line)) return line;
          }
        },
        close: () => void sent.destroy(),
      });
    });
  });

/** Sends bytes as they are and answers the status and what came back; status 0 when nothing did. */
export const sendRaw = (socketPath: string, bytes: string | Buffer): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    const chunks: Buffer[] = [];
    socket.setTimeout(20_000, () => socket.destroy());
    // The agent may hang up while we still write: what it said before that counts.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') reject(error);
    });
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.once('close', () => {
      const all = Buffer.concat(chunks).toString('utf8');
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(all)?.[1] ?? 0);
      const text = all.slice(all.indexOf('\r\n\r\n') + 4);
      resolve({ status, headers: {}, text, body: parsed(text) });
    });
    socket.end(bytes);
  });
