// Owns `import { connect } from 'tasklease/client'`: what a program gets of the client. Invariant: nothing beside it
// is promised to anybody.

import { Starter } from './start.ts';
import { LeasedTask } from './task.ts';
import type { Client } from './types.ts';

export { type ClientCode, type ErrorDetails, type ProblemCode, TaskleaseError } from './error.ts';
export type {
  BusinessEvent,
  CallOptions,
  Client,
  Outcome,
  Receipt,
  StartOptions,
  Task,
  TaskEvent,
  TaskStatus,
} from './types.ts';

/** Where the agent listens: given here, else TASKLEASE_SOCKET, else the path of an installed agent. */
export interface ConnectOptions {
  readonly socket?: string | undefined;
}

/** A client of the agent. Opens nothing by itself: an agent that is not there is told by the first call. */
export function connect(options: ConnectOptions = {}): Client {
  const socket = options.socket ?? (process.env.TASKLEASE_SOCKET || '/run/tasklease/agent.sock');
  const starter = new Starter(socket);
  return { socket, start: async (start) => new LeasedTask(socket, await starter.start(start)) };
}
