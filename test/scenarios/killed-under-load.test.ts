// Bar 4: the agent is killed with -9 at twenty-five random moments under load and restarted each time, while
// credentials rotate every few seconds and a profile changes. Tasks that live are taken over each time and hold
// a login that works. At the end Vault holds no lease and no task token, and no file is left.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { untilNothingAnsweredIsLeft } from '../harness/answered-logins.ts';
import { fileLogsIn } from '../harness/file-login.ts';
import { chosenSeed, seededRandom } from '../harness/random.ts';
import { inRound } from '../harness/rotations.ts';
import { database } from '../harness/sample-profiles.ts';
import { showTask, startTask } from '../harness/tasks.ts';
import { pause, until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const PROFILES = ['database', 'certificate', 'one-time-password', 'key-value'];
const MOMENTS = 25;
const LANES = 8;

/**
 * Its credential ends every 15 s. A kill in the middle of a rotation leaves a read whose answer nobody heard, which is
 * left alone for 5 s before the next: killed again and again, the file may be replaced late, or withdrawn meanwhile;
 * the task goes on all the same.
 */
const ROTATING = 'keeper-rotating';
/** Tasks that live through it all; every change of the last one's profile rotates it. */
const KEEPERS = { 'keeper-plain': 'database', [ROTATING]: 'keeping', 'keeper-reloaded': 'reloaded' };
const reloaded = (round: number) => inRound(database, 1, round);

let world: World;
beforeAll(async () => {
  world = await createWorld({ audit: true, profiles: { reloaded: reloaded(0) } });
});
afterAll(() => world?.close());

test('kill -9 at 25 random moments under load: living tasks go on, and nothing is left in the end', async () => {
  const random = seededRandom(chosenSeed('test/scenarios/killed-under-load.test.ts'));
  let loading = true;
  let finished = 0;
  let cutOff = 0;
  const lane = async (n: number): Promise<void> => {
    for (let round = 0; loading; round += 1) {
      const profile = PROFILES[(n + round) % PROFILES.length]!;
      const body = { profile, ...(profile === 'key-value' ? { params: { env: 'prod' } } : {}) };
      const task = `lane-${n}-${round}`;
      try {
        const started = await world.api('PUT', `/v1/tasks/${task}`, body);
        if (started.status !== 201) continue;
        const stopped = await world.api('DELETE', `/v1/tasks/${task}${round % 2 === 0 ? '?wait=5s' : ''}`);
        if (stopped.status === 200) finished += 1;
      } catch {
        // The agent died under this request. What it had begun is its own to end.
        cutOff += 1;
        await pause(20);
      }
    }
  };
  const lanes = Array.from({ length: LANES }, (_, n) => lane(n));

  for (const [task, profile] of Object.entries(KEEPERS)) await startTask(world, task, profile);

  for (let moment = 0; moment < MOMENTS; moment += 1) {
    await pause(random() * 400);
    if (moment % 2 === 1) await world.writeProfile('reloaded', reloaded(Math.ceil(moment / 2)));
    await world.agent.kill9();
    // Every third time it is killed again before it is ready: recovery must survive its own death.
    if (moment % 3 === 2) {
      await world.agent.launch();
      await pause(random() * 500);
      await world.agent.kill9();
    }
    await world.agent.start();
    for (const task of Object.keys(KEEPERS)) {
      expect((await world.api('GET', `/v1/tasks/${task}`)).body.state, task).toMatch(/^(?:active|degraded)$/);
      if (task === ROTATING) await until(`${task} has a login that works`, () => fileLogsIn(world, task));
      else expect(await fileLogsIn(world, task), task).toBe(true);
    }
  }
  await until(
    'the changes of its profile have rotated keeper-reloaded',
    async () => (await showTask(world, 'keeper-reloaded')).generation > 1,
  );
  loading = false;
  await Promise.all(lanes);
  console.log(`${finished} tasks were finished, ${cutOff} requests were cut off`);
  expect(finished).toBeGreaterThan(0);
  expect(cutOff).toBeGreaterThan(0);

  // What was cut off between its start and its stop was taken over and lives.
  expect((await world.admin('POST', '/v1/revoke-all?wait=60s')).status).toBe(200);
  await until('every task is closed', async () => {
    const { tasks } = (await world.admin('GET', '/v1/tasks')).body;
    return tasks.every(({ state }: { state: string }) => state === 'closed');
  });
  await untilNothingAnsweredIsLeft(world);
  const forgotten = await world.pgRoles();
  console.log(`roles that Vault itself forgot: ${forgotten.length}`);
}, 600_000);
