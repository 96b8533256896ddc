// 300 edits of a profile, good, bad, half-written, renamed and swapped by a symlink, while 300 tasks are started under it
// on the real agent: none is granted by a bad version, none that runs gets more than it was started with, each bad
// version is told once, and the agent goes on.
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { profile } from '../harness/sample-profiles.ts';
import { inParallel, pause, until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const EDITS = 300;
const TASKS = 300;
const LANES = 3;
const NAME = 'moving';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world?.close());

const KV = { path: 'secret/data/app/prod', files: { 'app.json': { format: 'json' } } };
const DB = { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } };

/** Each version is known by the seconds that its tasks get. */
const version = (k: number, wide: boolean, more: object = {}): string =>
  stringify({
    profile: NAME,
    ...profile({}),
    ttl: { default: `${600 + k}s`, max: '2h', grace: '0s' },
    vault: { policies: ['tasklease-app-config', ...(wide ? ['tasklease-report-read'] : [])] },
    secrets: { app: KV, ...(wide ? { db: DB } : {}) },
    ...more,
  });

let swaps = 0;
/** The four ways by which a text gets into its place. */
const ways: Record<string, (text: string) => void | Promise<void>> = {
  write: (text) => {
    detach();
    writeFileSync(place(), text);
  },
  rename: (text) => {
    const aside = join(world.paths.profiles, '.moving.yaml.tmp');
    writeFileSync(aside, text);
    renameSync(aside, place());
  },
  /** As the kubelet does it under a volume. */
  swap: (text) => {
    swaps += 1;
    const { profiles } = world.paths;
    mkdirSync(join(profiles, `..v${swaps}`));
    writeFileSync(join(profiles, `..v${swaps}`, `${NAME}.yaml`), text);
    symlinkSync(`..v${swaps}`, join(profiles, '..data_tmp'));
    renameSync(join(profiles, '..data_tmp'), join(profiles, '..data'));
    symlinkSync(join('..data', `${NAME}.yaml`), join(profiles, '.link'));
    renameSync(join(profiles, '.link'), place());
    for (const name of readdirSync(profiles)) {
      if (/^\.\.v\d+$/.test(name) && name !== `..v${swaps}`)
        rmSync(join(profiles, name), { recursive: true });
    }
  },
  pieces: async (text) => {
    detach();
    writeFileSync(place(), text.slice(0, text.length / 2));
    await pause(5);
    writeFileSync(place(), text);
  },
};
const place = () => join(world.paths.profiles, `${NAME}.yaml`);
/** A plain file from here on. */
const detach = () => {
  try {
    unlinkSync(place());
  } catch {
    // It was none.
  }
};

const lines = (what: RegExp) =>
  world
    .logs()
    .split('\n')
    .filter((line) => what.test(line));
const LOADED = new RegExp(`"profile":"${NAME}".*"msg":"profile loaded"`);
const FAULT = new RegExp(`"profile":"${NAME}".*"msg":"profile not loaded`);

interface Seen {
  readonly task: string;
  readonly k: number;
  readonly files: readonly string[];
  readonly generation: number;
}

