// Owns the killing at every step of a life. Invariant: the steps come from a run that nobody kills, so a step
// that is new in the product is a crash point by itself; every point that fails is told, not only the first.
import type { CrashPoint } from './crash-plan.ts';
import { type CrashWorld, crashWorld } from './crash-world.ts';
import { crash, type Restart, stepsOf } from './judge.ts';
import type { Life } from './lives.ts';

export type Tally = {
  readonly points: number;
  /** At how many of them the agent died as planned; the others did not come up in that run. */
  readonly reached: number;
  readonly failures: readonly string[];
};

const SIDES = ['before', 'after'] as const;
const say = ({ when, step, nth }: CrashPoint): string => `${when} "${step}" #${nth}`;

/** Kills the agent before and after each step, in a world of its own, which a failure makes anew. */
export const everyPoint = async (
  life: Life,
  restart: Restart,
  log: (line: string) => void,
): Promise<Tally> => {
  let world = await crashWorld();
  try {
    const steps = await stepsOf(world, life);
    const points = steps.flatMap((step) => SIDES.map((when): CrashPoint => ({ ...step, when })));
    const failures: string[] = [];
    let reached = 0;
    for (const at of points) {
      try {
        if (await crash(world, life, at, restart)) reached += 1;
        else log(`not reached: ${say(at)}`);
      } catch (error) {
        const what = `killed ${say(at)}, Vault ${restart}: ${(error as Error).message}`;
        failures.push(what);
        log(`${what}\n${world.logs().split('\n').slice(-12).join('\n')}`);
        world = await another(world);
      }
    }
    return { points: points.length, reached, failures };
  } finally {
    await world.close();
  }
};

const another = async (world: CrashWorld): Promise<CrashWorld> => {
  await world.close();
  return crashWorld();
};
