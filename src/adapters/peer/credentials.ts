// Owns the answer to "who is at the other end of this connection", as the kernel gives it.
// Invariant: read once, when the connection is accepted; where it cannot be had, the caller is refused.

import type { Socket } from 'node:net';
import { Problem } from '../../domain/problem.ts';
import type { Caller } from '../../domain/task-spec.ts';
import { peerCredentials, peerGroups } from '../native/linux.ts';

/** @throws Problem IDENTITY_REJECTED */
export function callerOf(socket: Socket, admin: boolean): Caller {
  try {
    const fd = descriptor(socket);
    const { pid, uid, gid } = peerCredentials(fd);
    return { uid, gid, pid, groups: peerGroups(fd), admin };
  } catch (cause) {
    throw new Problem('IDENTITY_REJECTED', 'the kernel did not say who is calling', {
      cause,
      hint: 'connect to the Unix socket directly, not through a proxy',
    });
  }
}

// Node has no public way to the descriptor (nodejs/node: net.Socket#_handle); an absent one means refusal.
function descriptor(socket: Socket): number {
  const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd;
  if (typeof fd !== 'number' || fd < 0) throw new Error('the socket has no descriptor');
  return fd;
}
