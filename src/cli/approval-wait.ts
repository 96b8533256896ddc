// Owns how a start waits for its approval until somebody has decided, over a restart of the agent. Invariant: the very
// same body, so the very same request; whoever waits is told once what for.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, expectOk, parseJson, type Reply, type Stream, taskPath } from './client.ts';
import { AgentUnreachable, Refused } from './failure.ts';
import { say } from './output.ts';
import { fieldsOf, textOf } from './show.ts';
import * as voice from './voice.ts';

/** How long the agent may be away meanwhile, and the pause between two attempts. */
const WINDOW_MS = 10_000;
const PAUSE_MS = 200;
/** A start that is not answered by then may be one that waits. */
const LOOK_MS = 500;

/**
 * The answer to a start: as soon as it is none that waits. One request all along: a second one after a denial would ask
 * anew.
 * @param signal when nobody needs it any more
 */
export async function startApproved(
  client: Client,
  task: string,
  body: unknown,
  signal?: AbortSignal,
): Promise<Reply> {
  const teller = new Teller(task);
  for (let lostAt: number | undefined; ; ) {
    try {
      const started = client.request('PUT', taskPath(task, '?wait=1h'), { body });
      await tellOnceWaiting(client, task, started, teller);
      const reply = await started;
      if (reply.status !== 202) return reply;
      lostAt = undefined;
    } catch (error) {
      if (!teller.told || !(error instanceof AgentUnreachable)) throw error;
      lostAt ??= performance.now();
      if (performance.now() - lostAt > WINDOW_MS) throw error;
    }
    await sleep(PAUSE_MS, undefined, { signal });
  }
}

/** Resolves when the start is answered, or whoever waits for it has been told what for. */
async function tellOnceWaiting(
  client: Client,
  task: string,
  started: Promise<Reply>,
  teller: Teller,
): Promise<void> {
  let answered = false;
  const answer = started.then(
    () => {
      answered = true;
    },
    () => {
      answered = true;
    },
  );
  for (;;) {
    const timer = new AbortController();
    await Promise.race([answer, sleep(LOOK_MS, undefined, timer)]);
    timer.abort();
    if (answered) return;
    const look = client.request('GET', taskPath(task), { timeoutMs: WINDOW_MS }).catch(() => undefined);
    const body = (await Promise.race([answer, look]))?.body;
    if (fieldsOf(body).state !== 'pending_approval') continue;
    return teller.tell(body);
  }
}

/** Says what is waited for, and again when it is another request. */
export class Teller {
  readonly #task: string;
  #digest: string | undefined;

  constructor(task: string) {
    this.#task = task;
  }

  get told(): boolean {
    return this.#digest !== undefined;
  }

  tell(body: unknown): void {
    const { digest, approve_by: until } = fieldsOf(fieldsOf(body).approval);
    if (this.#digest === textOf(digest)) return;
    this.#digest = textOf(digest);
    say(voice.waits(this.#task, textOf(until)));
  }
}

/**
 * Reads the facts of a start that is held by this stream until its files are there; the task as it is then, or null
 * when the stream broke.
 * @throws Refused
 */
export async function untilPublished(client: Client, task: string, stream: Stream): Promise<Reply | null> {
  let refusal: unknown;
  try {
    // Not by for await, which would close the stream.
    for (;;) {
      const { done, value: line } = await stream.lines.next();
      if (done === true) return null;
      const { type, ...fact } = fieldsOf(parseJson(line));
      if (type === 'grant.refused') refusal = fact;
      if (type === 'delivery.published') return expectOk(await client.request('GET', taskPath(task)));
      if (type !== 'grant.closed') continue;
      const withdrawn = { code: 'TASK_SPENT', detail: `task ${task} was stopped before it became active` };
      throw new Refused(403, line, refusal ?? withdrawn);
    }
  } catch (error) {
    if (!(error instanceof AgentUnreachable)) throw error;
    return null;
  }
}
