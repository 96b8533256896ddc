// Owns the answer to "who is at the other end of this connection", as the kernel gives it.
// Invariant: read once, when the connection is accepted; where it cannot be had, the caller is refused.

import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { Problem } from '../../domain/problem.ts';
import type { Caller } from '../../domain/task-spec.ts';
import { bootTimeMs, peerCredentials, peerGroups } from '../native/linux.ts';
import { pinCaller } from './pinned-caller.ts';

/** Process ids of a process, one for each pid namespace it is in, proc_pid_status(5). */
const pidDepth = (pid: number | 'self'): number =>
  /^NSpid:\s+(.+)$/m
    .exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
    ?.trim()
    .split(/\s+/).length ?? 1;

const ownDepth = pidDepth('self');

/**
 * False for a caller in a pid namespace inside ours (a container, seen from the host): the pids it speaks of
 * are not those that we see. A caller that is gone already cannot bind anything either.
 */
function sharesPidNamespace(pid: number): boolean {
  if (pid === 0) return false;
  try {
    return pidDepth(pid) === ownDepth;
  } catch {
    return false;
  }
}

/**
 * In a user namespace that does not map every uid, the kernel shows unmapped peers as the overflow uid, so
 * it names nobody there; null on a host, where 65534 is a user like others (user_namespaces(7)).
 */
const overflowUid: number | null = (() => {
  const [inside, outside, count] = readFileSync('/proc/self/uid_map', 'latin1')
    .trim()
    .split(/\s+/)
    .map(Number);
  const whole = inside === 0 && outside === 0 && count === 4_294_967_295;
  return whole ? null : Number(readFileSync('/proc/sys/kernel/overflowuid', 'latin1'));
})();

/** @throws Problem IDENTITY_REJECTED */
export function callerOf(socket: Socket, admin: boolean): Caller {
  try {
    const fd = descriptor(socket);
    const { pid, uid, gid } = peerCredentials(fd);
    if (uid === overflowUid)
      throw new Error(`uid ${uid} stands for every uid that this user namespace lacks`);
    const peer = { pid, shared: sharesPidNamespace(pid), connectedAt: bootTimeMs() };
    return {
      uid,
      gid,
      pid: peer.shared ? pid : 0,
      groups: peerGroups(fd),
      admin,
      pin: () => pinCaller(stillOpen(socket), peer),
    };
  } catch (cause) {
    throw new Problem('IDENTITY_REJECTED', 'the kernel did not say who is calling', {
      cause,
      hint: "connect to the Unix socket directly, as a user that the agent's namespace knows",
    });
  }
}

// Node has no public way to the descriptor (nodejs/node: net.Socket#_handle); an absent one means refusal.
function descriptor(socket: Socket): number {
  const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd;
  if (typeof fd !== 'number' || fd < 0) throw new Error('the socket has no descriptor');
  return fd;
}

/** @throws Problem IDENTITY_REJECTED when the caller has hung up: then nobody waits for what it asked */
function stillOpen(socket: Socket): number {
  try {
    return descriptor(socket);
  } catch (cause) {
    throw new Problem('IDENTITY_REJECTED', 'the caller has hung up', {
      cause,
      retryable: true,
      hint: 'keep the connection open until the start is answered',
    });
  }
}
