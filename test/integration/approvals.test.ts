// Approvals on a real Vault: nothing of it before somebody else than the requester approved exactly what was shown, one
// grant however many race, and a request that outlives kill -9. The requester is another user, so root is needed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bareEnvironment, TASKLEASE } from '../../src/dev/agent-process.ts';
import { otherUser } from '../harness/other-user.ts';
import type { ProfileBody } from '../harness/sample-profiles.ts';
import type { Json, Reply } from '../harness/socket-api.ts';
import { expectProblem, expectProved } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const REQUESTER = 1000;
const requester = otherUser(REQUESTER, REQUESTER);

const guarded = (approval: Json, more: Json = {}): ProfileBody => ({
  allow: { uids: [REQUESTER, process.getuid!()] },
  params: { env: { enum: ['staging', 'prod'], optional: true } },
  ttl: { default: '10m', max: '1h', grace: '5s' },
  approval: { required: true, ttl: '60s', ...approval },
  vault: { policies: ['tasklease-report-read'] },
  secrets: { db: { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } } },
  ...more,
});

let world: World;
beforeAll(async () => {
  world = await createWorld({
    config: { socket: { mode: '0666' } },
    profiles: {
      guarded: guarded({}),
      brief: guarded({ ttl: '2s' }),
      changing: guarded({}),
      listed: guarded({ approvers: [4711] }),
    },
  });
});
afterAll(() => world?.close());

const start = (task: string, profile = 'guarded', wait = '0s', more: Json = {}): Promise<Reply> =>
  requester.call(world.paths.socket, 'PUT', `/v1/tasks/${task}?wait=${wait}`, { profile, ...more });
const word = (task: string, body: Json): Promise<Reply> =>
  world.admin('POST', `/v1/tasks/${task}/approval`, body);
const show = async (task: string): Promise<Json> => (await world.admin('GET', `/v1/tasks/${task}`)).body;
const waits = (task: string) =>
  until(`${task} waits`, async () => (await show(task)).state === 'pending_approval');
const stop = async (task: string): Promise<Json> =>
  (await world.admin('DELETE', `/v1/tasks/${task}?wait=60s`)).body;
const expectNothingLeased = async () => {
  expect(await world.taskTokens()).toEqual([]);
  expect(await world.pgRoles()).toEqual([]);
  expect(world.taskDirs()).toEqual([]);
};

