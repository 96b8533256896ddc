// Owns the last word of `run`: the stop of its task, the wait for the proof, and what is said when it does not
// come. Invariant: the exit code stays CMD's, since its work is done and the agent or Vault's leash ends the
// lease whatever is said here.

import type { Client, Reply } from './client.ts';
import { AgentUnreachable, Refused } from './failure.ts';
import { stopTask } from './lease.ts';
import { say } from './output.ts';
import { unprovedLeases } from './show.ts';
import * as voice from './voice.ts';

export interface FinalStop {
  /** How long to wait for the proof, and for an agent that is being restarted, ms. */
  readonly proofMs: number;
  /** Since when the agent has been away (performance.now()); now when it is there. */
  readonly awaySince: number;
  /** Resolves when the user will not wait any longer. */
  readonly impatient: Promise<void>;
}

const PAUSE_MS = 200;

/** Stops the task, again and again while the agent is coming back; an agent long gone is asked once. */
export async function finalStop(
  client: Client,
  task: string,
  { proofMs, awaySince, impatient }: FinalStop,
): Promise<void> {
  const startedAt = performance.now();
  const giveUpAt = awaySince + proofMs;
  const given = impatient.then(() => 'impatient' as const);
  for (;;) {
    try {
      const waitMs = Math.max(1000, startedAt + proofMs - performance.now());
      const reply = await Promise.race([stopTask(client, task, waitMs), given]);
      return sayIfAny(reply === 'impatient' ? voice.run.impatient(task) : wordsFor(reply, task));
    } catch (error) {
      if (!(error instanceof AgentUnreachable)) throw error;
      if (performance.now() >= giveUpAt) return say(voice.run.stopUnheard(task, error.code));
      const paused = await Promise.race([new Promise((resolve) => setTimeout(resolve, PAUSE_MS)), given]);
      if (paused === 'impatient') return say(voice.run.impatient(task));
    }
  }
}

/** Null when all is as it should be. */
function wordsFor(reply: Reply, task: string): string | null {
  if (reply.status === 202) return `${voice.pending(task)}\n${voice.pendingNext(task)}`;
  if (reply.status >= 300) {
    return voice.problem(new Refused(reply.status, reply.text, reply.body).problem, 'run');
  }
  const unproved = unprovedLeases(reply.body);
  return unproved > 0 ? voice.unproved(task, unproved) : null;
}

const sayIfAny = (words: string | null): void => (words === null ? undefined : say(words));
