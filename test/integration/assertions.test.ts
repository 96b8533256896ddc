// Owns the story of a start that brings an assertion: signed by a real issuer on loopback, presented to the real agent
// by curl's way and by the clients, raced for, replayed, and over kill -9.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AUDIENCE, assertionOf, ISSUER, jwk, signingKey } from '../harness/issuer.ts';
import { expectProblem, startTask, stopTask } from '../harness/tasks.ts';
import { createWorld, type World } from '../harness/world.ts';

const key = signingKey('ES256');
const stranger = signingKey('ES256', key.kid);
const dir = mkdtempSync(join(tmpdir(), 'tasklease-assertions-'));
const presented: string[] = [];
let issuer: Server;
let world: World;

beforeAll(async () => {
  issuer = createServer((_request, response) => response.end(JSON.stringify({ keys: [jwk(key)] })));
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
  const assertion = {
    issuer: ISSUER,
    jwks_uri: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/keys`,
    audience: AUDIENCE,
    algorithms: ['ES256'],
    claims: { repository: 'acme/shop', ref: 'refs/heads/*' },
  };
  world = await createWorld({
    profiles: {
      deploy: {
        allow: { uids: [process.getuid!()], assertion },
        params: { kind: { claim: 'repository', pattern: 'acme/(shop|report)', optional: true } },
        vault: { policies: ['tasklease-report-read'] },
        secrets: { db: { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } } },
      },
    },
  });
});
afterAll(async () => {
  issuer?.close();
  rmSync(dir, { recursive: true, force: true });
  await world?.close();
});

const jwt = (changes: Readonly<Record<string, unknown>> = {}, by = key): string => {
  const made = assertionOf(by, changes);
  presented.push(made);
  return made;
};
const put = (task: string, assertion?: string) =>
  world.api('PUT', `/v1/tasks/${task}`, {
    profile: 'deploy',
    ...(assertion === undefined ? {} : { assertion }),
  });

test('a start needs the assertion, signed by the issuer, for this kind of task', async () => {
  expectProblem(await put('none'), 401, 'IDENTITY_REJECTED');
  expectProblem(await put('forged', jwt({}, stranger)), 401, 'IDENTITY_REJECTED');
  expectProblem(await put('other', jwt({ repository: 'evil/shop' })), 403, 'PROFILE_DENIED');
  expect(await world.taskTokens()).toEqual([]);
});

test('of a hundred starts that race with one assertion one is granted, also when the agent is killed meanwhile', async () => {
  const once = jwt();
  const race = (round: string, n: number) =>
    Promise.all(Array.from({ length: n }, (_, i) => put(`race-${round}-${i}`, once).catch(() => null)));
  const before = race('a', 50);
  await before.then((replies) => expect(replies.filter((reply) => reply?.status === 201)).toHaveLength(1));
  const during = race('b', 50);
  await world.agent.kill9();
  await during;
  await world.agent.start();
  for (const reply of await race('c', 50)) expectProblem(reply!, 401, 'IDENTITY_REJECTED');
});

test('an assertion that was in the race when the agent was killed is one task’s, whichever answer was lost', async () => {
  for (let round = 0; round < 5; round += 1) {
    const once = jwt();
    const race = () =>
      Array.from({ length: 20 }, (_, i) => put(`killed-${round}-${i}`, once).catch(() => null));
    const racing = race();
    await Promise.race(racing);
    await world.agent.kill9();
    const before = await Promise.all(racing);
    await world.agent.start();
    const after = await Promise.all(race());
    for (const reply of after) expect([200, 201, 401, 409], reply?.text).toContain(reply?.status);
    // 409: granted before, or about to be when the agent was killed, and ended since.
    const owners = after.flatMap((reply, i) =>
      reply!.status !== 401 || before[i]?.status === 201 ? [`killed-${round}-${i}`] : [],
    );
    expect(owners, JSON.stringify(after.map((reply) => reply?.status))).toHaveLength(1);
  }
});

test('the command line and the shell client take it from a file, never from the command line', async () => {
  const file = join(dir, 'id-token');
  writeFileSync(file, `${jwt()}\n`);
  const started = await world.cli([
    'start',
    '--profile',
    'deploy',
    '--task',
    'by-cli',
    '--assertion-file',
    file,
  ]);
  expect(started.stderr).toBe('');
  expect(started.code).toBe(0);
  await stopTask(world, 'by-cli');
  writeFileSync(file, jwt());
  const run = await world.cli([
    'run',
    '--profile',
    'deploy',
    '--assertion-file',
    file,
    '--',
    'cat',
    '/proc/self/environ',
  ]);
  expect(run.code).toBe(0);
  expect(run.stdout).not.toContain('eyJ');
  writeFileSync(file, `${jwt()}\n`);
  const sh = ['deploy/tasklease.sh', 'start', '--socket', world.paths.socket, '--profile', 'deploy'];
  const byShell = execFileSync('sh', [...sh, '--task', 'by-sh', '--assertion-file', file], {
    encoding: 'utf8',
  });
  expect(JSON.parse(byShell)).toMatchObject({ task: 'by-sh', state: 'active' });
  await stopTask(world, 'by-sh');
  const missing = await world.cli(['start', '--profile', 'deploy', '--assertion-file', join(dir, 'none')]);
  expect(missing).toMatchObject({ code: 2, stderr: expect.stringMatching(/none cannot be read \(ENOENT\)/) });
});

test('no assertion is in the journal, the log or the metrics', async () => {
  await startTask(world, 'last', 'deploy', { assertion: jwt() });
  await stopTask(world, 'last');
  const { text: metrics } = await world.api('GET', '/v1/metrics');
  expect(metrics).toMatch(/tasklease_security_events_total\{event="assertion_presented_again"\} [1-9]/);
  const journal = ['', '-wal'].map((end) => readFileSync(`${world.paths.state}/journal.db${end}`, 'latin1'));
  expect(presented.length).toBeGreaterThan(8);
  for (const each of presented) {
    const mark = each.slice(each.lastIndexOf('.') + 1);
    for (const text of [...journal, world.logs(), metrics]) expect(text).not.toContain(mark);
  }
  // The winners of the races live on until they are stopped.
  expect((await world.admin('POST', '/v1/revoke-all?wait=60s')).status).toBe(200);
  await world.untilNothingLeft();
});
