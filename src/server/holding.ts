// Owns a connection that holds a task: from the request on, until it closes. Invariant: a caller that leaves
// at whatever moment holds nothing, and its task is lost; but not when it is the agent that leaves and the next
// one will take the task over (on_exit: keep).

import type { Receipt } from '../domain/fact.ts';
import type { TaskId } from '../domain/ids.ts';
import type { Agent } from '../engine/agent.ts';
import type { TaskView } from '../engine/view.ts';
import type { Exchange } from './exchange.ts';
import { streamFacts } from './streams.ts';

export interface HoldingOptions {
  readonly status: number;
  /** A start that made the task: without a hold on record it failed, and nothing may be left of it. */
  readonly fresh: boolean;
  /** Whether the first line is the task, as the answer to a start is. */
  readonly tellTask: boolean;
}

export class Holding implements Disposable {
  readonly #agent: Agent;
  readonly #exchange: Exchange;
  readonly #task: TaskId;
  readonly #why: string;
  #left = false;
  readonly #onClose = () => {
    this.#left = true;
  };

  /** Watches the connection of this exchange from now on. */
  constructor(agent: Agent, exchange: Exchange, task: TaskId, why: string) {
    this.#agent = agent;
    this.#exchange = exchange;
    this.#task = task;
    this.#why = why;
    exchange.request.socket.once('close', this.#onClose);
  }

  /** Attaches the connection to the living task and answers with its stream. @throws Problem */
  async begin({ status, fresh, tellTask }: HoldingOptions): Promise<void> {
    const { response, caller } = this.#exchange;
    try {
      await this.#agent.hold(this.#task, caller);
    } catch (error) {
      if (fresh) this.#lost();
      throw error;
    }
    if (this.#left) return this.#lost();
    // What happened meanwhile was told to nobody.
    const now = this.#agent.get(this.#task, caller);
    const over = now.state === 'closed';
    const first = tellTask ? now : over ? closedLine(this.#task, now) : undefined;
    streamFacts(response, this.#agent.facts, caller, {
      status,
      task: this.#task,
      ...(first === undefined ? {} : { first }),
      over,
      onGone: () => this.#lost(),
    });
  }

  [Symbol.dispose](): void {
    this.#exchange.request.socket.off('close', this.#onClose);
  }

  #lost(): void {
    if (!this.#agent.leaving) this.#agent.lost(this.#task, this.#exchange.caller, this.#why);
  }
}

/** The fact that ended a task, for who comes after it. */
export function closedLine(task: TaskId, closed: TaskView | Receipt): unknown {
  const at = 'closed_at' in closed ? closed.closed_at : closed.started_at;
  return { seq: 0, at, task, type: 'grant.closed', outcome: closed.outcome };
}
