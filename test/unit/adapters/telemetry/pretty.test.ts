// The log as people read it: the same as the JSON line, and nothing in it steers a terminal.

import { expect, test } from 'vitest';
import { pretty } from '../../../../src/adapters/telemetry/pretty.ts';

const line = (fields: object): string =>
  JSON.stringify({ level: 30, time: '2026-11-28T12:00:05.123Z', name: 'tasklease', pid: 7, ...fields });

test('time, level, words, then the rest', () => {
  const fields = {
    msg: 'grant.closed',
    msg_id: 'grant.closed',
    task: 'a',
    event: 'x:y z',
    parent: null,
    uid: 0,
  };
  expect(pretty(line(fields))).toBe('12:00:05  info   grant.closed  task=a  event="x:y z"  uid=0');
});

test('what a caller wrote steers nothing and makes no second line', () => {
  const text = pretty(line({ msg: 'refused', level: 40, detail: 'a\u001b[2J\nb\u202ec' }));
  expect(text).toMatch(/^12:00:05 {2}WARN {3}refused/);
  expect(text).not.toMatch(/[\p{C}]/u);
});
