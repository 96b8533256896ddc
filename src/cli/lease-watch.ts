// Owns what `run` knows of its task while CMD works: a stream of facts, opened again when it breaks.
// Invariant: `onEnd` is called at most once, and not after `mute`. A task that is bound to the connection is
// lost when the agent stays away longer than the window, because it then ends at the agent too; one that is
// bound to the process goes on, and is looked for until CMD ends.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, isStream, parseJson, type Reply, type Stream, taskPath } from './client.ts';
import { filesSinceOf, readHeld } from './lease.ts';
import { fieldsOf, textOf } from './show.ts';
import type { StartBody } from './start-body.ts';
import { lostWhy } from './voice.ts';

/** The task is stopped (with the reason the agent gives), or we lost sight of it. */
export type Ending = { readonly reason: string } | { readonly lost: string };

/** The two ends of a task, RFC 3339. */
export interface Times {
  readonly expiresAt: string;
  readonly deadline: string;
}

export interface WatchOptions {
  /**
   * Set where the open stream is what keeps the task alive: the answer to the start, and the body that is sent
   * again for the next one.
   */
  readonly held?: { readonly stream: Stream; readonly body: StartBody };
  /** How long the agent may be away, ms. */
  readonly windowMs: number;
  onEnd(ending: Ending): void;
  /** The task has been extended, or may have been while nobody looked. */
  onTimes(times: Times): void;
  /** The files show what this generation brought: told when they change, and when they may have while nobody looked. */
  onFiles?(filesSince: number): void;
  /** The stream broke, the agent was away for the whole window (process-bound tasks only), or it is back. */
  onAway?(away: 'broken' | 'long' | 'back'): void;
}

export interface Watch {
  /** From now on an end is our own doing; the stream stays open. */
  mute(): void;
  close(): void;
}

const PAUSE_MS = 200;
/** Between attempts once the window is over. */
const LONG_PAUSE_MS = 1000;
const ATTEMPT_MS = 5000;

export function watchLease(client: Client, task: string, options: WatchOptions): Watch {
  const { held, windowMs } = options;
  let muted = false;
  let stream = held?.stream;
  const controller = new AbortController();

  const follow = async (): Promise<void> => {
    for (let broken = false; !muted; broken = true) {
      if (stream === undefined) {
        if (broken) options.onAway?.('broken');
        const answer = await reopen(broken);
        if (muted || answer === undefined) return;
        if (!isOpen(answer)) return options.onEnd(answer);
        stream = answer.stream;
        options.onTimes(answer.times);
        options.onFiles?.(answer.filesSince);
        if (broken) options.onAway?.('back');
      }
      const ending = await readToEnd(stream);
      if (ending !== undefined && !muted) return options.onEnd(ending);
      stream = undefined;
    }
  };

  /** Undefined when muted. */
  const reopen = async (pause: boolean): Promise<Open | Ending | undefined> => {
    const windowEndsAt = performance.now() + windowMs;
    let late = false;
    for (let wait = pause; ; wait = true) {
      const pauseMs = late ? LONG_PAUSE_MS : PAUSE_MS;
      if (wait) await sleep(pauseMs, undefined, { signal: controller.signal }).catch(() => undefined);
      if (muted) return undefined;
      const leftMs = windowEndsAt - performance.now();
      if (leftMs <= 0 && held !== undefined) return { lost: lostWhy.away(Math.round(windowMs / 1000)) };
      if (leftMs <= 0 && !late) {
        late = true;
        options.onAway?.('long');
      }
      const answer = await (held === undefined
        ? look(client, task, ATTEMPT_MS)
        : hold(client, task, held.body, leftMs));
      if (answer !== undefined) return answer;
    }
  };

  /** Reads facts until one ends the task; undefined when the stream breaks before that. */
  const readToEnd = async (open: Stream): Promise<Ending | undefined> => {
    try {
      for await (const text of open.lines) {
        const fact = fieldsOf(parseJson(text));
        if (fact.type === 'delivery.published' && fact.changed !== false && !muted)
          options.onFiles?.(Number(fact.generation));
        if (fact.type === 'deadline.moved' && !muted) options.onTimes(timesOf(fact));
        if (fact.type === 'grant.stopping') return { reason: textOf(fact.reason) };
        if (fact.type === 'grant.closed') return { reason: textOf(fact.outcome) };
      }
    } catch {
      // A broken stream is not an ending: whoever called decides.
    }
    return undefined;
  };

  void follow();
  return {
    mute() {
      muted = true;
      controller.abort();
    },
    close() {
      muted = true;
      controller.abort();
      stream?.close();
    },
  };
}

/** A stream of a task that lives. */
interface Open {
  readonly stream: Stream;
  readonly times: Times;
  readonly filesSince: number;
}

const isOpen = (answer: Open | Ending): answer is Open => 'stream' in answer;

/** One attempt to look on: the stream, the task's ending, or undefined when it is worth another try. */
async function look(client: Client, task: string, timeoutMs: number): Promise<Open | Ending | undefined> {
  let stream: Stream | undefined;
  try {
    const answer = await client.stream('GET', taskPath(task, '/events'), { timeoutMs });
    if (!isStream(answer)) return answer.status === 404 ? { lost: lostWhy.unknown } : undefined;
    stream = answer;
    // The stream tells what comes; what has been, the task itself tells.
    const reply = await client.request('GET', taskPath(task), { timeoutMs });
    const ending = endingOf(reply);
    if (ending !== undefined) return ending;
    const open = { stream, times: timesOf(reply.body), filesSince: filesSinceOf(fieldsOf(reply.body)) };
    stream = undefined;
    return open;
  } catch {
    return undefined;
  } finally {
    stream?.close();
  }
}

/** One attempt to hold the task again, by the very same start; as `look`. */
async function hold(
  client: Client,
  task: string,
  body: StartBody,
  timeoutMs: number,
): Promise<Open | Ending | undefined> {
  try {
    const answer = await client.stream('PUT', taskPath(task), { body, timeoutMs });
    // Refused: for good when the task has ended; else something passes that keeps the agent from answering.
    if (!isStream(answer)) return endingOf(await client.request('GET', taskPath(task), { timeoutMs }));
    const first = await readHeld(client, answer);
    // Started anew, for an agent that has lost its memory: not what CMD was given.
    const ending = answer.status === 201 ? { lost: lostWhy.unknown } : endingOf(first);
    if (ending === undefined)
      return {
        stream: answer,
        times: timesOf(first.body),
        filesSince: filesSinceOf(fieldsOf(first.body)),
      };
    answer.close();
    return ending;
  } catch {
    return undefined;
  }
}

function endingOf({ status, body }: Pick<Reply, 'status' | 'body'>): Ending | undefined {
  if (status === 404) return { lost: lostWhy.unknown };
  const { state, outcome } = fieldsOf(body);
  if (state !== 'stopping' && state !== 'closed') return undefined;
  return { reason: textOf(outcome) || textOf(state) };
}

function timesOf(value: unknown): Times {
  const { expires_at: expiresAt, deadline } = fieldsOf(value);
  return { expiresAt: textOf(expiresAt) || textOf(deadline), deadline: textOf(deadline) };
}
