// What README says of reading files so that no rotation is missed: its snippet for pg's pool, run against real rotations,
// and what a watcher sees.
import { watch } from 'node:fs';
import { open, readFile, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../architecture/sources.ts';
import { database } from '../harness/sample-profiles.ts';
import { startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
let rounds = 0;
/** Another overlap is another plan: a new credential is raised at once. */
const profileOf = (round: number) => ({ ...database, overlap: `${30 + round}s` });
beforeAll(async () => {
  world = await createWorld({ profiles: { pooled: profileOf(0) } });
});
afterAll(() => world?.close());

const rotate = async (task: string) => {
  const generation = async () => (await world.api('GET', `/v1/tasks/${task}`)).body.generation;
  const before = await generation();
  rounds += 1;
  await world.writeProfile('pooled', profileOf(rounds));
  await until('it has rotated', async () => (await generation()) > before, 60_000);
};

test("README's pool of pg follows every rotation: new connections log in with the new name, and no query fails", async () => {
  const [snippet] = /```js\n(import \{ readFileSync \}[\s\S]*?new pg\.Pool[\s\S]*?)```/
    .exec(await readFile(join(ROOT, 'README.md'), 'utf8'))!
    .slice(1);
  const script = join(world.paths.scratch, 'pool.mjs');
  const adapted = snippet!
    .replace("'pg'", JSON.stringify(import.meta.resolve('pg')))
    .replace(
      "host: 'db.internal', database: 'app'",
      `host: '127.0.0.1', port: ${world.postgres.port}, database: 'postgres'`,
    )
    .replace('maxLifetimeSeconds: 20', 'maxLifetimeSeconds: 1');
  expect(adapted).toContain('maxLifetimeSeconds: 1 ');
  await writeFile(
    script,
    `${adapted}
let last = '';
pool.on('error', (error) => console.log('failed', error.message));
process.on('SIGTERM', () => process.exit(0));
for (;;) {
  try {
    const { rows } = await pool.query('select session_user as name');
    if (rows[0].name !== last) console.log('as', (last = rows[0].name));
  } catch (error) {
    console.log('failed', error.message);
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
}
`,
  );
  const run = world.startCli([
    ...['run', '--profile', 'pooled', '--task', 'pooled', '--'],
    ...[process.execPath, script],
  ]);
  const names = () =>
    run
      .stdout()
      .split('\n')
      .filter((line) => line.startsWith('as '));
  await until('it is connected', () => names().length === 1, 60_000);
  for (const count of [2, 3]) {
    await rotate('pooled');
    await until('the pool has the new name', () => names().length === count, 60_000);
  }
  process.kill(run.pid, 'SIGTERM');
  expect(await run.ended).toMatchObject({ code: 0, stderr: '' });
  expect(run.stdout()).not.toContain('failed');
  expect(new Set(names()).size).toBe(3);
  await world.untilNothingLeft();
}, 240_000);

test('a watcher of the directory hears of current, and looks; a descriptor or a path that was kept shows the old file', async () => {
  await startTask(world, 'watched', 'pooled');
  const home = join(world.paths.secrets, 'watched');
  const file = join(home, 'current', 'db.json');
  const [kept, resolved, before] = [await open(file), await realpath(file), await readFile(file, 'utf8')];
  const heard = new Set<string | null>();
  const ofFile: string[] = [];
  const watchers = [watch(home, (_, name) => heard.add(name)), watch(file, (event) => ofFile.push(event))];
  try {
    await rotate('watched');
    await until('the directory tells', () => heard.has('current'));
    const after = await readFile(file, 'utf8');
    expect(after).not.toBe(before);
    expect(await kept.readFile('utf8')).toBe(before);
    expect(await readFile(resolved, 'utf8')).toBe(before);
    expect(ofFile).toEqual([]);
  } finally {
    for (const watcher of watchers) watcher.close();
    await kept.close();
  }
  await stopTask(world, 'watched');
  await world.untilNothingLeft();
}, 240_000);
