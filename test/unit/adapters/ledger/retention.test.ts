// Owns the promise that old files leave the ledger without a gap: archive and ledger are one chain, whenever the agent dies
// while it archives, and whatever is touched in either of the two is named.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { LedgerOptions } from '../../../../src/adapters/ledger/file-ledger.ts';
import { command } from '../../../../src/commands/audit.ts';
import { type LedgerWorld, ledgerWorld, life } from './ledger-world.ts';

let world: LedgerWorld;
let archive: string;
let options: Partial<LedgerOptions>;
beforeEach(() => {
  world = ledgerWorld();
  archive = join(world.dir, 'archive');
  options = { retention: { segmentBytes: 8192, segmentMs: 1e12, bytes: 8192, ms: 1e12, archive } };
});
afterEach(() => world.remove());

const names = (dir: string) =>
  existsSync(dir) ? readdirSync(dir).filter((name) => name.startsWith('ledger-')) : [];
const verify = (...more: string[]) => {
  writeFileSync(join(world.dir, 'agent.yaml'), `state_dir: ${world.dir}\n`);
  return command.run(['verify', '--config', join(world.dir, 'agent.yaml'), ...more]);
};
const both = () => verify('--archive', archive);
const text = () =>
  [
    ...names(archive).map((name) => join(archive, name)),
    ...names(world.ledgerDir).map((name) => join(world.ledgerDir, name)),
  ]
    .sort((a, b) => (basename(a) < basename(b) ? -1 : 1))
    .map((path) => readFileSync(path, 'utf8'))
    .join('');
const retired = () =>
  [...text().matchAll(/"type":"segment\.retired".*"from":(\d+)/g)].map(([, from]) => from!);

let lives = 0;
async function run(tasks = 12): Promise<void> {
  const journal = world.open(options);
  for (let i = 0; i < tasks; i += 1) {
    lives += 1;
    for (const step of life(`t-${lives}`)) await journal.append(step);
    // The files follow the journal.
    if (i % 2 === 1) await new Promise((resolve) => setTimeout(resolve, 60));
  }
  journal.end();
}

test('old files go to the archive, each once on record, and all of it is one chain', async () => {
  await run();
  await run();
  expect(names(archive).length).toBeGreaterThan(1);
  expect(new Set(retired()).size).toBe(retired().length);
  expect(await both()).toBe(0);
  expect(await verify()).toBe(0);
  const seqs = [...text().matchAll(/^\{"v":1,"seq":(\d+)/gm)].map(([, seq]) => Number(seq));
  expect(seqs).toEqual(seqs.map((_, i) => i + 1));
});

test('what is touched in the archive or in the ledger is named', async () => {
  await run();
  await run();
  const files = [names(archive)[0]!, names(archive).at(-1)!].map((name) => join(archive, name));
  files.push(join(world.ledgerDir, names(world.ledgerDir)[0]!));
  for (const file of files) {
    const before = readFileSync(file, 'utf8');
    const lines = before.split('\n');
    writeFileSync(file, lines.toSpliced(1, 1).join('\n'));
    expect(await both(), `a line out of ${file}`).toBe(1);
    writeFileSync(file, before.replace('"boot":"boot-1"', '"boot":"boot-2"'));
    expect(await both(), `a change in ${file}`).toBe(1);
    rmSync(file);
    // Of one of the ledger itself the journal may have all there is.
    if (file.startsWith(archive)) expect(await both(), `without ${file}`).toBe(1);
    writeFileSync(file, before);
    expect(await both()).toBe(0);
  }
});

/** How an agent can leave a file that it was archiving to another disk, when it dies. */
test.each([
  ['on record, and not begun', () => undefined],
  [
    'half copied',
    (from: string, to: string) => writeFileSync(`${to}.new`, readFileSync(from).subarray(0, 900)),
  ],
  ['copied, and still in its place', (from: string, to: string) => copyFileSync(from, to)],
])('an agent that died with a file %s: nothing is lost, nothing is there twice', async (_how, left) => {
  await run();
  await run();
  // As if its last moves had not been.
  const moved = names(archive).at(-1)!;
  const place = join(world.ledgerDir, moved);
  copyFileSync(join(archive, moved), place);
  rmSync(join(archive, moved));
  left(place, join(archive, moved));
  const before = retired();
  expect(before).toContain(String(Number(moved.slice(7, 19))));
  expect(await both()).toBe(0);
  await run(0);
  await expect.poll(() => names(archive), { timeout: 30_000 }).toContain(moved);
  await expect.poll(() => existsSync(place), { timeout: 30_000 }).toBe(false);
  expect(retired().filter((from) => from === String(Number(moved.slice(7, 19))))).toHaveLength(1);
  expect(readdirSync(archive).filter((name) => name.endsWith('.new'))).toEqual([]);
  expect(await both()).toBe(0);
});

test('where the archive cannot be written, files stay, nothing else stops, and they go once it can', async () => {
  writeFileSync(archive, 'in its way');
  await run();
  await run();
  expect(world.logs.map(({ message }) => message)).toContain('an old file of the ledger stays');
  const kept = names(world.ledgerDir).length;
  expect(kept).toBeGreaterThan(2);
  expect(await verify()).toBe(0);
  rmSync(archive);
  mkdirSync(archive);
  await run();
  await expect.poll(() => names(archive).length, { timeout: 30_000 }).toBeGreaterThan(0);
  expect(await both()).toBe(0);
});