/** Names sorted, no blanks: as anybody would write it. */
const canonical = (value: Json): string => {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  return `{${Object.keys(value)
    .toSorted()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`)
    .join()}}`;
};

/** `tasklease ARGS` as the requester. */
const asRequester = (...args: string[]) => {
  const setpriv = ['--reuid', `${REQUESTER}`, '--regid', `${REQUESTER}`, '--clear-groups', TASKLEASE];
  const child = spawn('setpriv', [...setpriv, ...args], {
    env: { ...bareEnvironment(), TASKLEASE_SOCKET: world.paths.socket },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text;
    });
  }
  return { said, ended: new Promise<number | null>((resolve) => child.once('close', resolve)) };
};

test('a start is answered 202 with all that is asked, and nothing is leased for it', async () => {
  const { status, body } = await start('asks', 'guarded', '0s', {
    params: { env: 'prod' },
    duration: '15m',
    event: { type: 'change', id: 'OPS-712' },
  });
  expect(status).toBe(202);
  expect(body).toMatchObject({
    state: 'pending_approval',
    dir: null,
    approval: {
      given: [],
      scope: {
        task: 'asks',
        profile: 'guarded',
        params: { env: 'prod' },
        event: { type: 'change', id: 'OPS-712' },
        policies: ['tasklease-report-read'],
        secrets: [{ secret: 'db', method: 'read', path: 'database/creds/report', files: ['db.json'] }],
        duration_seconds: 900,
        requester: { uid: REQUESTER, gid: REQUESTER, admin: false },
        bind: null,
      },
    },
  });
  const { digest, scope, approve_by } = body.approval;
  expect(createHash('sha256').update(canonical(scope)).digest('hex')).toBe(digest);
  expect(Date.parse(approve_by) - Date.now()).toBeGreaterThan(50_000);
  await expectNothingLeased();
  const { text } = await world.admin('GET', '/v1/metrics');
  expect(text).toContain('tasklease_tasks{state="pending_approval"} 1');
  expect(await stop('asks')).toMatchObject({ state: 'closed', leases: [] });
});

test('whoever waits gets the grant once somebody else approves, and the duration counts from then', async () => {
  const answer = start('waits', 'guarded', '30s');
  await waits('waits');
  const [digest, before] = [(await show('waits')).approval.digest, Date.now()];
  expect(await word('waits', { approve: true, digest, reason: 'OPS-712' })).toMatchObject({ status: 200 });
  const { status, body } = await answer;
  expect(status, JSON.stringify(body)).toBe(201);
  expect(body).toMatchObject({ state: 'active', files: ['db.json'] });
  expect(Date.parse(body.deadline) - before).toBeGreaterThanOrEqual(604_990);
  expect(await world.file('waits', 'db.json')).toContain('"password"');
  expect(await start('waits')).toMatchObject({ status: 200, body: { generation: 1 } });
  const receipt = await stop('waits');
  expectProved(receipt, 1);
  expect(receipt.approval).toMatchObject({ digest, given: [{ uid: 0, reason: 'OPS-712' }], denied: null });
});

test('whoever waits is told at once of a no, and why; it is on record, and the id is not spent', async () => {
  const answer = start('denied', 'guarded', '30s');
  await waits('denied');
  expect(await word('denied', { approve: false, reason: 'not now' })).toMatchObject({ status: 200 });
  const { detail } = expectProblem(await answer, 403, 'APPROVAL_DENIED');
  expect(detail).toBe('uid 0 denied denied: not now');
  const receipt = await requester.call(world.paths.socket, 'GET', '/v1/tasks/denied/receipt');
  expect(receipt.body).toMatchObject({
    outcome: 'refused',
    approval: { denied: { uid: 0, reason: 'not now' } },
  });
  expectProblem(await word('denied', { approve: true }), 400, 'SIGNAL_INVALID');
  expect((await start('denied')).status).toBe(202);
  await stop('denied');
});

test('what nobody approves in time is refused', async () => {
  const began = Date.now();
  expectProblem(await start('late', 'brief', '30s'), 403, 'APPROVAL_DENIED');
  expect(Date.now() - began).toBeLessThan(5000);
  await expectNothingLeased();
});

test('nobody approves what they asked for, nor what they are no approver of', async () => {
  const own = await world.api('PUT', '/v1/tasks/own', { profile: 'guarded' });
  expect(own.status).toBe(202);
  expectProblem(await word('own', { approve: true }), 403, 'APPROVAL_DENIED');
  await start('foreign', 'listed');
  expectProblem(await word('foreign', { approve: true }), 403, 'APPROVAL_DENIED');
  const outside = await requester.call(world.paths.socket, 'POST', '/v1/tasks/own/approval', {
    approve: true,
  });
  expectProblem(outside, 403, 'ADMIN_ONLY');
  await expectNothingLeased();
  for (const task of ['own', 'foreign']) await stop(task);
});

test('a hundred racing approvals give one grant, one token and one lease', async () => {
  const answers = Array.from({ length: 3 }, () => start('raced', 'guarded', '30s'));
  await waits('raced');
  const words = await Promise.all(Array.from({ length: 100 }, () => word('raced', { approve: true })));
  expect(new Set(words.map(({ status }) => status))).toEqual(new Set([200]));
  for (const { body } of await Promise.all(answers)) expect(body).toMatchObject({ generation: 1 });
  expect(await world.taskTokens()).toHaveLength(1);
  expect(await world.pgRoles()).toHaveLength(1);
  expectProved(await stop('raced'), 1);
});

test('a request outlives kill -9 with its digest, and is approved at the next agent', async () => {
  const { body } = await start('outlives');
  await world.agent.kill9();
  await world.agent.start();
  const next = await show('outlives');
  expect(next).toMatchObject({ state: 'pending_approval', approval: { digest: body.approval.digest } });
  // Each agent reads its two clocks for itself.
  expect(Math.abs(Date.parse(next.approval.approve_by) - Date.parse(body.approval.approve_by))).toBeLessThan(
    1000,
  );
  await expectNothingLeased();
  const answer = start('outlives', 'guarded', '30s');
  await word('outlives', { approve: true, digest: body.approval.digest });
  expect((await answer).body).toMatchObject({ state: 'active' });
  expectProved(await stop('outlives'), 1);
});

test('a changed profile makes what waits void, and ends what would get more than was approved', async () => {
  await start('lives', 'changing');
  await word('lives', { approve: true });
  await until('it is active', async () => (await show('lives')).state === 'active');
  const answer = start('asks-anew', 'changing', '30s');
  await waits('asks-anew');
  await world.writeProfile(
    'changing',
    guarded({}, { vault: { policies: ['tasklease-report-read', 'tasklease-app-config'] } }),
  );
  expect(expectProblem(await answer, 403, 'APPROVAL_DENIED')).toMatchObject({ retryable: true });
  const receipt = await until('it is ended', async () => {
    const reply = await world.admin('GET', '/v1/tasks/lives/receipt');
    return reply.status === 200 && reply.body;
  });
  expect(receipt).toMatchObject({ outcome: 'revoked' });
  expectProved(receipt, 1);
});

test('from the command line: start says what it waits for, approve shows it, run runs', async () => {
  const cli = asRequester('start', '--profile', 'guarded', '--task', 'by-hand');
  await until('it says so', () => cli.said.stderr.includes('tasklease approve by-hand'));
  const admin = { env: { TASKLEASE_ADMIN_SOCKET: world.paths.admin } };
  const approved = await world.cli(['approve', 'by-hand', '--yes', '--reason', 'OPS-712'], admin);
  expect(approved).toMatchObject({ code: 0 });
  expect(approved.stderr).toContain('read database/creds/report into db.json');
  expect(await cli.ended).toBe(0);
  expect(cli.said.stdout).toContain('active');
  await stop('by-hand');

  const run = asRequester(
    'run',
    '--profile',
    'guarded',
    '--task',
    'runs',
    '--',
    'sh',
    '-c',
    'cat "$TASKLEASE_DIR/db.json"',
  );
  await until('it says so', () => run.said.stderr.includes('tasklease approve runs'));
  expect(await world.cli(['approve', 'runs', '--yes'], admin)).toMatchObject({ code: 0 });
  expect(await run.ended).toBe(0);
  expect(run.said.stdout).toContain('"password"');

  const refused = asRequester('run', '--profile', 'guarded', '--task', 'not-run', '--', 'echo', 'ran');
  await until('it says so', () => refused.said.stderr.includes('tasklease approve not-run'));
  expect(await world.cli(['deny', 'not-run', '--reason', 'no'], admin)).toMatchObject({ code: 0 });
  expect(await refused.ended).toBe(125);
  expect(refused.said.stderr).toContain('APPROVAL_DENIED uid 0 denied not-run: no');
  expect(refused.said.stdout).toBe('');
  await world.untilNothingLeft();
});
