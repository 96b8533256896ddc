// Owns what `run` knows of its task while CMD works: a stream of facts, opened again when it breaks.
// Invariant: `onEnd` is called at most once, and not after `mute`; an agent that stays away longer than the
// window counts as a lost task, because nobody then keeps the lease alive or proves its end.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, isStream, parseJson, type Stream, taskPath } from './client.ts';
import { fieldsOf, textOf } from './show.ts';
import { lostWhy } from './voice.ts';

/** The task is stopped (with the reason the agent gives), or we lost sight of it. */
export type Ending = { readonly reason: string } | { readonly lost: string };

export interface WatchOptions {
  /** True: the open stream is what keeps the task alive (`bind: {"connection": true}`). */
  readonly hold: boolean;
  /** A stream that is open already: the answer to a start that binds the connection. */
  readonly first?: Stream;
  /** How long the agent may be away, ms. */
  readonly windowMs: number;
  onEnd(ending: Ending): void;
  /** The stream broke (true), or is there again (false). */
  onAway?(away: boolean): void;
}

export interface Watch {
  /** From now on an end is our own doing; the stream stays open. */
  mute(): void;
  close(): void;
}

const PAUSE_MS = 200;

export function watchLease(client: Client, task: string, options: WatchOptions): Watch {
  let muted = false;
  let stream = options.first;
  const controller = new AbortController();

  const follow = async (): Promise<void> => {
    for (let broken = false; !muted; broken = true) {
      if (stream === undefined) {
        if (broken) options.onAway?.(true);
        const answer = await reopen(broken);
        if (muted) return;
        if (!isStreamOpen(answer)) return options.onEnd(answer);
        stream = answer;
        if (broken) options.onAway?.(false);
      }
      const ending = await firstEnding(stream);
      if (ending !== undefined && !muted) return options.onEnd(ending);
      stream = undefined;
    }
  };

  const reopen = async (pause: boolean): Promise<Stream | Ending> => {
    const giveUpAt = performance.now() + options.windowMs;
    for (let wait = pause; ; wait = true) {
      if (wait) await sleep(PAUSE_MS, undefined, { signal: controller.signal }).catch(() => undefined);
      const leftMs = giveUpAt - performance.now();
      if (muted || leftMs <= 0) return { lost: lostWhy.away(Math.round(options.windowMs / 1000)) };
      const answer = await openStream(client, task, options.hold, leftMs);
      if (answer !== undefined) return answer;
    }
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

const isStreamOpen = (answer: Stream | Ending): answer is Stream => 'lines' in answer;

/** One attempt: an open stream of a task that lives, its ending, or undefined when it is worth another try. */
async function openStream(
  client: Client,
  task: string,
  hold: boolean,
  timeoutMs: number,
): Promise<Stream | Ending | undefined> {
  let stream: Stream | undefined;
  try {
    const answer = await client.stream('GET', taskPath(task, `/events${hold ? '?hold=true' : ''}`), {
      timeoutMs,
    });
    if (!isStream(answer)) return answer.status === 404 ? { lost: lostWhy.unknown } : undefined;
    stream = answer;
    // The stream tells what comes; what has been, the task itself tells.
    const reply = await client.request('GET', taskPath(task), { timeoutMs });
    const { state, outcome } = fieldsOf(reply.body);
    if (reply.status === 404) return { lost: lostWhy.unknown };
    if (state === 'stopping' || state === 'closed') return { reason: textOf(outcome) || textOf(state) };
    const open = stream;
    stream = undefined;
    return open;
  } catch {
    return undefined;
  } finally {
    stream?.close();
  }
}

/** Reads facts until one ends the task; undefined when the stream breaks before that. */
async function firstEnding(stream: Stream): Promise<Ending | undefined> {
  try {
    for await (const text of stream.lines) {
      const fact = fieldsOf(parseJson(text));
      if (fact.type === 'grant.stopping') return { reason: textOf(fact.reason) };
      if (fact.type === 'grant.closed') return { reason: textOf(fact.outcome) };
    }
  } catch {
    // A broken stream is not an ending: whoever called decides.
  }
  return undefined;
}
