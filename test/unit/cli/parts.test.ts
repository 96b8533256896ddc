// The small parts of the command line, each alone.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { advice } from '../../../src/cli/advice.ts';
import { alarmIn } from '../../../src/cli/alarm.ts';
import { quote } from '../../../src/cli/args.ts';
import { exitCodeOf, lookUp } from '../../../src/cli/child.ts';
import { nearest } from '../../../src/cli/nearest.ts';
import { colourful, columns } from '../../../src/cli/output.ts';
import { fact, instant, receipt, task } from '../../../src/cli/show.ts';
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

test.each([
  [
    { type: 'generation.opened', generation: 2, why: 'a lease is at its max TTL' },
    'generation.opened  generation=2 why="a lease is at its max TTL"',
  ],
  [
    { type: 'generation.retiring', generation: 1, due: '2026-11-22T10:00:30Z', problem: null },
    'generation.retiring  generation=1 due=2026-11-22T10:00:30Z',
  ],
  [{ type: 'deadline.moved', expires_at: 'x', deadline: 'y' }, 'deadline.moved  expires_at=x deadline=y'],
  [
    { type: 'workload.signalled', generation: 2, signal: 'SIGHUP', delivered: true },
    'workload.signalled  generation=2 signal=SIGHUP delivered=true',
  ],
  [
    { type: 'renewal.failed', code: 'VAULT_SEALED', detail: 'Vault is sealed' },
    'renewal.failed  code=VAULT_SEALED detail="Vault is sealed"',
  ],
  [{ type: 'grant.held' }, 'grant.held'],
])('a fact is one line: %o', (told, line) => {
  expect(fact({ seq: 4, at: 'now', task: 't', ...told })).toBe(`now  t  ${line}`);
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

describe('what became of a lease, in a receipt and in the status of a closed task', () => {
  const now = Date.parse('2026-11-22T10:00:00Z');
  const endedAt = '2026-11-22T09:59:50Z';
  test.each([
    ['revoked', '2026-11-22T10:15:00Z', `revoked at ${endedAt}`],
    ['expires', '2026-11-22T10:15:00Z', 'not revocable, ends at 2026-11-22T10:15:00Z (in 15m)'],
    ['expires', null, 'not revocable, no end of its own'],
    [
      'unproved',
      '2026-11-22T10:15:00Z',
      'not proved revoked, ends by itself at 2026-11-22T10:15:00Z (in 15m)',
    ],
    ['unproved', null, 'not proved revoked, its own end is not known'],
  ])('%s, its own end %s', (proof, ends_at, words) => {
    const lease = {
      secret: 's',
      path: 'a/b',
      ended_at: proof === 'revoked' ? endedAt : null,
      proof,
      ends_at,
    };
    const closed = { task: 't', state: 'closed', closed_at: endedAt, leases: [lease] };
    expect(receipt(closed, now)).toBe(`t  closed\n  s  a/b  ${words}`);
    expect(task(closed, now)).toBe(
      `task    t\nstate   closed\nclosed  ${endedAt} (10s ago)\nlease   s ${words}`,
    );
  });

  test('a living task says why it is degraded, and what cannot be revoked', () => {
    const leases = [{ secret: 's', expires_at: null, renewable: false, revocable: false }];
    const reason = { code: 'VAULT_SEALED', detail: 'Vault is sealed' };
    expect(task({ task: 't', state: 'degraded', reason, leases }, now)).toBe(
      'task    t\nstate   degraded\nreason  VAULT_SEALED Vault is sealed\nlease   s not revocable, no end of its own',
    );
  });
});

describe('advice says what to type, and else what the API says', () => {
  const schema = 'see GET /v1/openapi.json for the body of a start';
  const rows: [code: string, detail: string, hint: string, words: string][] = [
    ['TASK_UNKNOWN', 'there is no task t of yours', 'list your tasks with GET /v1/tasks', 'tasklease status'],
    ['SIGNAL_INVALID', 'profile p needs a business event', 'add "event": {}', 'add --event TYPE:ID'],
    [
      'SIGNAL_INVALID',
      'event.type is not one that profile p takes',
      'it takes deploy',
      'it takes deploy (--event',
    ],
    [
      'SIGNAL_INVALID',
      'params.env is missing',
      'give env: one of a, b',
      'give env: one of a, b (--param env=VALUE)',
    ],
    [
      'SIGNAL_INVALID',
      'params.x is not a parameter of profile p',
      'it takes env',
      'leave out --param x; it takes env',
    ],
    ['SIGNAL_INVALID', 'params.env must not be empty', schema, 'correct --param env=VALUE'],
    [
      'SIGNAL_INVALID',
      "duration is further away than the profile's max of 1h",
      'ask for at most 1h',
      '(--duration D)',
    ],
    ['SIGNAL_INVALID', 'deadline must be an RFC 3339 time', schema, 'give --deadline 20'],
    [
      'SIGNAL_INVALID',
      'deadline is less than 1s away',
      'give a later time',
      'give a later time (--deadline T',
    ],
    ['SIGNAL_INVALID', 'profile p needs a bind', 'add "bind": {"pid": N}', 'add --pid N'],
    ['SIGNAL_INVALID', 'bind.pid 7 is not a running process', 'or bind the connection', '--pid takes'],
    ['SIGNAL_INVALID', 'the body is new', schema, 'tasklease start --help'],
    ['VAULT_DENIED', 'GET a/b was answered 403', 'a policy must allow read', 'a policy must allow read'],
  ];
  test.each(rows)('%s %s', (code, detail, hint, words) => {
    const said = advice({ code, detail, hint }, 'start');
    expect(said).toContain(words);
    expect(said).not.toMatch(/GET|"event"|"bind"/);
  });

  test('nothing, where the API has no hint', () => {
    expect(advice({ code: 'INTERNAL', detail: 'x' }, 'start')).toBeUndefined();
  });
});
