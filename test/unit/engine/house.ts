// Owns one simulated host for the engine's unit tests: clock, Vault, files, journal, processes, and the agents that run on
// it one after another. Invariant: an agent that was killed does and hears nothing any more.

import { createHash } from 'node:crypto';
import type { ProfileName, TaskId } from '../../../src/domain/ids.ts';
import type { Problem } from '../../../src/domain/problem.ts';
import type { Profile } from '../../../src/domain/profile.ts';
import type { Caller, StartSignal } from '../../../src/domain/task-spec.ts';
import { Agent } from '../../../src/engine/agent.ts';
import type { Ports } from '../../../src/engine/ports.ts';
import type { TaskView } from '../../../src/engine/view.ts';
import type { Probes } from '../../../src/ports/probes.ts';
import type { Level } from '../../../src/ports/telemetry.ts';
import { SimAssertions } from '../../simulation/world/sim-assertions.ts';
import { SimClock } from '../../simulation/world/sim-clock.ts';
import { SimFiles } from '../../simulation/world/sim-files.ts';
import { SimDisk, SimJournal } from '../../simulation/world/sim-journal.ts';
import { SimLiveness } from '../../simulation/world/sim-liveness.ts';
import { SimSessionStore } from '../../simulation/world/sim-session-store.ts';
import { SimVault } from '../../simulation/world/sim-vault.ts';
import { caller, profile } from '../domain/samples.ts';

export const LEASH_MS = 300_000;
export const OPTIONS = {
  leashMs: LEASH_MS,
  answerWithinMs: 30_000,
  sha256: (text: string) => createHash('sha256').update(text).digest('hex'),
  limits: { tasks: 100, tasksPerUid: 100, startsPerMinute: 600 },
};
export const taskId = (text: string): TaskId => text as TaskId;
export const WORK = 'work' as ProfileName;
const CHILD = 'child' as ProfileName;

const database = (ttlMs: number, maxTtlMs: number) =>
  ({ engine: 'database', ttlMs, maxTtlMs, fields: { password: 'CANARY' } }) as const;

/** Profiles `work` (may have children of `child`) and `child`, both reading the same database. */
export const work = (overrides: Partial<Profile> = {}): Profile =>
  profile({
    name: WORK,
    params: {},
    policies: ['tasklease-db'],
    children: [CHILD],
    secrets: [
      { name: 'db', path: 'database/creds/a', method: 'read', files: [{ name: 'db.json', format: 'json' }] },
    ],
    ...overrides,
  });

export class House {
  readonly clock = new SimClock();
  readonly vault = new SimVault({
    clock: this.clock,
    leashMs: LEASH_MS,
    secrets: {
      'database/creds/a': database(3_600_000, 3_600_000),
      'database/creds/short': database(60_000, 90_000),
    },
    policies: { 'tasklease-db': ['database/creds/*'] },
  });
  readonly assertions = new SimAssertions();
  readonly files = new SimFiles();
  readonly disk = new SimDisk();
  readonly liveness = new SimLiveness();
  readonly sessionStore = new SimSessionStore();
  readonly logs: { level: Level; message: string; fields: unknown }[] = [];
  boot = 'boot-1';
  /** One attempt to use a credential. */
  attempt: Probes['attempt'] = async () => {};
  /** How long the disk takes for one append. Milliseconds. */
  diskMs = 0;
  #kill = () => {};

  /** The ports of the next process. */
  ports(): Ports {
    let alive = true;
    this.#kill();
    this.#kill = () => {
      alive = false;
    };
    const only = <Port extends object>(port: Port): Port => cutOff(port, () => alive);
    return {
      clock: {
        now: () => this.clock.now(),
        after: (ms, run) => this.clock.after(ms, () => (alive ? run() : undefined)),
      },
      assertions: only(this.assertions),
      vault: only(this.vault),
      files: only(this.files),
      journal: only(this.#journal()),
      probes: { attempt: (...tried) => (alive ? this.attempt(...tried) : new Promise(() => {})) },
      liveness: {
        watch: (subject, by, gone, identity) =>
          this.liveness.watch(subject, by, () => (alive ? gone() : undefined), identity),
      },
      sessionStore: only(this.sessionStore),
      telemetry: {
        log: (level, message, fields) => this.logs.push({ level, message, fields }),
        writes: () => true,
        count: () => {},
      },
    };
  }

  #journal(): SimJournal {
    const journal = new SimJournal(this.disk, this.boot);
    const append = journal.append.bind(journal);
    journal.append = async (entries) => {
      if (this.diskMs > 0) await new Promise<void>((resolve) => this.clock.after(this.diskMs, resolve));
      return append(entries);
    };
    return journal;
  }

  /** A new agent; the one before it, if any, is killed at once. Resolves when callers may come. */
  async agent(profiles: readonly Profile[] = [work(), work({ name: CHILD, children: [] })]): Promise<Agent> {
    const agent = new Agent(this.ports(), OPTIONS);
    for (const each of profiles) agent.profiles.put(each);
    const opened = agent.open();
    await this.clock.advance(0);
    await opened;
    return agent;
  }

  /** Ends the running agent as kill -9 does. */
  kill(): void {
    this.#kill();
  }

  /** Starts a task of `work` and lets it become active. */
  async start(
    agent: Agent,
    task: string,
    signal: Partial<StartSignal> = {},
    who: Caller = caller(),
  ): Promise<TaskView> {
    const started = agent.start(
      taskId(task),
      { profile: WORK, params: {}, ...signal },
      `digest-${task}`,
      who,
    );
    started.catch(() => {});
    await this.clock.advance(100);
    return (await started).view;
  }

  /** Facts on record of a task, in order. */
  facts(task: string): string[] {
    return this.disk.lines
      .filter(({ grant }) => grant.startsWith(`${task}#`))
      .map(({ fact }) => (JSON.parse(fact) as { type: string }).type);
  }
}

/** The same port for as long as its process lives; after that nothing answers. */
function cutOff<Port extends object>(port: Port, alive: () => boolean): Port {
  const never = new Promise<never>(() => {});
  return new Proxy(port, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (!alive()) return never;
        const result: unknown = value.apply(target, args);
        if (!(result instanceof Promise)) return result;
        const late =
          <T>(pass: (it: T) => unknown) =>
          (it: T) =>
            alive() ? pass(it) : never;
        return result.then(
          late((it: unknown) => it),
          late((error: Problem) => Promise.reject(error)),
        );
      };
    },
  });
}
