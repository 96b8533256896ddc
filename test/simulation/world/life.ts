// Owns one life of the agent in a world: its process, its ports, its engine as shipped. Invariant: the engine
// sees the world through guarded ports only.

import { createHash } from 'node:crypto';
import type { Entry } from '../../../src/domain/fact.ts';
import type { TaskId } from '../../../src/domain/ids.ts';
import type { Profile } from '../../../src/domain/profile.ts';
import type { Secret } from '../../../src/domain/secret.ts';
import { Agent } from '../../../src/engine/agent.ts';
import { observe } from '../../../src/engine/observe.ts';
import type { Ports } from '../../../src/engine/ports.ts';
import type { Publication } from '../../../src/ports/files.ts';
import type { Liveness } from '../../../src/ports/liveness.ts';
import type { Telemetry } from '../../../src/ports/telemetry.ts';
import type { IssuedSecret, SessionToken, TaskToken } from '../../../src/ports/vault.ts';
import { SimAssertions } from './sim-assertions.ts';
import { SimJournal } from './sim-journal.ts';
import { Killed, SimProcess } from './sim-process.ts';
import type { SimVault } from './sim-vault.ts';
import type { World } from './world.ts';

export const ANSWER_WITHIN_MS = 10_000;

export class Life {
  readonly n: number;
  readonly process: SimProcess;
  readonly vault: SimVault;
  readonly agent: Agent;
  /** Callers may come. */
  up = false;
  /** Since when it has been up and not frozen. World time. */
  awakeSince = 0;
  /** Since when callers may come. World time. */
  upSince = 0;
  readonly startedAt: number;
  /** What agents before it heard of their sessions. */
  readonly heardBefore: ReadonlyMap<string, number>;
  /** It was told to end, and by which rule. */
  leaving: 'revoke' | 'keep' | null = null;
  draining = false;
  /** A drain was answered. */
  drained = false;
  readonly #world: World;
  readonly #told = new Map<string, Profile | null>();
  readonly #ports: Ports;

  constructor(world: World, n: number) {
    this.n = n;
    this.#world = world;
    this.startedAt = world.at;
    this.heardBefore = new Map(world.sessionsHeard);
    this.process = new SimProcess(world.clock, world.bootOffset, () => this.#died());
    this.vault = world.connect(() => !this.process.dead);
    this.#ports = this.#open();
    this.agent = new Agent(this.#ports, {
      leashMs: world.weather.leashMs,
      answerWithinMs: ANSWER_WITHIN_MS,
      sha256: (text) => createHash('sha256').update(text).digest('hex'),
      limits: { tasks: 1000, tasksPerUid: 1000, startsPerMinute: 1000 },
    });
  }

  /** As compose/agent.ts does it. */
  async open(): Promise<void> {
    const world = this.#world;
    world.say(`boot ${this.n}`);
    try {
      observe(this.agent, this.#ports.telemetry, { count: () => {}, time: () => {} });
      this.agent.facts.listen((told, owner) => {
        if (!this.process.dead) world.judge.onTold(told.fact, owner);
      });
      this.followProfiles();
      await this.agent.open();
      if (this.process.dead) return;
      this.up = true;
      this.awakeSince = world.at;
      this.upSince = world.at;
      world.say(`up ${this.n}`);
      world.judge.onUp();
    } catch (error) {
      if (error instanceof Killed || this.process.dead) return;
      world.say(`cannot open: ${error instanceof Error ? error.message : String(error)}`);
      if (world.quiet && world.calm.since(world.at, ['files', 'journal']) < world.at - 1000) {
        world.blame(`the agent cannot open although nothing is wrong: ${(error as Error).stack}`);
      }
      this.process.kill();
    }
  }

  /** Profiles in force now; what has not changed is not told again. */
  followProfiles(): void {
    for (const [name, versions] of this.#world.profiles) {
      const { profile } = versions.at(-1)!;
      if (this.#told.get(name) === profile) continue;
      this.#told.set(name, profile);
      if (profile === null) this.agent.profiles.remove(name);
      else {
        this.#deny(profile);
        this.agent.profiles.put(profile);
      }
    }
  }

  /** From now on the agent knows who may not have it any more. */
  #deny({ name, allow }: Profile): void {
    const { tasks, at } = this.#world;
    for (const task of tasks.values()) {
      if (task.signal.profile !== name) continue;
      if (!allow.uids.includes(task.caller.uid)) {
        task.revokeTried = true;
        task.deniedAt ??= at;
      } else if (!this.up) {
        // What an agent before this one was told, and neither recorded nor did, was never known.
        task.deniedAt = null;
      }
    }
  }

  freeze(): void {
    this.process.freeze();
    this.#world.calm.begin('agent');
    this.#world.judge.onFreeze();
    this.#world.say('frozen');
  }

  thaw(): void {
    if (!this.process.frozen) return;
    this.#world.calm.end('agent', this.#world.at);
    this.awakeSince = this.#world.at;
    this.#world.say('thawed');
    this.process.thaw();
  }

  #died(): void {
    const world = this.#world;
    world.say(`dead ${this.n}`);
    if (this.process.circling) world.blame('the engine goes in circles without time passing');
    if (this.process.frozen) world.calm.end('agent', world.at);
    if (this.up) world.calm.begin('agent');
    world.judge.onDeath(this);
    this.up = false;
  }

