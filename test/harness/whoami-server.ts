// Owns a server that answers who its caller is, as the agent's adapter sees it: for namespaces that a
// whole agent would be heavy for. Argument: the socket path. Prints "ready" when it listens.

import { chmodSync } from 'node:fs';
import { createServer } from 'node:net';
import { callerOf } from '../../src/adapters/peer/credentials.ts';
import { Problem } from '../../src/domain/problem.ts';

const path = process.argv[2]!;
createServer((socket) => {
  try {
    const caller = callerOf(socket, false);
    const pinned = caller.pin?.() ?? null;
    socket.end(JSON.stringify({ ...caller, evidence: pinned?.evidence ?? null }));
    pinned?.close();
  } catch (error) {
    socket.end(JSON.stringify(Problem.of(error).body()));
  }
}).listen(path, () => {
  chmodSync(path, 0o777);
  process.stdout.write('ready\n');
});
