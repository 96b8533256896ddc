// Owns what the callers know of their tasks: what they asked for and what they did to them since.

import type { TaskId } from '../../../src/domain/ids.ts';
import type { Caller, StartSignal } from '../../../src/domain/task-spec.ts';
import { UID } from './scenery.ts';

export interface SimTask {
  readonly id: TaskId;
  readonly signal: StartSignal;
  readonly digest: string;
  readonly caller: Caller;
  readonly pid: number | null;
  /** Null unless the task is bound to a connection. */
  connection: { open: boolean; closedAt: number; deliberate: boolean } | null;
  readonly parent: string | null;
  /** A start was answered with success. */
  started: boolean;
  /** World times; null while it has not happened. */
  stoppedAt: number | null;
  /** A stop that its agent did not live to answer counts as tried only. */
  stopTried: boolean;
  /** Its holder closed the connection and does not come back. */
  left: boolean;
  /** A connection was to hold it, and the answer was that this could not be put on record. */
  unsure: boolean;
  revokeTried: boolean;
  /** Somebody denied it, or tried to. */
  denyTried: boolean;
  pidEndedAt: number | null;
  /** Stopped by revoke-all, drain or the end of the agent. */
  revokedAt: number | null;
  /** The profile that the agent goes by no longer allows it. */
  deniedAt: number | null;
}

export const CALLER: Caller = { uid: UID, gid: UID, groups: [], pid: 4242, admin: false };
export const ADMIN: Caller = { uid: 0, gid: 0, groups: [], pid: 1, admin: true };
