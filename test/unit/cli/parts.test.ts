// The small parts of the command line, each alone.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { alarmIn } from '../../../src/cli/alarm.ts';
import { quote } from '../../../src/cli/args.ts';
import { exitCodeOf, lookUp } from '../../../src/cli/child.ts';
import { nearest } from '../../../src/cli/nearest.ts';
import { colourful, columns } from '../../../src/cli/output.ts';
import { fact, instant } from '../../../src/cli/show.ts';
import { isForegroundGroup } from '../../../src/cli/signals.ts';
import { makeTaskId, readStart } from '../../../src/cli/start-body.ts';

describe('alarmIn', () => {
  afterEach(() => void vi.useRealTimers());

  test('rings once, at its time, however far beyond 2^31 ms that is', () => {
    vi.useFakeTimers();
    let rung = 0;
    const year = 365 * 24 * 3_600_000;
    alarmIn(year, () => rung++);
    vi.advanceTimersByTime(year - 1);
    expect(rung).toBe(0);
    vi.advanceTimersByTime(year);
    expect(rung).toBe(1);
  });

  test('does not ring when cancelled, nor for an instant that could not be read', () => {
    vi.useFakeTimers();
    let rung = 0;
    alarmIn(10, () => rung++)();
    alarmIn(Number.NaN, () => rung++);
    vi.advanceTimersByTime(1000);
    expect(rung).toBe(0);
  });
});

describe('isForegroundGroup reads proc_pid_stat(5)', () => {
  test.each([
    ['our group has the terminal', '7 (node) S 1 7 7 34816 7 4194560', true],
    ['another group has it', '7 (node) S 1 7 7 34816 9 4194560', false],
    ['there is no terminal', '7 (node) S 1 7 7 0 -1 4194560', false],
    ['a name with blanks and brackets', '7 (a) R) x) S 1 7 7 34816 7 4194560', true],
  ])('%s', (_what, stat, expected) => expect(isForegroundGroup(stat)).toBe(expected));
});

describe('lookUp finds what execvp would', () => {
  test.each([
    ['sh', { PATH: '/nowhere:/bin' }, 'found'],
    ['sh', { PATH: '/nowhere' }, 'notFound'],
    ['sh', {}, 'found'],
    ['', { PATH: '/bin' }, 'notFound'],
    ['passwd', { PATH: '/etc' }, 'notExecutable'],
    ['/bin/sh', { PATH: '' }, 'found'],
    ['./no-such', { PATH: '/bin' }, 'noSuchFile'],
  ])('%s with %o: %s', (command, env, expected) => expect(lookUp(command, env)).toBe(expected));
});

test('exit codes are CMD’s, or 128 + the signal', () => {
  expect([exitCodeOf(7, null), exitCodeOf(null, 'SIGKILL'), exitCodeOf(null, 'SIGINT')]).toEqual([
    7, 137, 130,
  ]);
});

test('a task id made from any profile is valid', () => {
  for (const profile of ['report-read', '../../etc', '', '*', 'ü', 'x'.repeat(500)]) {
    expect(makeTaskId(profile, new Date())).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/);
  }
});

test('a parameter may have any name without touching the prototype', () => {
  const { body } = readStart('start', { profile: 'p', param: ['__proto__=x', 'constructor=y'] });
  expect(JSON.stringify(body.params)).toBe('{"__proto__":"x","constructor":"y"}');
});

test('suggestions are near, or there are none', () => {
  expect(nearest('profil', ['profile', 'param'])).toBe('profile');
  expect(nearest('stauts', ['start', 'status'])).toBe('status');
  expect(nearest('x', ['status', 'stop'])).toBeUndefined();
});

test('words are quoted where a shell would not leave them alone', () => {
  expect(['a-b=c', '', "it's", '$x', '#x'].map(quote)).toEqual(['a-b=c', "''", "'it'\\''s'", "'$x'", "'#x'"]);
});

test('a caller’s words cannot steer the terminal', () => {
  expect(columns([['\u001b[2Jx', 'y\n']])).toBe('?[2Jx  y?');
  expect(fact({ at: 'now', task: 't', type: 'x', event: { type: 'e', id: '\u001b]0;' } })).not.toContain(
    '\u001b',
  );
});

test('nothing is coloured for NO_COLOR, a dumb terminal or a pipe', () => {
  expect(colourful(99, {})).toBe(false);
  expect(colourful(1, { NO_COLOR: '1' })).toBe(false);
  expect(colourful(1, { TERM: 'dumb' })).toBe(false);
});

test('instants say how far away they are', () => {
  const now = Date.parse('2026-11-22T10:00:00Z');
  expect(instant('2026-11-22T10:15:15Z', now)).toBe('2026-11-22T10:15:15Z (in 15m15s)');
  expect(instant('2026-11-22T09:59:50Z', now)).toBe('2026-11-22T09:59:50Z (10s ago)');
  expect(instant('nonsense', now)).toBe('nonsense');
});
