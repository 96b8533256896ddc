// The real agent killed with SIGKILL at exact steps of start, renew, rotate, stop and recovery, with Vault up,
// sealed or unreachable at the restart: no lease, token, role or file is left, and what lives on works.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LONG } from '../harness/long.ts';
import type { CrashPoint } from './crash-plan.ts';
import { type CrashWorld, crashWorld } from './crash-world.ts';
import { everyPoint } from './every-point.ts';
import { crash, RESTARTS, type Restart } from './judge.ts';
import { LIVES, type Life } from './lives.ts';

/** The most telling points: side, step, and how the restarted agent finds Vault. */
const TELLING: readonly [Life['name'], CrashPoint['when'], string, Restart][] = [
  ['start', 'after', 'vault POST auth/token/create/tasklease', 'up'],
  ['start', 'after', 'journal token.opened', 'sealed'],
  ['start', 'after', 'vault GET database/creds/medium', 'up'],
  ['start', 'after', 'rename to tasks/TASK/current', 'unreachable'],
  ['start', 'after', 'journal delivery.published', 'up'],
  ['renew', 'after', 'vault POST sys/leases/renew', 'up'],
  ['rotate', 'after', 'vault GET database/creds/medium', 'up'],
  ['rotate', 'after', 'rename to tasks/TASK/current', 'sealed'],
  ['stop', 'before', 'remove tasks/TASK', 'unreachable'],
  ['stop', 'after', 'vault POST sys/leases/revoke', 'up'],
  ['stop', 'after', 'vault POST auth/token/revoke-accessor', 'sealed'],
  ['recovery', 'after', 'vault POST auth/token/create/tasklease-session', 'up'],
];

if (LONG) {
  describe.each(LIVES.map((life) => [life.name, life] as const))(
    'killed at every step of %s',
    (_name, life) => {
      test.each(RESTARTS)(
        'with Vault %s at the restart: nothing is left, what lives on works',
        async (restart) => {
          const log = (line: string): void => console.log(line);
          const tally = await everyPoint(life, restart, log);
          log(`${life.name}, Vault ${restart}: ${tally.reached} of ${tally.points} crash points reached`);
          expect(tally.failures).toEqual([]);
          expect(tally.reached).toBeGreaterThan(0.8 * tally.points);
        },
        3_600_000,
      );
    },
  );
} else {
  let world: CrashWorld;
  beforeAll(async () => {
    world = await crashWorld();
  });
  afterAll(() => world?.close());

  test.each(TELLING)(
    'killed during %s, %s "%s", Vault %s at the restart: nothing is left, what lives on works',
    async (name, when, step, restart) => {
      const life = LIVES.find((each) => each.name === name)!;
      expect(await crash(world, life, { step, nth: 1, when }, restart)).toBe(true);
    },
  );
}
