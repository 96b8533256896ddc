// Owns fourteen plain stories of the engine, for failing each of their effects in turn. Invariant: without a blow they
// are the same every time, effect by effect.

import { comeToRest, keepAlive, stillWorks } from './run-seed.ts';
import { Approvers } from './world/approvers.ts';
import { Happenings } from './world/happenings.ts';
import type { Strike } from './world/hazards.ts';
import { GUARDED } from './world/scenery.ts';
import type { SimSecret } from './world/sim-vault-model.ts';
import type { SimTask } from './world/tasks.ts';
import { PLAIN, type TermsOptions } from './world/terms.ts';
import { World } from './world/world.ts';

interface Story {
  readonly world: World;
  readonly happenings: Happenings;
  readonly approvers: Approvers;
  /** Starts a task of this kind; resolves when a second has passed. */
  start(kind: string, durationMs: number, parent?: SimTask): Promise<SimTask>;
  /** Time passes; false when something is wrong by now. */
  pass(ms: number): Promise<boolean>;
}

const SECRETS: Readonly<Record<string, SimSecret>> = {
  'database/creds/a': {
    engine: 'database',
    ttlMs: 20_000,
    maxTtlMs: 3_600_000,
    fields: { password: 'CANARY' },
  },
  'database/creds/b': { engine: 'database', ttlMs: 20_000, maxTtlMs: 40_000, fields: { password: 'CANARY' } },
  'pki/issue/web': { engine: 'pki', ttlMs: 30_000, maxTtlMs: 30_000, fields: { private_key: 'CANARY' } },
  'secret/data/app': { engine: 'kv', ttlMs: 0, maxTtlMs: 0, fields: { token: 'CANARY' } },
};

export const SCENARIOS: Readonly<Record<string, (story: Story) => Promise<unknown>>> = {
  'start and stop': async ({ start, happenings, pass }) => {
    const task = await start('mixed', 60_000);
    happenings.callers.stop(task, 5000);
    await pass(3000);
  },
  renewals: async ({ start, pass }) => {
    await start('report', 60_000);
    await pass(30_000);
  },
  'a rotation': async ({ start, pass }) => {
    await start('web', 60_000);
    await pass(45_000);
  },
  'a rotation that fails': async ({ start, pass, world }) => {
    await start('web', 120_000);
    await pass(15_000);
    world.engineDown('pki', 8000);
    await pass(30_000);
  },
  'an extension': async ({ start, happenings, pass }) => {
    const task = await start('session', 5000);
    happenings.callers.extend(task, 20_000);
    await pass(15_000);
  },
  'parent and child': async ({ start, happenings, pass }) => {
    const parent = await start('session', 60_000);
    await start('report', 30_000, parent);
    happenings.callers.stop(parent);
    await pass(3000);
  },
  'a restart': async ({ start, world, pass }) => {
    await start('report', 60_000);
    world.life?.process.kill();
    await pass(10_000);
  },
  'an outage': async ({ start, happenings, world, pass }) => {
    await start('report', 60_000);
    const task = await start('web', 60_000);
    const { outage } = world.hazards;
    const set = (by: number) => () => {
      outage.unreachable += by;
    };
    world.window('path', 8000, set(1), set(-1));
    await pass(1000);
    happenings.callers.stop(task);
    await pass(15_000);
  },
  'an approval': async ({ start, approvers, pass }) => {
    const task = await start(GUARDED, 60_000);
    approvers.say(task, 7, true);
    await pass(3000);
    approvers.say(await start(GUARDED, 60_000), 7, false);
    await pass(3000);
  },
  'a drain': async ({ start, happenings, pass }) => {
    await start('mixed', 60_000);
    await start('config', 60_000);
    happenings.callers.revokeAll(true);
    await pass(5000);
  },
  'a certificate by its serial': async ({ start, happenings, pass }) => {
    const task = await start('web', 20_000);
    await pass(2000);
    happenings.callers.stop(task, 5000);
    await pass(3000);
    await start('web', 5000);
    await pass(10_000);
  },
  'a certificate that Vault forgets': async ({ start, happenings, world, pass }) => {
    const task = await start('web', 60_000);
    world.engineDown('pki', 8000);
    happenings.callers.stop(task);
    await pass(3000);
    const { model } = world;
    model.restore({ ...model.snapshot(), certificates: [] });
    world.restoredAt = world.at;
    await pass(30_000);
  },
  'a rotation by Vault': async ({ start, world, pass }) => {
    await start('config', 60_000);
    await pass(15_000);
    world.engineDown('static', 15_000);
    await pass(40_000);
  },
  'an abandoned proof': async ({ start, happenings, world, pass }) => {
    const task = await start('report', 60_000);
    world.engineDown('database', 8000);
    happenings.callers.stop(task);
    await pass(3000);
    happenings.callers.abandon(task);
    await pass(10_000);
  },
};

/** Stories about secrets that hang under no lease. */
const TERMS: Readonly<Record<string, TermsOptions>> = {
  'a certificate by its serial': { ...PLAIN, certificate: 'serial', ttlField: true, requiring: 1 },
  'a certificate that Vault forgets': { ...PLAIN, certificate: 'serial' },
  'a rotation by Vault': { ...PLAIN, value: 'static', periodMs: 12_000 },
};

export interface ScenarioResult {
  readonly wrong: string | null;
  /** Calls that changed something before all became quiet. */
  readonly effects: number;
  readonly trace: readonly string[];
}

/** What an effect may come to. */
export const BLOWS = [
  'crashBefore',
  'crashAfter',
  'fail',
  'lost',
] as const satisfies readonly Strike['how'][];

export async function runScenario(name: string, strike?: Strike): Promise<ScenarioResult> {
  const world = new World({
    seed: 1,
    verbose: true,
    secrets: SECRETS,
    weather: { happenings: {}, flukes: {}, latency: 'near', crash: 0, slowDisk: false, leashMs: 60_000 },
    ...(TERMS[name] === undefined ? {} : { terms: TERMS[name] }),
    ...(strike === undefined ? {} : { strike }),
  });
  const happenings = new Happenings(world);
  const approvers = new Approvers(world, happenings.callers);
  approvers.guard({ ttlMs: 20_000, approvers: [7], count: 1 });
  const story: Story = {
    world,
    happenings,
    approvers,
    pass: (ms) => world.pass(ms),
    async start(kind, durationMs, parent) {
      const task = happenings.callers.invent(parent ?? null, { kind, durationMs });
      happenings.callers.start(task);
      await world.pass(1000);
      return task;
    },
  };
  world.boot();
  keepAlive(world, happenings);
  await world.pass(100);
  await SCENARIOS[name]!(story);
  const { effects } = world.hazards;
  world.becomeQuiet();
  const well = (await world.until(() => world.up !== null, 30_000)) && (await world.pass(100_000));
  if (well && (await stillWorks(world, happenings))) await comeToRest(world, happenings);
  return {
    wrong: world.violations[0] ?? (well ? null : 'no agent comes up'),
    effects,
    trace: world.trace.lines,
  };
}
