// Owns the sockets that a service manager opened for the agent and hands to it: sd_listen_fds(3). Invariant: taken
// only by the process that LISTEN_PID names, and only when each is a listening Unix socket at the place that the
// configuration names; anything else is refused, since whoever connects there would be taken for somebody else.

import { lstatSync } from 'node:fs';
import { closeOnExec, unixListener } from '../native/linux.ts';

/** A socket of the configuration that may be handed over. */
export interface Expected {
  /** FileDescriptorName= of its unit, systemd.socket(5). */
  readonly name: string;
  /** The configuration key of its path. */
  readonly key: string;
  readonly path: string;
  /** Who may connect is decided by the mode alone: nobody but root and the agent. */
  readonly private: boolean;
}

/** What was handed over cannot be used; the message says which and what to do. */
export class ActivationFault extends Error {
  override readonly name = 'ActivationFault';
}

/** sd_listen_fds(3), SD_LISTEN_FDS_START. */
const FIRST = 3;
const VARIABLES = ['LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDS', 'LISTEN_FDNAMES'];

/**
 * Descriptors by the name of their socket; the variables are taken out of the environment.
 * @throws ActivationFault
 */
export function handedOver(expected: readonly Expected[], env: NodeJS.ProcessEnv): Map<string, number> {
  const { LISTEN_PID: pid, LISTEN_FDS: fds, LISTEN_FDNAMES: named } = env;
  for (const variable of VARIABLES) delete env[variable];
  const found = new Map<string, number>();
  if (Number(pid) !== process.pid || fds === undefined) return found;
  const count = /^\d{1,4}$/.test(fds) ? Number(fds) : Number.NaN;
  if (Number.isNaN(count)) throw new ActivationFault(`LISTEN_FDS is not a number: ${JSON.stringify(fds)}`);
  const names = named === undefined || named === '' ? [] : named.split(':');
  if (names.length !== count) {
    throw new ActivationFault(
      `LISTEN_FDNAMES names ${names.length} of ${count} descriptors: give each socket unit a FileDescriptorName=`,
    );
  }
  for (const [i, name] of names.entries()) {
    const socket = expected.find((each) => each.name === name);
    const which = `descriptor ${FIRST + i} (${name})`;
    if (socket === undefined) {
      const known = expected.map((each) => each.name).join(', ');
      throw new ActivationFault(
        `${which} is not a socket of the configuration: FileDescriptorName= of its unit must be one of ${known}`,
      );
    }
    if (found.has(name)) throw new ActivationFault(`${which} is handed over twice: one socket a name`);
    check(FIRST + i, which, socket);
    found.set(name, FIRST + i);
  }
  for (const fd of found.values()) closeOnExec(fd);
  return found;
}

function check(fd: number, which: string, { key, path, private: isPrivate }: Expected): void {
  const bound = unixListener(fd);
  if (bound === null) {
    throw new ActivationFault(
      `${which} is not a listening Unix stream socket: its unit needs ListenStream= with a path, and Accept=no`,
    );
  }
  if (bound !== path) {
    throw new ActivationFault(
      `${which} is bound to ${JSON.stringify(bound)}, but ${key} says ${path}: make them the same`,
    );
  }
  if (isPrivate && (lstatSync(path).mode & 0o077) !== 0) {
    throw new ActivationFault(`${which}: ${path} is open to others: its unit needs SocketMode=0600`);
  }
}
