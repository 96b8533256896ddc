// Owns the choice of TCP ports for the demo's and the tests' servers. Ports are never fixed, and lie
// below Linux's ephemeral range (ip_local_port_range, ip(7)), so that a server which is stopped for a
// while does not lose its port to somebody's outgoing connection.
import { createServer } from 'node:net';

const FIRST = 15_000;
const LAST = 32_000;

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });

/** A TCP port on 127.0.0.1 that was free a moment ago; callers retry should somebody else win it. */
export const freePort = async (): Promise<number> => {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (await isFree(port)) return port;
  }
  throw new Error(
    `no free TCP port on 127.0.0.1 between ${FIRST} and ${LAST}: stop something that listens there`,
  );
};
