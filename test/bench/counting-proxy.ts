// Owns the count of bytes on the wire: a TCP proxy in front of Vault. Counted is what TCP carries, both ways, HTTP
// headers included; not the headers of TCP and IP themselves, nor handshakes.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Wire {
  /** To Vault. */
  readonly sent: number;
  /** From Vault. */
  readonly received: number;
  readonly connections: number;
}

export interface CountingProxy {
  readonly port: number;
  /** Since it was opened. */
  count(): Wire;
  close(): void;
}

export async function openCountingProxy(vaultPort: number): Promise<CountingProxy> {
  const counted = { sent: 0, received: 0, connections: 0 };
  const open = new Set<Socket>();
  const server = createServer((client) => {
    counted.connections += 1;
    const vault = connect(vaultPort, '127.0.0.1');
    for (const [from, to, key] of [
      [client, vault, 'sent'],
      [vault, client, 'received'],
    ] as const) {
      open.add(from);
      from.on('data', (chunk: Buffer) => {
        counted[key] += chunk.length;
      });
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.once('close', () => {
        open.delete(from);
        to.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    count: () => ({ ...counted }),
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
