// Owns a storm: everything that can break, at random, over tasks that come, rotate and go. Promise under test:
// whatever the order, once it is over nothing is left. The seed is printed and replays the same draws.
// Vault itself is not killed in it: a login whose creation dies with Vault is one that Vault forgot, not we.
import { expect } from 'vitest';
import {
  type Fault,
  LOOKUP,
  READ,
  RENEW,
  REVOKE,
  REVOKE_TOKEN,
  SESSION,
  SWALLOW,
  says,
  TOKEN,
} from '../harness/faults.ts';
import { chosenSeed, seededRandom } from '../harness/random.ts';
import { pause } from '../harness/until.ts';
import { type ChaosWorld, newTask, nothingButLostTokens } from './chaos-world.ts';
import type { Group } from './scenario.ts';

const PROFILES = ['rotating', 'short-lease', 'brisk-lease', 'certificate', 'one-time-password', 'database'];
const TARGETS = [TOKEN, READ, RENEW, REVOKE, REVOKE_TOKEN, LOOKUP, SESSION];
const FAULTS: readonly Fault[] = [
  { do: 'cut' },
  SWALLOW,
  { do: 'reset', afterBytes: 40 },
  { do: 'halfBody' },
  { do: 'delay', ms: 900 },
  { do: 'trickle', bytes: 60, everyMs: 40 },
  says(500, 'internal error'),
  { ...says(502, 'bad gateway'), afterEffect: true },
  says(429, 'quota', { 'retry-after': '1' }),
  says(503, 'Vault is sealed'),
  says(403, 'permission denied'),
];
const LANES = 6;

/** One blow of the storm. */
const strike = async (world: ChaosWorld, random: () => number): Promise<string> => {
  const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
  const kind = one(['fault', 'fault', 'fault', 'fault', 'down', 'kill', 'freeze', 'database']);
  switch (kind) {
    case 'down':
      await world.proxy.down();
      await pause(200 + 1_500 * random());
      await world.proxy.up();
      break;
    case 'kill':
      await world.agent.kill9();
      await pause(300 * random());
      await world.agent.launch();
      if (random() < 0.3) {
        await pause(400 * random());
        await world.agent.kill9();
        await world.agent.launch();
      }
      break;
    case 'freeze': {
      const { pid } = world.agent;
      process.kill(pid, 'SIGSTOP');
      await pause(500 + 4_000 * random());
      process.kill(pid, 'SIGCONT');
      break;
    }
    case 'database':
      await world.postgres.stop();
      await pause(500 * random());
      await world.postgres.start();
      break;
    default:
      world.proxy.on({ ...one(TARGETS), times: 1 + Math.floor(random() * 3) }, one(FAULTS));
  }
  return kind;
};

export const storm: Group = {
  scenarios: [
    {
      name: 'ninety seconds of random faults, kills, freezes and restarts over tasks that rotate: nothing is left',
      limitMs: 300_000,
      async run(world) {
        const random = seededRandom(
          chosenSeed('--config vitest.long.config.ts test/chaos/servers.test.ts -t "ninety seconds"'),
        );
        const overAt = performance.now() + 90_000;
        const count = { started: 0, refused: 0, cut: 0 };
        const blows: Record<string, number> = {};
        const lanes = Array.from({ length: LANES }, async () => {
          while (performance.now() < overAt) {
            const task = newTask('storm');
            const profile = PROFILES[Math.floor(random() * PROFILES.length)]!;
            try {
              const { status } = await world.api('PUT', `/v1/tasks/${task}`, { profile });
              if (status === 201) count.started += 1;
              else count.refused += 1;
              await pause(6_000 * random() ** 2);
              // One in five is left to the end.
              if (random() < 0.8) await world.api('DELETE', `/v1/tasks/${task}`);
            } catch {
              count.cut += 1;
              await pause(50);
            }
          }
        });
        while (performance.now() < overAt) {
          const kind = await strike(world, random);
          blows[kind] = (blows[kind] ?? 0) + 1;
          await pause(800 * random());
        }
        world.proxy.heal();
        await Promise.all(lanes);
        console.log(`storm: ${JSON.stringify({ ...count, ...blows })}`);
        expect(count.started).toBeGreaterThan(20);
        await nothingButLostTokens(world, Number.POSITIVE_INFINITY);
      },
    },
  ],
};
