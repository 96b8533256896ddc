// `tasklease audit report` on the ledger of a real agent, opened in a real browser: it agrees with what happened, and says
// so when the record was tampered with.
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Chromium, chromium } from '../harness/chromium.ts';
import { startTask, stopTask } from '../harness/tasks.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
let browser: Chromium;
beforeAll(async () => {
  world = await createWorld();
  browser = await chromium();
});
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
  await world?.close();
});

const report = (...args: string[]) => world.cli(['audit', 'report', '--config', world.paths.config, ...args]);

test('shows each task with its outcome, its exposure and the proof, and that the record is untouched', async () => {
  for (const task of ['build-1', 'build-2']) {
    await startTask(world, task, 'database', { event: { type: 'pull_request', id: 'acme/shop#412' } });
    await stopTask(world, task);
  }
  await startTask(world, 'living', 'database');
  await world.api('PUT', '/v1/tasks/denied', { profile: 'half-denied' });
  const out = join(world.paths.scratch, 'report.html');
  const done = await report('--since', '1h', '-o', out);
  expect(done).toMatchObject({ code: 0, stderr: '' });
  expect(done.stdout).toMatch(/report\.html: 4 grants, \d+ leases, all proved gone, record untouched\n$/);
  expect(statSync(out).mode & 0o777).toBe(0o600);

  const { page, said, asked } = await browser.open(out, { width: 1280, height: 900 });
  expect([said, asked]).toEqual([[], [`file://${out}`]]);
  expect(await page.$eval('.chain', (each) => each.textContent)).toMatch(
    /Record untouched.*records, 1 to \d+/,
  );
  expect(await page.$eval('main', (main) => main.firstElementChild?.textContent)).toContain(
    'Nothing to look at',
  );
  const rows = await page.$$eval('#rows tr', (all) =>
    all.map((row) => [...row.children].map((cell) => cell.textContent ?? '')),
  );
  const row = (task: string): string[] => rows.find(([name]) => name === task)!;
  expect(row('build-1')).toMatchObject({
    2: 'completed',
    3: 'database',
    4: 'pull_request:acme/shop#412',
    7: '1 revoked',
  });
  expect(row('build-1')[5]).toBe(`uid ${process.getuid!()}`);
  expect(row('living')).toMatchObject({ 2: 'open', 7: '1 live' });
  expect(row('denied')[2]).toBe('refused');
  expect(row('denied')[7]).toContain('VAULT_DENIED');
  expect(await page.$eval('#by-event + table', (each) => each.textContent)).toContain(
    'pull_request:acme/shop#412',
  );
  await page.close();
  await stopTask(world, 'living');
});

test('a record that was changed is said at the top, with its number, and the exit code is 1', async () => {
  const copy = join(world.paths.scratch, 'copy');
  cpSync(join(world.paths.state, 'ledger'), copy, { recursive: true });
  const [name] = readdirSync(copy).filter((each) => /^ledger-\d+\.jsonl$/.test(each));
  const path = join(copy, name!);
  const lines = readFileSync(path, 'utf8').split('\n');
  const at = lines.findIndex((line) => line.includes('"task":"build-2"'));
  lines[at] = lines[at]!.replace('"task":"build-2"', '"task":"build-9"');
  writeFileSync(path, lines.join('\n'));
  const out = join(world.paths.scratch, 'tampered.html');
  const done = await world.cli(['audit', 'report', '--ledger', copy, '-o', out]);
  expect(done.code).toBe(1);
  expect(done.stdout).toContain('RECORD TAMPERED WITH');
  const { page } = await browser.open(out, { width: 390, height: 844 });
  expect(await page.$eval('.chain', (each) => each.textContent)).toMatch(
    new RegExp(`Record tampered with.*record ${at + 1}\\b`),
  );
  await page.close();
});

test('wrong use and what cannot be written are told, and nothing is left behind', async () => {
  expect(await report('--since', 'yesterday')).toMatchObject({ code: 2, stdout: '' });
  const nowhere = await report('-o', join(world.paths.scratch, 'no', 'such', 'dir.html'));
  expect(nowhere.code).toBe(1);
  expect(nowhere.stderr).toMatch(/cannot be written \(ENOENT\)/);
  const piped = await report('-o', '-');
  expect(piped.code).toBe(0);
  expect(piped.stdout).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
  expect(readdirSync(world.paths.scratch).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});
