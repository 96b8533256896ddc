// Owns the promise that facts which become records together are on record all the same: once each, in order, whatever
// happens in between, and that nothing goes on where they cannot be.
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openJournal } from '../../../../src/adapters/journal/sqlite-journal.ts';
import type { Draft, Ledger } from '../../../../src/ports/ledger.ts';
import { type LedgerWorld, ledgerWorld, life } from './ledger-world.ts';

const worlds: LedgerWorld[] = [];
const made = (world: LedgerWorld): LedgerWorld => {
  worlds.push(world);
  return world;
};
let world: LedgerWorld;
beforeEach(() => {
  world = made(ledgerWorld());
});
afterEach(() => {
  for (const each of worlds.splice(0)) each.remove();
});

const LIFE = life('a')
  .flat()
  .map(({ fact }) => fact.type);
const told = (of: LedgerWorld) => of.records().flatMap(({ grant, type }) => (grant === 'a#1' ? [type] : []));

test('whenever the agent is killed, the next one has every fact on record once, in order', async () => {
  const journal = world.open();
  const steps = life('a');
  // What the ledger says of itself is on record first of all.
  for (const step of life('other')) await journal.append(step);
  let facts = 0;
  for (const step of steps) {
    await journal.append(step);
    facts += step.length;
    const next = made(world.killed());
    next.open().end();
    expect(told(next), `killed after ${facts} facts`).toEqual(LIFE.slice(0, facts));
    expect(next.records().map(({ seq }) => seq)).toEqual(next.records().map((_, i) => i + 1));
    expect(next.logs).toEqual([]);
  }
  journal.end();
  expect(told(world)).toEqual(LIFE);
});

test('after a power cut that took the journal’s word for it, nothing is on record twice', async () => {
  const journal = world.open();
  await journal.append(life('other')[0]!);
  for (const step of life('a').slice(0, 4)) await journal.append(step);
  const before = made(world.killed());
  const facts = LIFE.slice(0, 5);
  await expect.poll(() => told(world), { timeout: 30_000 }).toEqual(facts);
  // The files as they are now, the journal as it was before it knew of these records.
  const next = made(world.killed(before));
  const again = next.open();
  for (const step of life('a').slice(4)) await again.append(step);
  again.end();
  expect(told(next)).toEqual(LIFE);
  expect(next.records().map(({ seq }) => seq)).toEqual(next.records().map((_, i) => i + 1));
  journal.end();
});

test('facts of a moment become records together, and a task is never closed without its own', async () => {
  let drafts = 0;
  const journal = openWith({ draft: () => count() });
  const count = (): null => {
    drafts += 1;
    return null;
  };
  const [first, ...rest] = life('a');
  await journal.append(first!);
  expect(drafts).toBe(1);
  await Promise.all(rest.slice(0, -1).map((step) => journal.append(step)));
  const before = drafts;
  expect(before).toBeLessThan(rest.length);
  await journal.append(rest.at(-1)!);
  expect(drafts).toBeGreaterThan(before);
  journal.close();
});

test('where records cannot be kept, the next fact is refused, and once they can, all of them are', async () => {
  let works = true;
  const taken: string[] = [];
  const journal = openWith({
    draft(entries) {
      if (!works) throw new Error('no room');
      return draftOf(() => taken.push(...entries.map(({ fact }) => fact.type)));
    },
  });
  const steps = life('a');
  await journal.append(steps[0]!);
  works = false;
  await journal.append(steps[1]!).catch(() => {});
  await setTimeout(200);
  await expect(journal.append(steps[2]!)).rejects.toMatchObject({ code: 'JOURNAL_UNWRITABLE' });
  works = true;
  for (const step of steps.slice(2)) await journal.append(step);
  expect(taken).toEqual(LIFE);
  journal.close();
});

const draftOf = (keep: () => void): Draft => ({
  ...{ lines: '', first: 1, last: 1, receipts: new Map(), drop() {} },
  keep,
});

function openWith({ draft }: Pick<Ledger, 'draft'>) {
  const ledger: Ledger = { draft, resume: () => 0, safe: 0, onDue() {}, close() {} };
  return openJournal(join(world.dir, 'other.db'), 'boot-1', { ledger });
}
