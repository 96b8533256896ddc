// Owns a task's stream of facts over restarts of the agent. Invariant: it ends when the task is closed or cannot be
// found again, never because a connection broke: then it is opened anew for as long as the window says.

import { setTimeout as sleep } from 'node:timers/promises';
import { TaskleaseError } from './error.ts';
import { AgentUnreachable } from './http.ts';
import type { TaskEvent } from './types.ts';

/** How long the agent may be away: a task that is bound to a connection is lost after that (README, API). */
export const WINDOW_MS = 10_000;
/** Between two attempts. */
export const PAUSE_MS = 200;

/** An open stream. */
export interface Lines {
  readonly lines: AsyncGenerator<string, void, undefined>;
  close(): void;
}

export interface Following {
  /** What is open already. */
  readonly first?: Lines;
  /** One attempt; `leftMs` is what is left of the window. */
  readonly open: (leftMs: number) => Promise<Lines>;
  readonly windowMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Waiting does not keep the program running. */
  readonly idle?: boolean;
}

/** A failure that passes by itself. */
export const passes = (error: unknown): boolean => error instanceof TaskleaseError && error.retryable;

/** Until the next attempt. @throws the signal's reason */
export const pause = (signal?: AbortSignal, idle = false): Promise<void> =>
  sleep(PAUSE_MS, undefined, { ref: !idle, ...(signal && { signal }) }).catch(() => signal?.throwIfAborted());

export async function* follow(following: Following): AsyncGenerator<TaskEvent, void, undefined> {
  let stream = following.first;
  for (let broken = false; ; broken = true) {
    stream ??= await reopen(following, broken);
    try {
      for (;;) {
        const line = await nextLine(stream);
        if (line === null) break;
        const fact = JSON.parse(line) as TaskEvent;
        yield fact;
        if (fact.type === 'grant.closed') return;
      }
    } finally {
      stream.close();
    }
    stream = undefined;
  }
}

/** Null when the connection has ended, however it did. @throws the signal's reason */
async function nextLine({ lines }: Lines): Promise<string | null> {
  try {
    const { value, done } = await lines.next();
    return done === true ? null : value;
  } catch (error) {
    if (error instanceof AgentUnreachable) return null;
    throw error;
  }
}

/** @throws TaskleaseError when the window is over, or for what does not pass */
async function reopen({ open, windowMs, signal, idle }: Following, broken: boolean): Promise<Lines> {
  const endsAt = performance.now() + windowMs;
  for (let wait = broken; ; wait = true) {
    if (wait) await pause(signal, idle);
    const leftMs = endsAt - performance.now();
    try {
      return await open(Math.max(leftMs, PAUSE_MS));
    } catch (error) {
      if (!passes(error) || leftMs <= 0) throw error;
    }
  }
}
