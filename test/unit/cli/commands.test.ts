// The dispatch of the command line: help, versions, unknown words.

import { describe, expect, test } from 'vitest';
import manifest from '../../../package.json' with { type: 'json' };
import { parse } from '../../../src/cli/args.ts';
import { tasklease } from './command-line.ts';

const ours = [
  ...['run', 'start', 'stop', 'status', 'extend', 'events', 'health'],
  ...['approve', 'deny', 'revoke-all', 'drain', 'abandon'],
];

test('--help lists every command of this version and exits 0', async () => {
  const { code, stdout, stderr } = await tasklease(['--help']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const name of [...ours, 'agent', 'dev', 'init', 'explain', 'doctor', 'policy', 'audit', 'schema'])
    expect(stdout).toMatch(new RegExp(`^ {2}${name} {2,}\\S`, 'm'));
});

test('--version prints the package’s version', async () => {
  expect(await tasklease(['--version'])).toMatchObject({ code: 0, stdout: `${manifest.version}\n` });
});

test.each(ours)(
  '%s --help shows an example, its options and its exit codes, and asks no agent',
  async (name) => {
    const { code, stdout, stderr } = await tasklease([name, '--help'], { TASKLEASE_SOCKET: '/nowhere' });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: tasklease /);
    expect(stdout).toContain(`\nExample:\n  `);
    expect(stdout).toContain(`tasklease ${name}`);
    expect(stdout).toContain('socket PATH');
    expect(stdout).toContain('Exit code: ');
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(110);
  },
);

test('help NAME is NAME --help', async () => {
  const [a, b] = await Promise.all([tasklease(['help', 'stop']), tasklease(['stop', '-h'])]);
  expect(a.stdout).toBe(b.stdout);
});

test('an example that reads a file of variables exports them', async () => {
  const { stdout } = await tasklease(['run', '--help']);
  expect(stdout).toContain(`sh -c 'set -a; . "$TASKLEASE_DIR/db.env"; psql`);
});

test('parse serves commands outside this folder too: agent --cofig', () => {
  const options = {
    config: { type: 'string', default: 'a.yaml' },
    check: { type: 'boolean', default: false },
  } as const;
  expect(parse('agent', ['--check'], options).values).toEqual({ config: 'a.yaml', check: true });
  expect(() => parse('agent', ['--cofig', 'b.yaml'], options)).toThrow(
    expect.objectContaining({
      message: 'agent has no option --cofig; did you mean --config?',
      next: 'tasklease agent --config b.yaml',
    }),
  );
});

describe('a wrong command line exits 2, names the culprit and shows what to type', () => {
  const cases: [string, string[], string, string][] = [
    ['no command', [], 'no command was given', 'tasklease --help'],
    ['a mistyped command', ['statsu', 't1'], '"statsu"; did you mean status?', 'tasklease status t1'],
    ['a word that is near nothing', ['frobnicate'], 'there is no command "frobnicate"', 'tasklease --help'],
    ['a name of Object.prototype', ['constructor'], 'there is no command "constructor"', 'tasklease --help'],
    [
      'a mistyped option',
      ['start', '--profil=p'],
      'start has no option --profil; did you mean --profile?',
      'tasklease start --profile=p',
    ],
    [
      'an option of nothing',
      ['status', '--frobnicate'],
      'status has no option --frobnicate',
      'tasklease status --help',
    ],
    [
      'a prototype name as an option',
      ['status', '--constructor'],
      'status has no option --constructor',
      'tasklease status --help',
    ],
    ['an option without its value', ['start', '--profile'], '--profile needs a value', '--profile=VALUE'],
    [
      'an option that eats the next',
      ['start', '--profile', '--task', 'x'],
      '--profile needs a value',
      '--profile=VALUE',
    ],
    [
      'an option given twice',
      ['start', '--profile', 'p', '--profile', 'q'],
      '--profile is given twice',
      'give it once',
    ],
    ['a word too many', ['status', 'a', 'b'], '"b" is one word too many', 'tasklease status --help'],
    [
      'an unknown format',
      ['status', '--output', 'yaml'],
      '--output "yaml" is not a format',
      '--output table|json',
    ],
    ['a start without a profile', ['start'], 'start needs a profile', '--profile P'],
    [
      'a parameter without =',
      ['start', '--profile', 'p', '--param', 'env'],
      '--param "env" is not NAME=VALUE',
      '--param env=prod',
    ],
    [
      'a parameter given twice',
      ['start', '--profile', 'p', '--param', 'a=1', '--param', 'a=2'],
      '--param a is given twice',
      'once',
    ],
    ['a bad pid', ['start', '--profile', 'p', '--pid', '0'], '--pid "0" is not a process id', '--pid $$'],
    [
      'a bad event',
      ['start', '--profile', 'p', '--event', 'deploy'],
      '--event "deploy" is not TYPE:ID',
      'pull_request:',
    ],
    [
      'a bad duration',
      ['start', '--profile', 'p', '--duration', '10'],
      '--duration "10" is not a duration',
      '15m',
    ],
    [
      'duration and deadline',
      ['start', '--profile', 'p', '--duration', '1m', '--deadline', 'x'],
      'exclude each other',
      'one of them',
    ],
    [
      'an assertion on the command line, where everybody can see it',
      ['start', '--profile', 'p', '--assertion', 'a.b.c'],
      'start has no option --assertion',
      'tasklease start',
    ],
    [
      'an assertion file that is not there',
      ['start', '--profile', 'p', '--assertion-file', '/no/jwt'],
      '--assertion-file /no/jwt cannot be read (ENOENT)',
      'give the file that holds the JWT',
    ],
    ['a task id with a slash', ['stop', '../x'], '"../x" is not a task id', 'letter or digit'],
    ['a stop of nothing', ['stop'], 'stop needs a task or an event', 'tasklease stop TASK'],
    ['a stop of both', ['stop', 't1', '--event', 'a:b'], 'not both', 'tasklease stop TASK'],
    ['a bad wait', ['stop', 't1', '--wait', 'long'], '--wait "long" is not a duration', '90s'],
    [
      'a misspelt option of an admin command',
      ['drain', '--sokcet', 'x'],
      'drain has no option --sokcet',
      'tasklease drain',
    ],
  ];
  test.each(cases)('%s', async (_what, args, culprit, next) => {
    const { code, stdout, stderr } = await tasklease(args, { TASKLEASE_SOCKET: '/nowhere' });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    const [first = '', second = ''] = stderr.split('\n');
    expect(first).toMatch(/^tasklease: /);
    expect(first).toContain(culprit);
    expect(second).toContain(next);
  });
});
