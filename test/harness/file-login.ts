// Owns the look of a workload at its credential: read the file, log in. Invariant: a refusal counts unless the file had
// time to be replaced, and its credential to be revoked, between the two.
import { canLogin } from '../../src/dev/postgres-server.ts';
import type { Login } from './vault-audit.ts';
import type { World } from './world.ts';

/** A superseded credential is good for this long at least, whatever the profile's overlap. Milliseconds. */
const LEAST_OVERLAP_MS = 1000;

const inTime = (readAt: number): boolean => performance.now() - readAt < LEAST_OVERLAP_MS;

/** True when PostgreSQL refuses a login that was read at `readAt` (performance.now()), a moment ago. */
export const refused = async (
  world: Pick<World, 'postgres'>,
  readAt: number,
  { username, password }: Login,
): Promise<boolean> =>
  !(await canLogin(world.postgres.port, 'postgres', username, password)) && inTime(readAt);

/** The login in `db.json` of a task, as its file is now. */
export const loginOf = async (world: Pick<World, 'file'>, task: string): Promise<Login> =>
  JSON.parse(await world.file(task, 'db.json'));

/** True when the login in `db.json` of a task works; read again when it was too late. */
export const fileLogsIn = async (world: Pick<World, 'file' | 'postgres'>, task: string): Promise<boolean> => {
  for (;;) {
    const readAt = performance.now();
    const { username, password } = await loginOf(world, task);
    if (await canLogin(world.postgres.port, 'postgres', username, password)) return true;
    if (inTime(readAt)) return false;
  }
};
