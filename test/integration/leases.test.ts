// The arithmetic of time on a real Vault: leases are cut to the deadline, renewed while the task lives, and
// never past it; at the deadline everything ends whether anyone asked or not.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { canLogin } from '../../src/dev/postgres-server.ts';
import { startTask, stopTask } from '../harness/tasks.ts';
import { pause, until } from '../harness/until.ts';
import { lookupLease } from '../harness/vault-lists.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world?.close());

/** The id of the only lease below `prefix`. */
const onlyLease = async (prefix: string): Promise<string> => {
  const leases = (await world.vaultLeases()).filter((id) => id.startsWith(prefix));
  expect(leases).toHaveLength(1);
  return leases[0]!;
};

test('a lease longer than the task is cut to the deadline, in Vault and in PostgreSQL', async () => {
  const { deadline } = await startTask(world, 'cut', 'database', { duration: '90s' });
  const lease = await onlyLease('database/creds/report/');
  await until(
    'the lease ends with the task',
    async () => ((await lookupLease(world.vault, lease))?.ttl ?? 999) <= 91,
  );
  const [token] = await world.taskTokens();
  expect(token!.ttl).toBeLessThanOrEqual(91);
  const { username } = JSON.parse(await world.file('cut', 'db.json'));
  const [row] = await world.postgres.query('select rolvaliduntil from pg_roles where rolname = $1', [
    username,
  ]);
  // The plugin adds five seconds of its own.
  expect((row!.rolvaliduntil as Date).getTime()).toBeLessThanOrEqual(Date.parse(deadline) + 8_000);
  await stopTask(world, 'cut');
});

test('a short lease is renewed for as long as the task lives, and revoked at its end', async () => {
  await startTask(world, 'renewed', 'short-lease');
  const lease = await onlyLease('database/creds/short/');
  const { username, password } = JSON.parse(await world.file('renewed', 'db.json'));
  // Three lives of an unrenewed lease of 4 s.
  const until = performance.now() + 12_000;
  while (performance.now() < until) {
    expect(await lookupLease(world.vault, lease), 'the lease lives').toBeDefined();
    await pause(400);
  }
  expect((await lookupLease(world.vault, lease))!.last_renewal).not.toBe(null);
  expect(await canLogin(world.postgres.port, 'postgres', username, password)).toBe(true);
  expect((await world.api('GET', '/v1/tasks/renewed')).body).toMatchObject({
    state: 'active',
    generation: 1,
  });
  await stopTask(world, 'renewed');
  await world.untilNothingLeft(1_000);
});

test('at the deadline the task is stopped with nobody asking', async () => {
  const { deadline } = await startTask(world, 'over', 'database', { duration: '3s' });
  const { username, password } = JSON.parse(await world.file('over', 'db.json'));
  expect(Date.parse(deadline) - Date.now()).toBeLessThanOrEqual(3_100);
  const receipt = await until('the receipt', async () => {
    const reply = await world.api('GET', '/v1/tasks/over/receipt');
    return reply.status === 200 && reply.body;
  });
  expect(receipt).toMatchObject({ outcome: 'expired', leases: [{ proof: 'revoked' }] });
  expect(await canLogin(world.postgres.port, 'postgres', username, password)).toBe(false);
  await world.untilNothingLeft(1_000);
});

test('a deadline may stand for a duration', async () => {
  const deadline = new Date(Date.now() + 120_000).toISOString();
  const answer = await startTask(world, 'by-deadline', 'database', { deadline });
  expect(Math.abs(Date.parse(answer.deadline) - Date.parse(deadline))).toBeLessThan(1_500);
  await stopTask(world, 'by-deadline');
});

test('a lease that cannot be renewed ends with the task all the same', async () => {
  const answer = await startTask(world, 'otp', 'one-time-password', { duration: '3s' });
  expect(answer.leases).toEqual([expect.objectContaining({ renewable: false })]);
  await until('the receipt', async () => (await world.api('GET', '/v1/tasks/otp/receipt')).status === 200);
  await world.untilNothingLeft(1_000);
});

test('a renewal that Vault cannot give makes the task degraded, and good again once it can', async () => {
  await startTask(world, 'wobbly', 'medium-lease');
  const { username, password } = JSON.parse(await world.file('wobbly', 'db.json'));
  await world.vault.seal();
  const degraded = await until('the task is degraded', async () => {
    const reply = await world.api('GET', '/v1/tasks/wobbly');
    return reply.body.state === 'degraded' && reply.body;
  });
  expect(JSON.stringify(degraded)).toContain('VAULT_SEALED');
  expect((await world.file('wobbly', 'db.json')).length, 'it works on').toBeGreaterThan(0);
  await world.vault.unseal();
  await until('the task is active again', async () => {
    return (await world.api('GET', '/v1/tasks/wobbly')).body.state === 'active';
  });
  expect(await canLogin(world.postgres.port, 'postgres', username, password)).toBe(true);
  await stopTask(world, 'wobbly');
});
