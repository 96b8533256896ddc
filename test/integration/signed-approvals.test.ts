// Owns the story of approvals that somebody signed: handed in by the requester, good for the very request that they name,
// once for each approver, and for nobody whose key the profile does not list.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compact, headerOf, maced, pem, type SigningKey, seconds, signingKey } from '../harness/issuer.ts';
import type { Json, Reply } from '../harness/socket-api.ts';
import { expectProblem, showTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const alice = signingKey('ES256', 'alice');
const bob = signingKey('RS256', 'bob');
const mallory = signingKey('ES256', 'alice');
const dir = mkdtempSync(join(tmpdir(), 'tasklease-signed-'));
const keyFile = (key: SigningKey): string => {
  const file = join(dir, `${key.kid}.pem`);
  writeFileSync(file, pem(key));
  return file;
};

let world: World;
beforeAll(async () => {
  const keys = [alice, bob].map(keyFile);
  const profile = (approval: Json): Json => ({
    allow: { uids: [process.getuid!()] },
    approval: { required: true, ttl: '60s', ...approval },
    vault: { policies: ['tasklease-report-read'] },
    secrets: { db: { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } } },
  });
  world = await createWorld({
    profiles: {
      signed: profile({ public_keys: keys }),
      both: profile({ public_keys: keys, count: 2 }),
      unsigned: profile({}),
    },
  });
});
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true });
  await world?.close();
});

/** Asks for a task; the digest of the request. One that was denied under that id may still be on its way out. */
const ask = async (task: string, profile = 'signed'): Promise<string> => {
  const reply = await until(`${task} is asked for`, async () => {
    const answer = await world.api('PUT', `/v1/tasks/${task}`, { profile });
    return answer.body.code === 'TASK_SPENT' && answer.body.retryable ? false : answer;
  });
  expect(reply.status, reply.text).toBe(202);
  return reply.body.approval.digest;
};
const claims = (digest: string, changes: Json = {}): Json => ({
  sub: 'alice@example.com',
  jti: crypto.randomUUID(),
  exp: seconds(Date.now()) + 60,
  digest,
  ...changes,
});
const approval = (digest: string, changes: Json = {}, key = alice): string =>
  compact(key, headerOf(key), claims(digest, changes));
const handIn = (task: string, jwt: string): Promise<Reply> =>
  world.api('POST', `/v1/tasks/${task}/approval`, { jwt });

test('one that the requester hands in starts the task, and the receipt says who signed it', async () => {
  const jwt = approval(await ask('one'));
  expect((await handIn('one', jwt)).status).toBe(200);
  const started = await world.api('PUT', '/v1/tasks/one?wait=30s', { profile: 'signed' });
  expect(started.body).toMatchObject({ state: 'active' });
  const receipt = await stopTask(world, 'one');
  expect(receipt.approval.given).toMatchObject([{ uid: null, signer: 'alice@example.com' }]);
});

test('a hundred copies of one grant one task, and none of them is good for another request', async () => {
  const jwt = approval(await ask('raced'));
  const replies = await Promise.all(Array.from({ length: 100 }, () => handIn('raced', jwt)));
  expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
  await world.api('PUT', '/v1/tasks/raced?wait=30s', { profile: 'signed' });
  expect(await world.taskTokens()).toHaveLength(1);
  await ask('other');
  expectProblem(await handIn('other', jwt), 403, 'APPROVAL_DENIED');
  expect(await showTask(world, 'other')).toMatchObject({ state: 'pending_approval' });
  for (const task of ['raced', 'other']) await world.api('DELETE', `/v1/tasks/${task}?wait=30s`);
  // The same id asked anew is another request, of another digest.
  const denied = await ask('other');
  expect((await world.admin('POST', '/v1/tasks/other/approval', { approve: false })).status).toBe(200);
  const before = approval(denied);
  await ask('other');
  expectProblem(await handIn('other', before), 403, 'APPROVAL_DENIED');
  await world.api('DELETE', '/v1/tasks/other?wait=30s');
});

test('of two that are needed each approver gives one', async () => {
  const digest = await ask('two', 'both');
  for (let i = 0; i < 3; i += 1) expect((await handIn('two', approval(digest))).status).toBe(200);
  expect(await showTask(world, 'two')).toMatchObject({
    state: 'pending_approval',
    approval: { given: [{ uid: null }] },
  });
  expect((await handIn('two', approval(digest, { sub: 'bob@example.com' }, bob))).status).toBe(200);
  expect((await world.api('PUT', '/v1/tasks/two?wait=30s', { profile: 'both' })).body.state).toBe('active');
  await stopTask(world, 'two');
});

test.each<[string, (digest: string) => string]>([
  ['signed by a key that the profile does not list', (digest) => approval(digest, {}, mallory)],
  ['of another digest', () => approval('0'.repeat(64))],
  ['without a digest', (digest) => approval(digest, { digest: undefined })],
  ['that has expired', (digest) => approval(digest, { exp: seconds(Date.now()) - 60 })],
  ['without exp', (digest) => approval(digest, { exp: undefined })],
  ['that is not valid yet', (digest) => approval(digest, { nbf: seconds(Date.now()) + 3600 })],
  ['without sub', (digest) => approval(digest, { sub: undefined })],
  ['without jti', (digest) => approval(digest, { jti: undefined })],
  ['with a MAC of the public key', (digest) => maced(pem(alice), { alg: 'HS256' }, claims(digest))],
  ['without a signature', (digest) => `${approval(digest).split('.').slice(0, 2).join('.')}.AAAA`],
])('one %s approves nothing, and the request goes on waiting', async (_what, jwt) => {
  const digest = await ask('refused');
  const problem = expectProblem(await handIn('refused', jwt(digest)), 403, 'APPROVAL_DENIED');
  expect(problem.detail).toMatch(/^the signed approval is refused: /);
  expect(await showTask(world, 'refused')).toMatchObject({
    state: 'pending_approval',
    approval: { given: [] },
  });
  expect(await world.taskTokens()).toEqual([]);
  await world.api('DELETE', '/v1/tasks/refused?wait=30s');
});

test('a profile without keys takes none; an unsigned word stays the admin socket’s', async () => {
  const digest = await ask('plain', 'unsigned');
  expectProblem(await handIn('plain', approval(digest)), 403, 'APPROVAL_DENIED');
  for (const body of [{ approve: true }, { approve: false }, { approve: false, jwt: 'a.b.c' }, {}]) {
    expectProblem(await world.api('POST', '/v1/tasks/plain/approval', body), 403, 'ADMIN_ONLY');
  }
  expectProblem(await handIn('nobodys', approval(digest)), 404, 'TASK_UNKNOWN');
  await world.api('DELETE', '/v1/tasks/plain?wait=30s');
});

test('tasklease approve hands one in from a file, on the socket of workloads', async () => {
  const file = join(dir, 'approval.jwt');
  writeFileSync(file, `${approval(await ask('by-cli'))}\n`);
  const args = ['approve', 'by-cli', '--jwt-file', file, '--socket', world.paths.socket];
  const approved = await world.cli(args);
  expect(approved.stderr).toBe('');
  expect(approved.code).toBe(0);
  expect(approved.stdout).not.toContain('eyJ');
  await stopTask(world, 'by-cli');
  await world.untilNothingLeft();
});
