// What one task costs, in counts that do not depend on the machine: requests at Vault, transactions of the journal,
// files. How long they take is measured by `npm run bench`.
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { journalCommits } from '../harness/journal-commits.ts';
import { certificate, database, keyValue } from '../harness/sample-profiles.ts';
import { startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld({
    audit: true,
    leash: '1h',
    profiles: { database, certificate, 'key-value': keyValue },
  });
});
afterAll(() => world?.close());

interface Asked {
  readonly operation: string;
  readonly path: string;
  readonly port: number;
}

/** What the agent asked Vault for so far; the harness asks as root. */
const asked = (): Asked[] =>
  readFileSync(world.paths.audit, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .filter(({ type, auth }) => type === 'request' && !auth?.policies?.includes('root'))
    .map(({ request }) => ({ operation: request.operation, path: request.path, port: request.remote_port }))
    // The session's own, which come by the clock and for a look at the readiness.
    .filter(({ path }) => path !== 'auth/token/renew-self');

const lines = (seen: readonly Asked[]): string[] => seen.map(({ operation, path }) => `${operation} ${path}`);

/** A task of this profile from start to receipt: what was asked meanwhile. */
const oneTask = async (task: string, profile: string, more: Record<string, unknown> = {}) => {
  const before = asked().length;
  await startTask(world, task, profile, { duration: '10m', ...more });
  const started = asked().length;
  await stopTask(world, task);
  const all = asked();
  return { start: all.slice(before, started), stop: all.slice(started) };
};

const PROOF = ['update auth/token/lookup-accessor', 'update sys/leases/lookup'];
const CUT = 'update sys/leases/renew';

test.each([
  ['database', 'read database/creds/report'],
  ['certificate', 'update pki/issue/app'],
])(
  'a task with a lease costs Vault two requests at its start and five at its end (%s)',
  async (profile, read) => {
    const { start, stop } = await oneTask(`counted-${profile}`, profile);
    // A lease longer than the task is cut soon after the answer, if the task still lives then: next test.
    const uncut = [...lines(start), ...lines(stop)].filter((line) => line !== CUT);
    expect(uncut.slice(0, -2)).toEqual([
      'update auth/token/create/tasklease',
      read,
      'update sys/leases/lookup',
      'update sys/leases/revoke',
      'update auth/token/revoke-accessor',
    ]);
    expect(uncut.slice(-2).toSorted()).toEqual(PROOF);
  },
);

test('a lease that Vault made longer than the task costs one request more, once', async () => {
  const before = asked().length;
  const cuts = () => lines(asked().slice(before)).filter((line) => line === CUT).length;
  await startTask(world, 'cut', 'database', { duration: '10m' });
  await until('the lease is cut', () => cuts() > 0);
  await stopTask(world, 'cut');
  expect(cuts()).toBe(1);
});

test('a task without a lease costs Vault two requests at its start and two at its end', async () => {
  const { start, stop } = await oneTask('counted-kv', 'key-value', { params: { env: 'prod' } });
  expect(lines(start)).toEqual(['update auth/token/create/tasklease', 'read secret/data/app/prod']);
  expect(lines(stop)).toEqual(['update auth/token/revoke-accessor', 'update auth/token/lookup-accessor']);
});

test('a start that is repeated, and looking at a task, ask Vault for nothing', async () => {
  await startTask(world, 'looked-at', 'certificate');
  const before = asked().length;
  const again = await world.api('PUT', '/v1/tasks/looked-at', { profile: 'certificate' });
  expect(again.status, again.text).toBe(200);
  for (const path of ['/v1/tasks/looked-at', '/v1/tasks', '/v1/metrics', '/v1/health']) {
    expect((await world.api('GET', path)).status).toBe(200);
  }
  expect(lines(asked().slice(before))).toEqual([]);
  await stopTask(world, 'looked-at');
});

test('ten tasks one after another, seventy requests, share at most four connections to Vault', async () => {
  const before = asked().length;
  for (let n = 0; n < 10; n += 1) await oneTask(`in-turn-${n}`, 'certificate');
  const ports = new Set(
    asked()
      .slice(before)
      .map(({ port }) => port),
  );
  expect([...ports].length, `ports ${[...ports].join(', ')}`).toBeLessThanOrEqual(4);
});

test('a task alone costs the journal four transactions until its start is answered and three until its proof', async () => {
  const journal = join(world.paths.state, 'journal.db');
  /** Once a second, whatever tasks do, the journal lets go of records that the ledger's file holds. */
  const counted = async (act: () => Promise<unknown>): Promise<number> => {
    const [before, startedAt] = [journalCommits(journal), performance.now()];
    await act();
    const after = journalCommits(journal);
    expect(after.log, 'the log was begun anew in between: there is nothing to count').toBe(before.log);
    return after.commits - before.commits - Math.floor((performance.now() - startedAt) / 1000);
  };
  const starts: number[] = [];
  const stops: number[] = [];
  for (const task of ['on-record-1', 'on-record-2', 'on-record-3', 'on-record-4', 'on-record-5']) {
    starts.push(await counted(() => startTask(world, task, 'certificate')));
    stops.push(await counted(() => stopTask(world, task)));
  }
  expect(Math.min(...starts), `${starts}`).toBeLessThanOrEqual(4);
  expect(Math.min(...stops), `${stops}`).toBeLessThanOrEqual(3);
});

/** Every entry below, without following links: what it is, and what changes when it is written or replaced. */
const tree = (dir: string, prefix = ''): Record<string, string> =>
  Object.fromEntries(
    readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
      const path = join(dir, entry.name);
      const { ino, ctimeMs } = lstatSync(path);
      const below = entry.isDirectory() ? Object.entries(tree(path, `${prefix}${entry.name}/`)) : [];
      return [[`${prefix}${entry.name}`, `${ino} ${ctimeMs}`], ...below];
    }),
  );

test('a task makes its files, a manifest, two directories and one link, and leaves none of them', async () => {
  await startTask(world, 'with-files', 'certificate');
  expect(Object.keys(tree(join(world.paths.secrets, 'with-files'))).toSorted()).toEqual([
    'current',
    'gen-1',
    'gen-1/manifest.json',
    'gen-1/tls.pem',
  ]);
  await stopTask(world, 'with-files');
  expect(world.taskDirs()).toEqual([]);
});

test('a task writes to journal, ledger and its own directory, and to no other file of the agent', async () => {
  const places = { state: world.paths.state, runtime: world.paths.runtime, profiles: world.paths.profiles };
  const look = () => Object.entries(places).flatMap(([name, dir]) => Object.entries(tree(dir, `${name}/`)));
  const before = new Map(look());
  await startTask(world, 'in-its-place', 'database');
  await stopTask(world, 'in-its-place');
  const changed = look().flatMap(([path, is]) => (before.get(path) === is ? [] : [path]));
  // The index of the log is mapped memory: whether writing to it shows here depends on the file system. The ledger's
  // file follows the journal, where its records are durable first.
  const mayFollow = ['state/journal.db-shm', 'state/ledger/ledger-000000000001.jsonl'];
  expect(changed.filter((path) => !mayFollow.includes(path))).toEqual(['state/journal.db-wal']);
  expect(look().length).toBe(before.size);
});
