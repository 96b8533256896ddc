// Owns the ledger as an auditor meets it, on a real Vault: every lease of every task, whatever went wrong, agrees with
// Vault's own audit device; receipts are signed; nothing secret is in it. TASKLEASE_LEDGER_TASKS=2000 makes it long.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compactVerify, importJWK } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createWorld, type World } from '../harness/world.ts';

const TASKS = Number(process.env.TASKLEASE_LEDGER_TASKS ?? 30);
let world: World;
beforeAll(async () => {
  world = await createWorld({
    audit: true,
    config: { limits: { starts_per_minute: 100_000, tasks: 1000, tasks_per_uid: 1000 } },
  });
});
afterAll(() => world?.close());

const audit = (...args: string[]) => world.cli(['audit', ...args, '--config', world.paths.config]);
const ledgerText = () =>
  readdirSync(join(world.paths.state, 'ledger'))
    .filter((name) => name.startsWith('ledger-'))
    .map((name) => readFileSync(join(world.paths.state, 'ledger', name), 'utf8'))
    .join('');
const event = (i: number) => ({ type: 'pull_request', id: `acme/shop#${i}` });

test('one task: its receipt is signed, `audit show` tells all of it, and the ledger verifies', async () => {
  const started = await world.api('PUT', '/v1/tasks/first', {
    profile: 'database',
    event: event(1),
  });
  expect(started.status).toBe(201);
  const secret = await world.file('first', 'db.json');
  const { status, body } = await world.api('DELETE', '/v1/tasks/first?wait=30s');
  expect(status).toBe(200);
  const keys = JSON.parse((await audit('keys')).stdout).keys;
  const { payload } = await compactVerify(body.jws, await importJWK(keys[0]));
  const { jws: _jws, ...said } = body;
  expect(JSON.parse(Buffer.from(payload).toString())).toEqual(said);
  expect(said).toMatchObject({
    task: 'first',
    event: event(1),
    profile_version: expect.stringMatching(/^sha256:/),
  });
  expect((await world.api('GET', '/v1/tasks/first/receipt')).body).toEqual(body);
  const shown = await audit('show', 'first');
  expect(shown.stdout).toContain('pull_request:acme/shop#1');
  expect(shown.stdout).toContain('revoked');
  const verified = await audit('verify');
  expect(verified.stdout).toContain('every record is as it was written');
  expect(verified.code).toBe(0);
  const { password } = JSON.parse(secret) as { password: string };
  expect(ledgerText()).not.toContain(password);
});

test('a start that is refused is on record', async () => {
  await world.api('PUT', '/v1/tasks/nobody', { profile: 'no-such-profile', event: event(2) });
  await expect
    .poll(async () => (await audit('list', '--outcome', 'refused')).stdout, {
      timeout: 30_000,
      interval: 500,
    })
    .toContain('PROFILE_UNKNOWN');
});

test('many tasks, with the agent killed among them: the ledger agrees with Vault', async () => {
  const wave = async (from: number, to: number) => {
    for (let i = from; i < to; i += 8) {
      const ids = Array.from({ length: Math.min(8, to - i) }, (_, k) => `t-${i + k}`);
      await Promise.all(
        ids.map((id, k) =>
          world.api('PUT', `/v1/tasks/${id}`, {
            profile: 'database',
            event: event(i + k),
          }),
        ),
      );
      if (i + 8 < to) await Promise.all(ids.map((id) => world.api('DELETE', `/v1/tasks/${id}?wait=60s`)));
    }
  };
  const half = Math.floor(TASKS / 2);
  await wave(0, half);
  // The last ones are alive: the next agent takes them over or ends them.
  await world.agent.kill9();
  await world.agent.start();
  await wave(half, TASKS);
  await world.admin('POST', '/v1/revoke-all?wait=60s');
  await world.untilNothingLeft();
  await expect
    .poll(async () => (await audit('correlate', '--vault-audit', world.paths.audit)).stdout, {
      timeout: 60_000,
      interval: 1000,
    })
    .toContain('agree');
  const said = JSON.parse(
    (await audit('correlate', '--vault-audit', world.paths.audit, '--output', 'json')).stdout,
  );
  expect(said).toMatchObject({ differences: [], unresolved: 0 });
  expect(said.agree.issued).toBeGreaterThanOrEqual(TASKS);
  expect(said.agree.revoked).toBe(said.agree.issued);
  expect((await audit('verify')).code).toBe(0);
});

test('no accessor, lease id or secret of Vault is in the ledger, the receipts or the log', () => {
  const clear = new Set<string>();
  for (const line of readFileSync(world.paths.audit, 'utf8').trimEnd().split('\n')) {
    const { request, response } = JSON.parse(line);
    if (response?.auth?.metadata?.task !== undefined)
      clear.add(response.auth.accessor).add(response.auth.client_token);
    if (response?.secret?.lease_id) clear.add(response.secret.lease_id);
    if (request?.path?.startsWith('database/creds/') && response?.data?.password)
      clear.add(response.data.password);
  }
  expect(clear.size).toBeGreaterThan(TASKS);
  const text = ledgerText() + world.transcript.join('\n');
  const secrets = [...clear].filter((word) => text.includes(word));
  expect(secrets).toEqual([]);
});

test('an export verifies elsewhere, with the receipts beside it', async () => {
  const file = join(world.paths.scratch, 'export.jsonl');
  const keys = join(world.paths.scratch, 'keys.json');
  const receipts = join(world.paths.scratch, 'receipts');
  expect((await audit('export', '-o', file)).code).toBe(0);
  expect((await audit('export', '--receipts', receipts)).code).toBe(0);
  const verified = await world.cli([
    'audit',
    'verify',
    file,
    '--keys',
    join(receipts, 'keys.json'),
    '--output',
    'json',
  ]);
  expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, keys_trusted: true });
  expect(readdirSync(receipts).length).toBeGreaterThan(TASKS);
  expect(keys).toBeDefined();
});