test('300 edits during 300 tasks', async () => {
  const good = new Map<number, boolean>();
  /** The newest version that was in force for sure. */
  let inForce = 0;
  let bad = 0;
  let perhapsBad = 0;
  const markers: string[] = [];

  const edit = async (k: number): Promise<void> => {
    const way = Object.keys(ways)[k % 4]!;
    const loaded = lines(LOADED).length;
    const faults = lines(FAULT).length;
    const kind = k % 3 === 2 ? (k % 2 === 0 ? 'unknown' : 'half') : 'good';
    if (kind === 'good') {
      good.set(600 + k, k % 2 === 1);
      if (way === 'pieces') perhapsBad += 1;
      await ways[way]!(version(k, k % 2 === 1));
      await until(`version ${k} is in force (${way})`, async () => lines(LOADED).length > loaded);
      inForce = k;
      return;
    }
    const marker = `bad-${k}`;
    const whole = version(k, true, { [marker]: true });
    bad += 1;
    if (kind === 'unknown') {
      markers.push(marker);
      if (way === 'pieces') perhapsBad += 1;
      await ways[way]!(whole);
    } else {
      // Cut off in the middle of its secrets, and left so. A plain write: what is renamed is whole.
      await ways[k % 2 === 0 ? 'swap' : 'write']!(`${whole.slice(0, whole.indexOf('format'))}{`);
    }
    await until(`version ${k} is told as bad (${way}, ${kind})`, async () => lines(FAULT).length > faults);
    const { body } = await world.api('GET', '/v1/health?ready');
    expect(body).toMatchObject({ ready: true, profiles: { faulty: [NAME] } });
    if (k % 10 === 0) {
      const told = (await world.admin('GET', '/v1/health?ready')).body.profiles.faults;
      expect(told).toEqual([expect.stringContaining(`${NAME}.yaml:`)]);
      expect((await world.api('GET', '/v1/metrics')).text).toContain(
        `tasklease_profile_faulty{profile="${NAME}"} 1`,
      );
    }
  };

  await edit(0);
  let started = 0;
  const seen: Seen[] = [];
  const living: Seen[] = [];
  const lane = async (): Promise<void> => {
    while (started < TASKS) {
      started += 1;
      const task = `task-${started}`;
      const since = inForce;
      const reply = await world.api('PUT', `/v1/tasks/${task}`, { profile: NAME });
      expect(reply.status, reply.text).toBe(201);
      const { deadline, started_at, files, generation } = reply.body;
      const k = Math.round((Date.parse(deadline) - Date.parse(started_at)) / 1000) - 600;
      const was: Seen = { task, k, files, generation };
      expect(good.has(600 + k), `${task} was granted by version ${k}, which is bad`).toBe(true);
      expect(k, `${task} was granted by an old version`).toBeGreaterThanOrEqual(since);
      const wide = good.get(600 + k);
      expect(files, `${task} of version ${k}`).toEqual(
        wide === true ? ['app.json', 'db.json'] : ['app.json'],
      );
      seen.push(was);
      if (living.length < 30 && started % 8 === 0) living.push(was);
      else await world.api('DELETE', `/v1/tasks/${task}`);
      // As long as edits last, tasks are started among them.
      await until(
        'the edits keep up',
        async () => done || started <= ((edits + 1) * TASKS) / EDITS + LANES,
        170_000,
      );
    }
  };
  let edits = 0;
  let done = false;
  const editing = (async () => {
    for (let k = 1; k < EDITS; k += 1) {
      await edit(k);
      edits = k;
    }
    done = true;
  })();
  await Promise.all([editing, ...Array.from({ length: LANES }, lane)]);

  expect(seen).toHaveLength(TASKS);
  const faults = lines(FAULT);
  expect(faults.length).toBeGreaterThanOrEqual(bad);
  expect(faults.length, 'each bad version is told once').toBeLessThanOrEqual(bad + perhapsBad);
  for (const marker of markers) {
    expect(
      faults.filter((line) => line.includes(`${marker} is not a known key`)),
      marker,
    ).toHaveLength(1);
  }

  // Those that have lived through it all have what they had, or less.
  const now = new Map<string, Seen>();
  for (const { task, files } of living) {
    const { body } = await world.api('GET', `/v1/tasks/${task}`);
    expect(body.state, task).toBe('active');
    now.set(task, body);
    for (const file of body.files) expect(files, task).toContain(file);
    const there = readdirSync(join(world.paths.secrets, task, 'current'));
    for (const file of there) expect([...files, 'manifest.json'], task).toContain(file);
  }
  const narrowed = living.filter(({ task, files }) => now.get(task)!.files.length < files.length);
  expect(narrowed.length, 'some had become narrower').toBeGreaterThan(0);
  console.log(
    `${EDITS} edits (${bad} bad), ${TASKS} tasks by ${new Set(seen.map(({ k }) => k)).size} versions, ` +
      `${living.length} lived through them, ${narrowed.length} became narrower`,
  );
  expect(world.agent.running).toBe(true);
  await inParallel(living, 4, async ({ task }) => world.api('DELETE', `/v1/tasks/${task}?wait=30s`));
  await world.untilNothingLeft();
}, 400_000);
