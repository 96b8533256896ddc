// Owns the bar of what has no lease: stored secrets, their pinned versions, codes and keys. Nothing of it is ever called
// revoked; its file goes with the task. And of any other path that a profile describes itself.
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { administer } from '../harness/administer.ts';
import { expectProblem, expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { lookupLease } from '../harness/vault-lists.ts';
import type { World } from '../harness/world.ts';
import { CYCLES, engineWorld, secretOf } from './engine-world.ts';

let world: World;
const TOTP_KEY = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

beforeAll(async () => {
  world = await engineWorld(
    ['kv1/app', 'secret/data/app/*', 'totp/code/bank', 'database/creds/report']
      .map((path) => `path "${path}" { capabilities = ["read"] }`)
      .concat('path "transit/datakey/plaintext/app" { capabilities = ["update"] }')
      .join('\n'),
    {
      'kv-1': { path: 'kv1/app' },
      'kv-2': { path: 'secret/data/app/pinned' },
      'kv-2-first': { path: 'secret/data/app/pinned', version: 1 },
      'kv-2-none': { path: 'secret/data/app/pinned', version: 9 },
      'kv-1-pinned': { path: 'kv1/app', version: 1 },
      totp: { path: 'totp/code/bank' },
      'totp-followed': { path: 'totp/code/bank', period: '4s' },
      transit: { path: 'transit/datakey/plaintext/app', method: 'write', body: { bits: 256 } },
      'kv-revocable': { path: 'kv1/app', require: 'revocable' },
      'lease-ends-nothing': { path: 'database/creds/report', revoke: 'none' },
      other: { path: 'database/creds/report', ttl_field: 'ttl' },
    },
  );
  await administer(world, 'POST', 'sys/mounts/kv1', { type: 'kv', options: { version: '1' } });
  await administer(world, 'POST', 'kv1/app', { user: 'app', ttl: '1h', expiration: 5 });
  await administer(world, 'POST', 'secret/data/app/pinned', { data: { user: 'first' } });
  await administer(world, 'POST', 'secret/data/app/pinned', { data: { user: 'second' } });
  await administer(world, 'POST', 'sys/mounts/totp', { type: 'totp' });
  await administer(world, 'POST', 'totp/keys/bank', {
    url: `otpauth://totp/Bank:app?secret=${TOTP_KEY}&issuer=Bank&period=4`,
  });
  await administer(world, 'POST', 'sys/mounts/transit', { type: 'transit' });
  await administer(world, 'POST', 'transit/keys/app', {});
});

afterAll(async () => {
  await world?.close();
});

/** RFC 6238, six digits. */
const codeAt = (ms: number): string => {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(ms / 4000)));
  const digest = createHmac('sha1', '12345678901234567890').update(counter).digest();
  const at = digest.at(-1)! & 0xf;
  return String((digest.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
};

const ROWS: readonly (readonly [string, (secret: Record<string, unknown>) => void])[] = [
  ['kv-1', (secret) => expect(secret).toEqual({ user: 'app', ttl: '1h', expiration: 5 })],
  ['kv-2', (secret) => expect(secret).toEqual({ user: 'second' })],
  ['kv-2-first', (secret) => expect(secret).toEqual({ user: 'first' })],
  ['totp', ({ code }) => expect([0, 4000].map((ago) => codeAt(Date.now() - ago))).toContain(code)],
  ['transit', ({ plaintext }) => expect(Buffer.from(String(plaintext), 'base64')).toHaveLength(32)],
];

describe.each(ROWS)('%s, twenty tasks', (name, check) => {
  test('is delivered, said to be not revocable, and gone from tmpfs with its task', async () => {
    for (let n = 1; n <= CYCLES; n += 1) {
      const task = `${name}-${n}`;
      const { leases } = await startTask(world, task, name);
      expect(leases).toEqual([{ secret: 'secret', expires_at: null, renewable: false, revocable: false }]);
      check(await secretOf(world, task));
      expect((await stopTask(world, task)).leases).toMatchObject([
        { proof: 'expires', ended_at: null, ends_at: null },
      ]);
      expect(world.taskDirs()).not.toContain(task);
    }
    await world.untilNothingLeft();
  });
});

test('a data key can be had again from its ciphertext, by whoever Vault lets decrypt', async () => {
  await startTask(world, 'data-key', 'transit');
  const { ciphertext, plaintext } = await secretOf(world, 'data-key');
  const { data } = await administer(world, 'POST', 'transit/decrypt/app', { ciphertext });
  expect(data.plaintext).toBe(plaintext);
  await stopTask(world, 'data-key');
});

test('a pinned version that is not there, or of a mount without versions, is no secret', async () => {
  const missing = await world.api('PUT', '/v1/tasks/none', { profile: 'kv-2-none' });
  expect(expectProblem(missing, 502, 'VAULT_DENIED').detail).toContain('secret/data/app/pinned');
  const unversioned = await world.api('PUT', '/v1/tasks/old', { profile: 'kv-1-pinned' });
  expect(expectProblem(unversioned, 502, 'VAULT_CONTRACT').detail).toContain('KV version 1');
  await administer(world, 'DELETE', 'secret/data/app/pinned');
  await administer(world, 'POST', 'secret/delete/app/pinned', { versions: [1] });
  const deleted = await world.api('PUT', '/v1/tasks/gone', { profile: 'kv-2-first' });
  expectProblem(deleted, 502, 'VAULT_DENIED');
  await administer(world, 'POST', 'secret/undelete/app/pinned', { versions: [1, 2] });
});

test('require: revocable refuses what has no lease', async () => {
  const reply = await world.api('PUT', '/v1/tasks/strict', { profile: 'kv-revocable' });
  expect(expectProblem(reply, 502, 'VAULT_CONTRACT').detail).toContain('Vault gave it no lease');
});

test('a lease whose end takes nothing away is ended, and not called revoked', async () => {
  const { leases } = await startTask(world, 'sts', 'lease-ends-nothing');
  expect(leases).toMatchObject([{ revocable: false, expires_at: expect.any(String) }]);
  const receipt = await stopTask(world, 'sts');
  expect(receipt.leases).toMatchObject([{ proof: 'expires', ended_at: null, ends_at: expect.any(String) }]);
  await world.untilNothingLeft();
});

test('a code with a period is followed: soon after each one there is the next', async () => {
  await startTask(world, 'codes', 'totp-followed', { duration: '1m' });
  const seen = new Set<string>();
  await until('four codes were there', async () => {
    const { code } = await secretOf(world, 'codes');
    seen.add(code);
    return seen.size >= 4;
  });
  await stopTask(world, 'codes');
  await world.untilNothingLeft();
});

test('a read with ttl_field sends the time left as a query, which an engine that knows none ignores', async () => {
  await startTask(world, 'other', 'other', { duration: '2m' });
  const [id] = await world.vaultLeases();
  await until(
    'it is cut all the same',
    async () => ((await lookupLease(world.vault, id!))?.ttl ?? 999) <= 120,
  );
  expectProved(await stopTask(world, 'other'), 1);
});
