// Owns what becomes of a password that Vault rotates under a living task: it is followed, soon after and not before.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { administer } from '../harness/administer.ts';
import { type Mariadb, mariadbClient, startMariadb } from '../harness/servers/mariadb.ts';
import { showTask, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import type { World } from '../harness/world.ts';
import { engineWorld, secretOf } from './engine-world.ts';

let world: World;
let mariadb: Mariadb;
/** Vault itself looks every five seconds for what it has to rotate. */
const PERIOD_S = 10;

beforeAll(async () => {
  [mariadb, world] = await Promise.all([
    startMariadb(),
    engineWorld('path "database/static-creds/service" { capabilities = ["read"] }', {
      service: { path: 'database/static-creds/service' },
    }),
  ]);
  await mariadb.query("create user 'service'@'127.0.0.1' identified by 'first'");
  await administer(world, 'POST', 'database/config/mariadb', {
    plugin_name: 'mysql-database-plugin',
    allowed_roles: ['*'],
    connection_url: `{{username}}:{{password}}@tcp(127.0.0.1:${mariadb.port})/`,
    username: mariadb.user,
    password: mariadb.password,
  });
  await administer(world, 'POST', 'database/static-roles/service', {
    db_name: 'mariadb',
    username: 'service',
    rotation_period: `${PERIOD_S}s`,
    rotation_statements: ["alter user '{{name}}'@'127.0.0.1' identified by '{{password}}'"],
  });
});

afterAll(async () => {
  await Promise.all([world?.close(), mariadb?.stop()]);
});

const works = async ({ username, password }: { username: string; password: string }): Promise<boolean> =>
  (await mariadbClient(mariadb.port, username, password, 'select 1')).code === 0;

/** What Vault gives out now, and since when. */
const current = async () =>
  (await administer(world, 'GET', 'database/static-creds/service')).data as {
    password: string;
    last_vault_rotation: string;
  };

test('the file follows every rotation, and no generation is raised that shows nothing new', async () => {
  await startTask(world, 'following', 'service', { duration: '5m' });
  const passwords = [(await secretOf(world, 'following')).password];
  expect(await works(await secretOf(world, 'following'))).toBe(true);
  const startedAt = performance.now();
  for (let n = 2; n <= 3; n += 1) {
    const shown = await until(`the file shows another password, for the ${n - 1}. time`, async () => {
      const secret = await secretOf(world, 'following');
      return !passwords.includes(secret.password) && secret;
    });
    passwords.push(shown.password);
    // Unless Vault has rotated again meanwhile, on a slow machine.
    if ((await current()).password === shown.password) expect(await works(shown)).toBe(true);
    const { generation, state } = await showTask(world, 'following');
    const rotations = Math.floor((performance.now() - startedAt) / (PERIOD_S * 1000)) + 1;
    expect(generation).toBeGreaterThanOrEqual(n);
    expect(generation - 1, 'generations that can have had something new').toBeLessThanOrEqual(rotations);
    expect(state).toBe('active');
  }
  const receipt = await stopTask(world, 'following');
  // None of those that were shown is called revoked, and Vault's next rotation ends the last.
  for (const lease of receipt.leases) expect(lease).toMatchObject({ proof: 'expires', ended_at: null });
  await world.untilNothingLeft();
});

test('while Vault cannot rotate, the task keeps what it has and says why, and follows when Vault can again', async () => {
  await startTask(world, 'patient', 'service', { duration: '5m' });
  const before = await secretOf(world, 'patient');
  await mariadb.halt();
  const view = await until('it says that the rotation is due', async () => {
    const seen = await showTask(world, 'patient');
    return seen.state === 'degraded' && seen;
  });
  expect(view.reason.detail).toContain('database/static-creds/service');
  expect(view.dir).toEqual(expect.any(String));
  expect(await secretOf(world, 'patient')).toEqual(before);
  await mariadb.start();
  const after = await until(
    'another password is in the file',
    async () => {
      const secret = await secretOf(world, 'patient');
      return secret.password !== before.password && secret;
    },
    90_000,
  );
  expect(await works(after)).toBe(true);
  await until('it is well again', async () => (await showTask(world, 'patient')).state === 'active');
  await stopTask(world, 'patient');
  await world.untilNothingLeft();
});
