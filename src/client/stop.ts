// Owns the telling of a stop. Invariant: it is repeated until the agent has answered it; the answer decides what is
// over, never the passing of time.

import { setTimeout as sleep } from 'node:timers/promises';
import { passes, pause } from './facts.ts';
import { AgentUnreachable, ask, send } from './http.ts';
import type { Receipt } from './types.ts';

/** How long one request waits for the proof. */
const WAIT = '30s';
const LONG_PAUSE_MS = 1000;
/** How long an agent may take to hear of it. */
const ATTEMPT_MS = 5000;

/** Stops a task, waits for the proof and answers the receipt; an agent may be away for `patienceMs`. */
export async function stopUntilProved(
  socket: string,
  task: string,
  patienceMs: number,
  signal?: AbortSignal,
): Promise<Receipt> {
  let heardAt = performance.now();
  for (;;) {
    try {
      const path = `/v1/tasks/${task}?wait=${WAIT}`;
      const { status, body } = await ask<Receipt>(socket, 'DELETE', path, { signal });
      if (status === 200) return body;
      heardAt = performance.now();
    } catch (error) {
      if (!passes(error)) throw error;
      if (!(error instanceof AgentUnreachable)) heardAt = performance.now();
      else if (performance.now() - heardAt >= patienceMs) throw error;
    }
    await pause(signal);
  }
}

/**
 * Tells the agent to stop a task until it has heard, however long it is away. After the first attempt that does not
 * keep the program running.
 */
export async function stopUntilHeard(socket: string, task: string): Promise<void> {
  for (let idle = false; ; idle = true) {
    try {
      const answer = await send(socket, 'DELETE', `/v1/tasks/${task}`, { idle, timeoutMs: ATTEMPT_MS });
      answer.close();
      if (answer.status < 500) return;
    } catch {
      // Away.
    }
    await sleep(LONG_PAUSE_MS, undefined, { ref: false });
  }
}
