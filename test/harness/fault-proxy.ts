// Owns a proxy in front of Vault that breaks what it is told to break: requests cut before Vault sees them,
// answers lost, late, torn or invented. Invariant: what it hands to Vault, Vault finishes; a request that no
// plan names passes as it is; and every request is counted, in flight and by the second.

import { once } from 'node:events';
import { Agent, createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Fault, type OpenPlan, type Plan, planBook, type Which } from './faults.ts';
import { pause } from './until.ts';

/** What a request is to the agent. */
export type Kind = 'login' | 'session' | 'token' | 'read' | 'renew' | 'revoke' | 'lookup';
export type Seen = {
  readonly at: number;
  readonly kind: Kind;
  readonly method: string;
  readonly path: string;
};

export type FaultProxy = {
  readonly address: string;
  on(which: Which, fault: Fault): Plan;
  /** Ends every plan. */
  heal(): void;
  /** Nobody listens any more, and open connections are cut; `up` takes it back. */
  down(): Promise<void>;
  up(): Promise<void>;
  /** Every request since the last forget(), in order of arrival. */
  readonly seen: readonly Seen[];
  /** The most requests that were in flight at once since the last forget(). */
  readonly peak: number;
  /** The most requests, of one kind or of all, that arrived within any one second since the last forget(). */
  perSecond(kind?: Kind): number;
  forget(): void;
  close(): Promise<void>;
};

export const kindOf = (path: string): Kind => {
  if (/\/login$|^auth\/token\/create\/tasklease-session$/.test(path)) return 'login';
  if (path.startsWith('auth/token/create/')) return 'token';
  if (path.endsWith('-self')) return 'session';
  if (path === 'sys/leases/renew') return 'renew';
  if (/^sys\/leases\/revoke|^auth\/token\/revoke/.test(path)) return 'revoke';
  return path.includes('/lookup') ? 'lookup' : 'read';
};

type Answer = { readonly head: string; readonly body: Buffer };

export const faultProxy = async (vaultPort: number): Promise<FaultProxy> => {
  const clients = new Set<Socket>();
  const upstream = new Agent({ keepAlive: true, maxFreeSockets: 64 });
  const plans = planBook();
  let seen: Seen[] = [];
  const inFlight = new Set<IncomingMessage>();
  let peak = 0;

  /** Vault's answer as the bytes of a connection that stays open. */
  const forward = (incoming: IncomingMessage, payload: Buffer): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { method = 'GET', url = '/', headers } = incoming;
      const sent = httpRequest({
        port: vaultPort,
        host: '127.0.0.1',
        method,
        path: url,
        headers,
        agent: upstream,
      });
      sent.once('error', reject);
      sent.once('response', async (reply) => {
        const chunks: Buffer[] = [];
        reply.on('data', (chunk: Buffer) => chunks.push(chunk));
        reply.once('error', reject);
        await once(reply, 'end');
        const body = Buffer.concat(chunks);
        resolve({ head: headOf(reply.statusCode ?? 0, reply.rawHeaders, body.length), body });
      });
      sent.end(payload);
    });

  const strike = async (incoming: IncomingMessage, payload: Buffer, plan: OpenPlan | undefined) => {
    const client = incoming.socket;
    const fault = plan?.fault;
    const write = (bytes: Buffer | string) => new Promise<void>((sent) => client.write(bytes, () => sent()));
    switch (fault?.do) {
      case 'cut':
        return void client.resetAndDestroy();
      case 'blackHole':
        await plan!.lifted;
        return void client.resetAndDestroy();
      case 'answer': {
        if (fault.afterEffect === true) await forward(incoming, payload);
        const { status, body = '', headers = {} } = fault;
        return write(headOf(status, Object.entries(headers).flat(), Buffer.byteLength(body)) + body);
      }
      case 'abandon':
        forward(incoming, payload).catch(() => undefined);
        await pause(fault.ms);
        return void client.resetAndDestroy();
      case 'delay':
        await pause(fault.ms);
    }
    const { head, body } = await forward(incoming, payload);
    const whole = Buffer.concat([Buffer.from(head), body]);
    if (fault?.do === 'hold') await plan!.lifted;
    if (fault?.do === 'reset') {
      if (fault.afterBytes > 0) await write(whole.subarray(0, fault.afterBytes));
      return void client.resetAndDestroy();
    }
    if (fault?.do === 'halfBody') {
      await write(Buffer.concat([Buffer.from(head), body.subarray(0, body.length / 2)]));
      return void client.end();
    }
    if (fault?.do === 'trickle') {
      for (let at = 0; at < whole.length && !client.destroyed; at += fault.bytes) {
        await write(whole.subarray(at, at + fault.bytes));
        await pause(fault.everyMs);
      }
      return;
    }
    await write(whole);
  };

  const server = createServer(async (incoming) => {
    const path = (incoming.url ?? '/').replace(/^\/v1\//, '').replace(/\?.*$/, '');
    const method = incoming.method ?? 'GET';
    const client = incoming.socket;
    // In flight until it is answered, or the client has hung up.
    const done = () => inFlight.delete(incoming);
    inFlight.add(incoming);
    client.once('close', done);
    peak = Math.max(peak, inFlight.size);
    seen.push({ at: performance.now(), kind: kindOf(path), method, path });
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const payload = Buffer.concat(chunks);
      await strike(incoming, payload, plans.take(method, path, payload));
    } catch {
      // Vault is not there, or the client has gone.
      incoming.socket.resetAndDestroy();
    } finally {
      client.off('close', done);
      done();
    }
  });
  // An idle connection is the agent's to close, as with Vault itself (5 min).
  Object.assign(server, { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 });
  server.on('connection', (socket) => {
    clients.add(socket);
    socket.on('error', () => undefined).once('close', () => clients.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const down = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of clients) socket.resetAndDestroy();
    await closed;
  };
  return {
    address: `http://127.0.0.1:${port}`,
    on: plans.add,
    heal: plans.liftAll,
    down,
    async up() {
      if (server.listening) return;
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
    get seen() {
      return seen;
    },
    get peak() {
      return peak;
    },
    perSecond(kind) {
      const instants = seen.filter((each) => kind === undefined || each.kind === kind).map(({ at }) => at);
      return Math.max(0, ...instants.map((at, i) => i + 1 - instants.findIndex((from) => from > at - 1000)));
    },
    forget() {
      seen = [];
      peak = inFlight.size;
    },
    async close() {
      plans.liftAll();
      await down();
      upstream.destroy();
    },
  };
};

/** Without hop-by-hop headers; the length is told, so that the connection can carry the next answer. */
const headOf = (status: number, rawHeaders: readonly string[], length: number): string => {
  let head = `HTTP/1.1 ${status} ${status === 200 ? 'OK' : 'Said'}\r\n`;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (/^(?:content-length|transfer-encoding|connection|keep-alive)$/i.test(rawHeaders[i]!)) continue;
    head += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
  }
  return `${head}${status === 204 ? '' : `content-length: ${length}\r\n`}\r\n`;
};
