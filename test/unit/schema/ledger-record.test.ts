// Owns the agreement of the ledger's schema with what the agent writes: types here, every type of record by a simulated
// life in test/simulation.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { z } from 'zod';
import type { LedgerRecord, SealedReceipt } from '../../../src/domain/record.ts';
import {
  envelope,
  parseRecord,
  RECORD_TYPES,
  type sealedReceipt,
} from '../../../src/schema/ledger-record.ts';

const RECORD = {
  v: 1,
  seq: 7,
  prev: '0'.repeat(64),
  time: '2026-11-22T10:00:00.000Z',
  boot: 'b',
  boot_ms: 5,
  type: 'files.erased',
  grant: 'build-81#1',
  task: 'build-81',
  profile: 'report-read',
  profile_version: null,
  event: null,
  caller: null,
  parent: null,
  fact: { erased_at: '2026-11-22T10:00:00.000Z' },
  hash: 'a'.repeat(64),
};

test('a record is typed by its type', () => {
  const record = parseRecord(RECORD);
  expect(record.type === 'files.erased' && record.fact.erased_at).toBe('2026-11-22T10:00:00.000Z');
  const same: (key: keyof z.infer<typeof sealedReceipt>) => keyof SealedReceipt = (key) => key;
  expect(same('jws' as never)).toBe('jws');
  expect(new Set<LedgerRecord['type']>(RECORD_TYPES).size).toBe(RECORD_TYPES.length);
});

test.each([
  ['an unknown type', { type: 'grant.stolen' }],
  ['another version', { v: 2 }],
  ['a key more', { secret: 'x' }],
  ['a fact of another type', { fact: { reason: 'completed', detail: null } }],
  ['a lease id in clear', { type: 'leases.lost', fact: { n: 1, leases: ['database/creds/report/abc'] } }],
])('%s is refused', (_what, change) => {
  expect(() => parseRecord({ ...RECORD, ...change })).toThrow();
});

test('README describes every field and every type', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const section = readme.slice(readme.indexOf('## Ledger'), readme.indexOf('## Security model'));
  const names = [...Object.keys(envelope), ...RECORD_TYPES];
  expect(names.filter((name) => !section.includes(`\`${name}\``))).toEqual([]);
});
