// Owns one connection of a probe: bytes out, exactly so many bytes in, TLS from the start or later. Invariant: whatever
// ends it (the limit, the server, an error) fails what waits at once, with words of our own; nothing is left open.

import { readFileSync } from 'node:fs';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Credential, Probe, Target } from '../../domain/probe.ts';
import { NotYet } from '../../ports/probes.ts';

/** No handshake is longer; what sends more is another kind of server. */
const MOST_BYTES = 256 * 1024;

export class Wire {
  #socket: Socket;
  #chunks: Buffer[] = [];
  #length = 0;
  #fault: NotYet | null = null;
  #wake: (() => void) | null = null;
  readonly #signal: AbortSignal;
  readonly #abort = () => this.#fail(new NotYet(''));

  private constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
    signal.addEventListener('abort', this.#abort, { once: true });
    this.#listen();
  }

  /** @throws NotYet */
  static async open({ host, port }: Target, signal: AbortSignal): Promise<Wire> {
    if (signal.aborted) throw new NotYet('');
    const socket = connect({ host, port });
    const wire = new Wire(socket, signal);
    await wire.#until('connect');
    socket.setNoDelay(true);
    return wire;
  }

  /** TLS from here on, verified. What came before it unasked is not trusted. @throws NotYet */
  async secure({ caFile, serverName }: Probe, { host }: Target, alpn?: string): Promise<void> {
    if (this.#length > 0) throw new NotYet('says something before TLS');
    const ca = caFile === undefined ? undefined : readCa(caFile);
    const plain = this.#socket;
    plain.removeAllListeners('data').removeAllListeners('close').removeAllListeners('end');
    const name = serverName ?? host;
    this.#socket = connectTls({
      socket: plain,
      host: name,
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(ca === undefined ? {} : { ca }),
      ...(alpn === undefined ? {} : { ALPNProtocols: [alpn] }),
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
    });
    this.#listen();
    await this.#until('secureConnect');
  }

  /** The buffer is wiped once it is sent: a password may be in it. */
  write(bytes: Buffer): void {
    if (this.#fault !== null) throw this.#fault;
    this.#socket.write(bytes, () => bytes.fill(0));
  }

  /** Exactly so many bytes. @throws NotYet */
  async read(length: number): Promise<Buffer> {
    if (length > MOST_BYTES) throw new NotYet('answers in another protocol');
    while (this.#length < length) await this.#more();
    return this.#take(length);
  }

  /** A line without its end (CR LF). @throws NotYet */
  async line(): Promise<string> {
    for (;;) {
      const end = Buffer.concat(this.#chunks).indexOf('\r\n');
      if (end >= 0) {
        const line = this.#take(end + 2);
        return line.subarray(0, end).toString('latin1');
      }
      await this.#more();
    }
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#abort);
    this.#fault ??= new NotYet('');
    this.#socket.destroy();
    for (const chunk of this.#chunks.splice(0)) chunk.fill(0);
    this.#length = 0;
  }

  #listen(): void {
    this.#socket.on('error', (error) => this.#fail(new NotYet(meaningOf(error))));
    this.#socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      if (this.#length > MOST_BYTES) this.#fail(new NotYet('answers in another protocol'));
      this.#wake?.();
    });
    const over = () => this.#fail(new NotYet('closes the connection'));
    this.#socket.on('end', over);
    this.#socket.on('close', over);
  }

  #fail(fault: NotYet): void {
    this.#fault ??= fault;
    this.#socket.destroy();
    this.#wake?.();
  }

  async #until(event: 'connect' | 'secureConnect'): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.once(event, resolve);
    this.#wake = resolve;
    await promise;
    this.#wake = null;
    if (this.#fault !== null) throw this.#fault;
  }

  async #more(): Promise<void> {
    if (this.#fault !== null) throw this.#fault;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = null;
    // What was said before the end is read first.
    if (this.#fault !== null && this.#length === 0) throw this.#fault;
  }

  #take(length: number): Buffer {
    const all = Buffer.concat(this.#chunks);
    const rest = all.subarray(length);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
    return all.subarray(0, length);
  }
}

/** Asks one server once. @throws NotYet, and whatever the connection breaks with */
export type Attempt = (
  probe: Probe,
  target: Target,
  signal: AbortSignal,
  credential: Credential,
) => Promise<void>;

/** One attempt over a connection that is closed however it ends. */
export async function over(
  target: Target,
  signal: AbortSignal,
  attempt: (wire: Wire) => Promise<void>,
): Promise<void> {
  const wire = await Wire.open(target, signal);
  try {
    await attempt(wire);
  } finally {
    wire.close();
  }
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new NotYet(`cannot be verified: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

const MEANINGS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses connections',
  ECONNRESET: 'resets the connection',
  EPIPE: 'closes the connection',
  ENOTFOUND: 'is no host that is known',
  EAI_AGAIN: 'cannot be looked up',
  EHOSTUNREACH: 'cannot be reached',
  ENETUNREACH: 'cannot be reached',
  ETIMEDOUT: 'does not answer',
};

/** What an error means, by its code alone: its text may hold what was sent. */
export function meaningOf(error: Error & { code?: string; errors?: readonly { code?: string }[] }): string {
  const code = error.code ?? error.errors?.[0]?.code ?? 'unknown';
  const known = MEANINGS[code];
  if (known !== undefined) return known;
  return /CERT|SIGNATURE|ALTNAME|ISSUER|SSL|TLS/.test(code)
    ? `does not pass the TLS check (${code})`
    : `cannot be used (${code})`;
}
