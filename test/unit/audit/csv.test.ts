// Owns the promise that the ledger as a table is read by a spreadsheet as it is: every cell in its column, every letter as
// it was, and nothing that a caller has named is reckoned.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { csv } from '../../../src/audit/csv.ts';
import type { AuditedTask } from '../../../src/audit/tasks.ts';
import { command } from '../../../src/commands/audit.ts';
import { type LedgerWorld, ledgerWorld, life } from '../adapters/ledger/ledger-world.ts';

const TASK: AuditedTask = {
  grant: 'build-81#1',
  task: 'build-81',
  profile: 'report-read',
  profile_version: null,
  event: { type: 'pull_request', id: 'acme/shop#412' },
  caller: { uid: 1000, gid: 1000, admin: false, pid: 7, exe: '/usr/bin/node', cgroup: null, container: null },
  parent: null,
  started_at: '2026-11-22T10:00:00.000Z',
  closed_at: '2026-11-22T10:00:01.000Z',
  state: 'closed',
  outcome: 'completed',
  problem: null,
  exposure_seconds: 0.8,
  rotations: 0,
  renewals: 0,
  leases: [],
  first: 1,
  last: 9,
  jws: null,
};
const withEvent = (id: string): AuditedTask => ({ ...TASK, event: { type: 'x', id } });

/** RFC 4180, read by somebody else than who wrote it. */
function read(text: string): string[][] {
  const rows: string[][] = [];
  const row: string[] = [];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i]!;
    if (quoted && char === '"' && text[i + 1] === '"') {
      cell += '"';
      i += 1;
    } else if (char === '"') quoted = !quoted;
    else if (!quoted && (char === ',' || char === '\n')) {
      row.push(cell);
      cell = '';
      if (char === '\n') rows.push(row.splice(0));
    } else cell += char;
  }
  return rows;
}
const rowsOf = (...tasks: AuditedTask[]) => {
  const [names, ...rows] = read([...csv(tasks)].map((line) => `${line}\n`).join(''));
  return rows.map((row) => {
    expect(row).toHaveLength(names!.length);
    return Object.fromEntries(names!.map((name, i) => [name, row[i]!]));
  });
};

describe('a cell', () => {
  test.each([
    ['a comma', 'a,b'],
    ['quotes', 'say "hello", ""'],
    ['a line break', 'one\ntwo'],
    ['a carriage return', 'one\r\ntwo'],
    ['other letters', 'Größe/発注#😀 é'],
    ['nothing', ''],
  ])('with %s is read as it was', (_what, id) => {
    expect(rowsOf(withEvent(id))[0]).toMatchObject({ event_id: id, uid: '1000', state: 'closed' });
  });

  test.each([
    '=cmd|"/c calc"!A1',
    '+1+1',
    '-2+3',
    '@SUM(A1)',
    '\t=1+1',
    '\r=1+1',
    '\n=1+1',
    ' =1+1',
    '＝1+1',
    '\ufeff=1+1',
  ])('that a spreadsheet would reckon is text: %j', (id) => {
    expect(rowsOf(withEvent(id))[0]!.event_id).toBe(`'${id}`);
  });

  test('of ours is a number where it is one', () => {
    expect(rowsOf({ ...TASK, exposure_seconds: -1 })[0]!.exposure_seconds).toBe('-1');
  });
});

test('a problem in Vault’s own words cannot begin a formula, nor break a line', () => {
  const problem = { code: 'VAULT_DENIED' as const, detail: '=HYPERLINK("http://x"),\n"go"' };
  expect(rowsOf({ ...TASK, problem })[0]!.problem).toBe(`VAULT_DENIED ${problem.detail}`);
});

describe('`audit export --format csv`', () => {
  let world: LedgerWorld;
  beforeAll(() => {
    world = ledgerWorld();
  });
  afterAll(() => world.remove());

  test('has a line for every lease, under a line of names', async () => {
    const journal = world.open();
    for (const name of ['a', 'b']) for (const step of life(name)) await journal.append(step);
    journal.end();
    const file = join(world.dir, 'ledger.csv');
    const args = ['export', '--ledger', world.ledgerDir, '--format', 'csv', '-o', file];
    expect(await command.run(args)).toBe(0);
    const [names, ...rows] = read(readFileSync(file, 'utf8'));
    expect(names!.slice(0, 3)).toEqual(['task', 'grant', 'profile']);
    expect(rows.map(([task]) => task)).toEqual(['a', 'b']);
    expect(rows.every((row) => row.length === names!.length && row.at(-1) === 'revoked')).toBe(true);
  });
});
