// How old the ledger's end is: counted from what is durable, and reset by a signed head alone.

import { expect, test } from 'vitest';
import type { Instant } from '../../../src/domain/instant.ts';
import { WatchedLedger } from '../../../src/engine/watched-ledger.ts';
import type { Draft, Ledger } from '../../../src/ports/ledger.ts';

const FACT = '{"v":1,"seq":1,"type":"grant.accepted","event":{"type":"head","id":"1"},"fact":{}}\n';
const HEAD = '{"v":1,"seq":2,"type":"head","fact":{"jws":"e30.e30.AA"}}\n';

test('what is drafted counts once it is kept; a head covers what is before it, not what comes after', () => {
  let now = 0;
  let lines = '';
  const draft = (): Draft => ({ lines, first: 1, last: 1, receipts: new Map(), keep() {}, drop() {} });
  const inner = { draft, resume: () => 0, safe: 0, onDue: () => {}, close() {} } satisfies Ledger;
  const clock = { now: () => ({ at: now as Instant, wallMs: now }), after: () => () => {} };
  const ledger = new WatchedLedger(inner, clock as never);
  const ages = () => {
    const samples = ledger.samples();
    const of = (name: keyof typeof samples) => samples[name]?.[0]?.value;
    return [of('tasklease_ledger_head_age_seconds'), of('tasklease_ledger_unsigned_age_seconds')];
  };
  const put = (text: string, end: 'keep' | 'drop' = 'keep') => {
    lines = text;
    ledger.draft([], [])?.[end]();
  };
  put(FACT, 'drop');
  expect(ages()).toEqual([undefined, 0]);
  put(FACT);
  now = 5000;
  put(FACT);
  now = 8000;
  expect(ages()).toEqual([3, 8]);
  put(FACT + HEAD);
  now = 9000;
  expect(ages()).toEqual([1, 0]);
  put(HEAD + FACT);
  now = 11_000;
  expect(ages()).toEqual([2, 2]);
  const due = () => {};
  ledger.onDue = due;
  expect(inner.onDue).toBe(due);
});
