// Owns a TCP proxy that can lose answers: it carries a request to the server, waits for the reply, and then
// cuts the client off. Invariant: the server always finishes; only its words get lost.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface LosingProxy {
  readonly port: number;
  /** While true, no reply gets through. */
  losing: boolean;
  close(): Promise<void>;
}

export async function losingProxy(serverPort: number): Promise<LosingProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(serverPort, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (bytes) => upstream.write(bytes));
    upstream.on('data', (bytes) => {
      if (proxy.losing) client.destroy();
      else client.write(bytes);
    });
  });
  const proxy: LosingProxy = {
    get port() {
      return (server.address() as AddressInfo).port;
    },
    losing: false,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return proxy;
}
