// Owns who is connected to a socket: the caller of each connection, as the kernel names it, and how many places there
// are. Invariant: no uid takes more than half of the places of a socket, so that another caller always finds one;
// who is over the limit is hung up on before HTTP costs anything.

import type { Socket } from 'node:net';
import { Problem } from '../domain/problem.ts';
import type { Caller } from '../domain/task-spec.ts';

export class Places {
  readonly #ofEachUid: number;
  readonly #callerOf: (socket: Socket) => Caller;
  readonly #callers = new WeakMap<Socket, Caller | Problem>();
  readonly #taken = new Map<number, number>();

  /** @param ofEachUid how many connections one uid may have */
  constructor(ofEachUid: number, callerOf: (socket: Socket) => Caller) {
    this.#ofEachUid = ofEachUid;
    this.#callerOf = callerOf;
  }

  /** False when the connection was hung up on. One whose caller is not known is answered with the reason. */
  admit(socket: Socket): boolean {
    try {
      const caller = this.#callerOf(socket);
      if (!this.#take(caller.uid, socket)) return false;
      this.#callers.set(socket, caller);
    } catch (error) {
      this.#callers.set(socket, Problem.of(error));
    }
    return true;
  }

  /** @throws Problem IDENTITY_REJECTED */
  caller(socket: Socket): Caller {
    const caller = this.#callers.get(socket) ?? new Problem('IDENTITY_REJECTED', 'the caller is not known');
    if (caller instanceof Problem) throw caller;
    return caller;
  }

  #take(uid: number, socket: Socket): boolean {
    const count = (this.#taken.get(uid) ?? 0) + 1;
    if (count > this.#ofEachUid) {
      socket.destroy();
      return false;
    }
    this.#taken.set(uid, count);
    socket.once('close', () => {
      const left = this.#taken.get(uid)! - 1;
      if (left === 0) this.#taken.delete(uid);
      else this.#taken.set(uid, left);
    });
    return true;
  }
}
