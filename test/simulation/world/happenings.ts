// Owns the things that happen in a world: one function a kind. Invariant: each leaves word of what it did with
// those who judge by it.

import { Callers } from './callers.ts';
import { cutPower } from './power-cut.ts';
import { drawProfile, KINDS } from './scenery.ts';
import { SESSION_POLICY } from './sim-vault.ts';
import type { Snapshot } from './sim-vault-model.ts';
import type { SimTask } from './tasks.ts';
import type { Happening } from './weather.ts';
import type { World } from './world.ts';

export class Happenings {
  readonly callers: Callers;
  readonly #world: World;
  #snapshot: Snapshot | null = null;

  constructor(world: World) {
    this.#world = world;
    this.callers = new Callers(world);
    this.#takeSnapshots();
  }

  happen(what: Happening): void {
    this.#world.say(`- ${what}`);
    this.#table[what]();
  }

  readonly #table: Readonly<Record<Happening, () => void>> = {
    start: () => this.callers.start(this.callers.invent()),
    burst: () => {
      for (let i = this.#draw.int(2, 6); i > 0; i -= 1) {
        if (this.#draw.chance(0.7)) this.callers.start(this.callers.invent());
        else this.#on((task) => this.callers.stop(task));
      }
    },
    repeat: () => this.#on((task) => this.callers.start(task)),
    conflict: () => this.#on((task) => this.callers.start(task, 'another-digest')),
    stop: () => this.#on((task) => this.callers.stop(task, this.#draw.pick([0, 0, 5000]))),
    stopAgain: () =>
      this.#on((task) => {
        this.callers.stop(task);
        this.callers.stop(task);
      }),
    hastyStop: () => {
      const task = this.callers.invent();
      this.callers.start(task);
      const { clock } = this.#world;
      clock.after(this.#draw.pick([0, 1, 3, 10, 100]), () => this.callers.stop(task));
    },
    extend: () => this.#on((task) => this.callers.extend(task, this.#draw.pick([1000, 30_000, 3_600_000]))),
    child: () => {
      const parents = this.#tasks().filter(({ signal }) => signal.profile === 'session');
      if (parents.length === 0) return this.#table.start();
      this.callers.start(this.callers.invent(this.#draw.pick(parents)));
    },
    hold: () => this.#on((task) => this.callers.hold(task)),
    abandon: () => this.#on((task) => this.callers.abandon(task)),
    look: () => this.callers.look(),
    revokeAll: () => this.callers.revokeAll(false),
    drain: () => this.callers.revokeAll(true),
    exitProcess: () => this.#on((task) => this.callers.endProcess(task)),
    reusePid: () =>
      this.#on((task) => {
        this.callers.endProcess(task);
        if (task.pid !== null) this.#world.liveness.spawn(task.pid, task.caller.uid);
      }),
    closeConnection: () => this.#on((task) => this.callers.closeConnection(task)),
    reload: () => {
      const profile = drawProfile(this.#draw, this.#draw.pick(KINDS), false);
      this.#world.putProfile(profile);
      this.#tell();
    },
    removeProfile: () => {
      const name = this.#draw.pick(KINDS);
      this.#world.removeProfile(name);
      this.#tell();
    },
    crash: () => this.#world.life?.process.kill(),
    sigtermRevoke: () => this.#terminate(false),
    sigtermKeep: () => this.#terminate(true),
    freeze: () => {
      const life = this.#world.up;
      if (life === null) return;
      const ms = this.#outage();
      if (ms > this.#world.weather.leashMs / 3) this.#world.calm.touch('away', this.#world.at + ms);
      life.freeze();
      this.#world.clock.after(ms, () => life.thaw());
    },
    powerCut: () => cutPower(this.#world, this.#draw),
    wallJump: () => {
      this.#world.clock.jumpWall(this.#draw.pick([-3_600_000, -5000, 5000, 3_600_000]));
    },
    unreachable: () => this.#outageOf('unreachable'),
    silent: () => this.#outageOf('silent'),
    sealed: () => {
      const { model } = this.#world;
      if (model.sealed) return;
      this.#world.window(
        'vault',
        this.#outage(),
        () => {
          model.sealed = true;
        },
        () => {
          model.sealed = false;
          model.restarted();
        },
      );
    },
    vaultRestart: () => {
      this.#outageOf('unreachable');
      this.#world.model.restarted();
    },
    restore: () => this.#restore(),
    engineDown: () => {
      const { model } = this.#world;
      const { rotates } = this.#world.terms;
      const engine = this.#draw.pick(['database', rotates ? 'static' : 'database', 'pki'] as const);
      if (model.down.has(engine)) return;
      this.#world.engineDown(engine, this.#outage());
    },
    endSession: () => {
      const { model } = this.#world;
      this.#admin();
      for (const { policies, accessor } of [...model.tokens.values()]) {
        if (policies.includes(SESSION_POLICY) && this.#draw.chance(0.7)) model.endToken(accessor, 'admin');
      }
    },
    endLease: () => {
      const { model } = this.#world;
      const certificates = [...model.certificates.keys()].filter((id) => model.lives(id));
      const ids = [...model.leases.keys(), ...certificates];
      this.#admin();
      if (ids.length === 0) return;
      const id = this.#draw.pick(ids);
      if (model.leases.has(id)) model.endLease(id, 'admin');
      else model.revokeCertificate(id, 'admin');
    },
    endToken: () => {
      const { model } = this.#world;
      const tokens = [...model.tokens.values()].filter(({ meta }) => meta.task !== undefined);
      this.#admin();
      if (tokens.length > 0) model.endToken(this.#draw.pick(tokens).accessor, 'admin');
    },
    journalBroken: () => this.#disk('journal', (on) => (this.#world.disk.broken = on)),
    filesFull: () => this.#disk('files', (on) => (this.#world.files.full = on)),
    filesStuck: () => this.#disk('files', (on) => (this.#world.files.stuck = on)),
  };

  get #draw() {
    return this.#world.draw;
  }

  #outage(): number {
    return this.#draw.wait(this.#world.weather.meanOutageMs) + 10;
  }

  #outageOf(kind: 'unreachable' | 'silent'): void {
    const { outage } = this.#world.hazards;
    this.#world.window(
      'path',
      this.#outage(),
      () => {
        outage[kind] += 1;
      },
      () => {
        outage[kind] -= 1;
      },
    );
  }

  #disk(kind: 'journal' | 'files', set: (on: boolean) => void): void {
    this.#world.window(
      kind,
      this.#outage(),
      () => set(true),
      () => set(false),
    );
  }

  /** Tasks that callers still think of: mostly living ones. */
  #tasks(): SimTask[] {
    const recent = [...this.#world.tasks.values()].slice(-12);
    const living = recent.filter(({ id }) => this.#world.ledger.byTask.get(id)?.stoppingAt === null);
    return living.length > 0 && this.#draw.chance(0.8) ? living : recent;
  }

  #on(act: (task: SimTask) => void): void {
    const tasks = this.#tasks();
    if (tasks.length > 0) act(this.#draw.pick(tasks));
  }

  #admin(): void {
    this.#world.calm.touch('admin', this.#world.at);
  }

  /** The agent watches the directory; frozen, it sees what happened there when it goes on. */
  #tell(): void {
    const { life } = this.#world;
    if (life !== null) life.process.when(() => life.followProfiles());
  }

  #terminate(keep: boolean): void {
    const life = this.#world.up;
    if (life === null || life.leaving !== null) return;
    void this.callers.terminate(keep);
  }

  /** A backup now and then; a restore goes back to the last one. */
  #takeSnapshots(): void {
    const { clock, model, weather, draw } = this.#world;
    if (weather.happenings.restore === undefined) return;
    this.#snapshot = model.snapshot();
    clock.after(draw.int(1000, 60_000), () => {
      if (!this.#world.quiet) this.#takeSnapshots();
    });
  }

  #restore(): void {
    const world = this.#world;
    if (this.#snapshot === null) return;
    for (const { accessor } of this.#snapshot.tokens) {
      if (!world.model.tokens.has(accessor)) world.revived.add(accessor);
    }
    world.model.restore(this.#snapshot);
    world.restoredAt = world.at;
    world.calm.touch('vault', world.at);
    world.calm.touch('admin', world.at);
    world.model.expire();
  }
}
