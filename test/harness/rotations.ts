// Owns rotations that a test forces by rewriting the profile of a living task, and the moment between two generations:
// both live, and PostgreSQL knows the logins of both.
import { canLogin } from '../../src/dev/postgres-server.ts';
import { database, type ProfileBody } from './sample-profiles.ts';
import { showTask } from './tasks.ts';
import { until } from './until.ts';
import type { Login } from './vault-audit.ts';
import type { World } from './world.ts';

/**
 * The same profile in another plan each round, which rotates its tasks: its overlap changes, since a wider mode or another
 * secret would be kept from tasks that live.
 */
export const inRound = (body: ProfileBody, overlapSeconds: number, round: number): ProfileBody => ({
  ...body,
  overlap: `${overlapSeconds + (round % 2)}s`,
});

/** No test lives to see the end of this overlap: a generation once superseded ends with its task. */
export const overlapping = (round: number): ProfileBody => inRound(database, 1800, round);

/** Which of these PostgreSQL lets in. */
export const letIn = async (world: Pick<World, 'postgres'>, logins: readonly Login[]): Promise<boolean[]> =>
  Promise.all(
    logins.map(({ username, password }) => canLogin(world.postgres.port, 'postgres', username, password)),
  );

/** Rewrites `profile` while the task lives; answers when its files are those of the next generation. */
export const rotate = async (
  world: Pick<World, 'api' | 'writeProfile'>,
  task: string,
  profile: string,
  body: ProfileBody,
): Promise<void> => {
  const { generation } = await showTask(world, task);
  await world.writeProfile(profile, body);
  await until(
    `${task} has left generation ${generation}`,
    async () => (await showTask(world, task)).generation > generation,
  );
};