  #open(): Ports {
    const world = this.#world;
    const { process } = this;
    const slow = () => {
      const ms = world.hazards.diskDelay();
      return ms === 0 ? null : new Promise<void>((resolve) => world.clock.after(ms, resolve));
    };
    const journal = new SimJournal(world.disk, `boot-${world.boots}`);
    return {
      clock: process.clock,
      vault: process.guard(this.vault, {
        immediate: [],
        onCall: (verb, args) => {
          world.judge.onVaultCall(this, verb, args);
          return world.hazards.blow('vault');
        },
        onDone: (verb, args, result) => {
          if (process.dead) return;
          if (verb === 'renewSession') world.judge.onSession(args, sessionOf(world, args[0] as Secret));
          if (verb === 'openSession') {
            world.session = (result as SessionToken).accessor;
            world.judge.onSession(args, world.session);
          }
          if (verb === 'renewLease') world.judge.onRenewed(args, (result as { ttlMs: number }).ttlMs);
          if (verb === 'readSecret') world.judge.terms.onTold(this, result as IssuedSecret);
          if (verb === 'createToken')
            world.judge.told.set((result as TaskToken).accessor, { life: this, at: world.at });
        },
      }),
      files: process.guard(world.files, {
        immediate: ['currentDir'],
        onCall: (verb, args) => {
          if (verb === 'currentDir') return 'none';
          world.judge.onFilesCall(verb, args);
          const blow = world.hazards.blow('files');
          if (verb !== 'publish' || blow !== 'before') return blow;
          // Killed before its files are shown is killed while they are written.
          const { task, n } = args[0] as Publication;
          world.files.leaveDraft(task, n);
          return blow;
        },
        onDone: (verb, args, result) => {
          if (verb === 'restore' && result === true) {
            world.judge.onRestored(args[0] as TaskId, args[1] as number);
            world.notices.onShown(args[0] as TaskId);
          }
          if (verb === 'publish') {
            world.judge.onPublished(args[0] as Publication);
            world.notices.onShown((args[0] as Publication).task);
          }
          if (verb !== 'erase' && verb !== 'withdraw') return;
          world.judge.onErased(args[0] as TaskId);
          world.notices.onGone(args[0] as TaskId, verb === 'erase');
        },
        delay: slow,
      }),
      journal: process.guard(journal, {
        immediate: Object.getOwnPropertyNames(SimJournal.prototype).filter((name) => name !== 'append'),
        onCall: (verb, args) => {
          if (verb !== 'append') return 'none';
          world.judge.onRecord(args[0] as readonly Entry[]);
          return world.hazards.blow('journal');
        },
        onDone: (verb, args) => {
          if (verb !== 'append') return;
          for (const entry of args[0] as readonly Entry[]) {
            world.ledger.add(entry, world.at, process.bootOffset, this.n);
            world.judge.onDurable(entry);
          }
        },
        delay: slow,
      }),
      assertions: process.guard(new SimAssertions(), { immediate: [] }),
      probes: process.guard(world.probes, { immediate: ['asked', 'took', 'waits'] }),
      liveness: process.guard(this.#liveness(), { immediate: ['watch'] }),
      sessionStore: process.guard(world.sessionStore, {
        immediate: ['load', 'save'],
        onCall: (verb) => (verb === 'save' ? world.hazards.blow('sessionStore') : 'none'),
      }),
      telemetry: process.guard(this.#telemetry(), { immediate: ['log', 'writes', 'count'], quiet: true }),
    };
  }

  /** The kernel tells a process of an end only while it runs. */
  #liveness(): Liveness {
    const { liveness, notices } = this.#world;
    return {
      watch: (subject, by, gone, identity) => {
        const watch = liveness.watch(subject, by, () => this.process.when(gone), identity);
        const signal = (name: string): boolean => {
          const delivered = watch.signal(name);
          if (delivered && 'pid' in subject) notices.onSignal(subject.pid);
          return delivered;
        };
        return { ...watch, signal };
      },
    };
  }

  #telemetry(): Telemetry {
    const { judge } = this.#world;
    return {
      log: (level, message, fields) => judge.onLog(level, message, fields),
      writes: () => true,
      count: () => undefined,
    };
  }
}

const sessionOf = ({ model }: World, session: Secret): string =>
  model.tokenOf(Buffer.from(session.reveal()).toString())?.accessor ?? '';
