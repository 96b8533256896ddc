// Owns the five stretches of the agent's life in which it is killed: start, renew, rotate, stop, recovery.
// Invariant: each can be run with an agent that survives it, to see its steps, and with one that does not.
import { REVOKE, TOKEN } from '../harness/faults.ts';
import { mediumLease } from '../harness/sample-profiles.ts';
import { startTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import type { CrashPoint } from './crash-plan.ts';
import type { CrashWorld } from './crash-world.ts';

export type Life = {
  readonly name: 'start' | 'renew' | 'rotate' | 'stop' | 'recovery';
  /** Brings the agent to where the stretch begins, goes through it, and ends when it is over or the agent dead. */
  run(world: CrashWorld, at?: CrashPoint): Promise<void>;
};

let ids = 0;
const newTask = (): string => `crash-${++ids}`;

/** A call whose agent may die under it. */
const perhaps = async (call: Promise<unknown>): Promise<void> => void (await call.catch(() => undefined));

const over = (world: CrashWorld, what: string, done: () => boolean | Promise<boolean>) =>
  until(what, async () => !world.agent.running || (await done()), 30_000);

const journaled = (world: CrashWorld, fact: string): boolean =>
  world.steps().some(({ step }) => step.startsWith('journal') && step.includes(fact));

/** A life in which the agent is well at first and its steps count from then on. */
const afterReady = async (world: CrashWorld, at: CrashPoint | undefined): Promise<void> => {
  await world.agent.start(world.crashable({ armed: false, ...(at === undefined ? {} : { at }) }));
};

const state = async (world: CrashWorld, task: string): Promise<string> =>
  (await world.admin('GET', `/v1/tasks/${task}`)).body.state;

/** A profile whose task rotates at once when another edition of it is written. */
const changing = (edition: string) => ({
  ...mediumLease,
  overlap: '1s',
  secrets: {
    db: {
      path: 'database/creds/medium',
      files: {
        'db.json': { format: 'json' },
        edition: { format: 'template', template: `${edition}\n` },
      },
    },
  },
});

export const LIVES: readonly Life[] = [
  {
    name: 'start',
    async run(world, at) {
      await afterReady(world, at);
      world.arm();
      await perhaps(world.api('PUT', `/v1/tasks/${newTask()}`, { profile: 'medium-lease' }));
    },
  },
  {
    name: 'stop',
    async run(world, at) {
      await afterReady(world, at);
      const task = newTask();
      await startTask(world, task, 'medium-lease');
      world.arm();
      await perhaps(world.api('DELETE', `/v1/tasks/${task}?wait=20s`));
    },
  },
  {
    name: 'renew',
    async run(world, at) {
      await afterReady(world, at);
      await startTask(world, newTask(), 'short-lease');
      world.arm();
      await over(world, 'the lease is renewed', () => journaled(world, 'leases.renewed'));
    },
  },
  {
    name: 'rotate',
    async run(world, at) {
      const task = newTask();
      await world.writeProfile('changing', changing('1'));
      await afterReady(world, at);
      await startTask(world, task, 'changing');
      world.arm();
      await world.writeProfile('changing', changing('2'));
      await over(world, 'the old generation is proved', () => journaled(world, 'generation.proved'));
    },
  },
  {
    name: 'recovery',
    async run(world, at) {
      await world.agent.start();
      const [active, stopping, starting] = [newTask(), newTask(), newTask()];
      await startTask(world, active, 'medium-lease');
      await startTask(world, stopping, 'medium-lease');
      world.proxy.on(REVOKE, { do: 'cut' });
      await world.api('DELETE', `/v1/tasks/${stopping}`);
      const made = world.proxy.on(TOKEN, { do: 'hold' });
      const cut = perhaps(world.api('PUT', `/v1/tasks/${starting}`, { profile: 'medium-lease' }));
      await until('its token is being made', () => made.struck === 1);
      await world.agent.kill9();
      await cut;
      world.proxy.heal();
      await world.agent.launch(world.crashable({ armed: true, ...(at === undefined ? {} : { at }) }));
      await over(world, 'what was half done is closed', async () => {
        const states = await Promise.all([stopping, starting].map((task) => state(world, task)));
        return states.every((each) => each === 'closed' || each === undefined);
      });
    },
  },
];
