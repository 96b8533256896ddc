// Owns the tables that users script against, as data, and holds the code and the README to them. A change
// here is a change of the contract: what was scripted against the old table breaks.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { entries } from '../../src/cli/commands.ts';
import { type FormatName, PARTS } from '../../src/domain/file-rule.ts';
import { CATALOGUE } from '../../src/domain/problem.ts';
import { FORMATS, optionsOf } from '../../src/schema/file-rule.ts';
import { faultOf, MINIMAL } from '../unit/schema/profile-samples.ts';
import { ROOT } from './sources.ts';

/** Problem codes and their HTTP status (README, API). SIGNAL_INVALID is 413 for an oversized body. */
const PROBLEMS: Readonly<Record<string, number>> = {
  SIGNAL_INVALID: 400,
  IDENTITY_REJECTED: 401,
  PROFILE_DENIED: 403,
  APPROVAL_DENIED: 403,
  ADMIN_ONLY: 403,
  PROFILE_UNKNOWN: 404,
  TASK_UNKNOWN: 404,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  NOT_CLOSED: 409,
  TASK_CONFLICT: 409,
  TASK_SPENT: 409,
  CAPACITY: 429,
  VAULT_DENIED: 502,
  VAULT_CONTRACT: 502,
  VAULT_UNREACHABLE: 503,
  VAULT_SEALED: 503,
  TMPFS_UNSAFE: 500,
  DELIVERY_FAILED: 500,
  NOT_READY: 504,
  JOURNAL_UNWRITABLE: 503,
  DRAINING: 503,
  INTERNAL: 500,
};

/** Commands of this version (README, Command line). */
const COMMANDS = [
  ...['agent', 'run', 'start', 'stop', 'status', 'extend', 'events', 'health'],
  ...[
    'approve',
    'deny',
    'abandon',
    'schema',
    'revoke-all',
    'drain',
    'audit',
    'policy',
    'explain',
    'doctor',
    'init',
    'dev',
  ],
  'top',
];

/** Commands whose code is handed in from the top (src/main.ts). */
const OUTSIDE = {
  agent: () => import('../../src/commands/agent.ts'),
  audit: () => import('../../src/commands/audit.ts'),
  policy: () => import('../../src/commands/policy/policy.ts'),
  init: () => import('../../src/commands/init.ts'),
  explain: () => import('../../src/commands/explain.ts'),
  doctor: () => import('../../src/commands/doctor.ts'),
  dev: () => import('../../src/commands/dev.ts'),
};

const statuses = (catalogue: Readonly<Record<string, { readonly status: number }>>) =>
  Object.fromEntries(Object.entries(catalogue).map(([code, { status }]) => [code, status]));

describe('the problem catalogue', () => {
  test('is the one of the contract', () => {
    expect(statuses(CATALOGUE)).toEqual(PROBLEMS);
  });
});

/** Formats of this version (README, Formats). */
const READY_MADE = [
  ...['pgpass', 'my.cnf', 'redis-url', 'amqp-url', 'aws-credentials', 'aws-credential-process', 'kubeconfig'],
  ...['netrc', 'git-credentials', 'npmrc', 'pem', 'ssh-key'],
];

test('the formats of the contract are there', () => {
  expect(FORMATS).toEqual(expect.arrayContaining(['json', 'dotenv', 'raw', 'template', ...READY_MADE]));
});

describe('the command line', () => {
  test('has the commands of the contract', () => {
    expect(entries.map(({ name }) => name)).toEqual(expect.arrayContaining(COMMANDS));
  });

  const loaded = entries.flatMap(({ name, load }) => (load === undefined ? [] : [[name, load] as const]));

  test('lists exactly one name for each', () => {
    expect(new Set(entries.map(({ name }) => name)).size).toBe(entries.length);
    expect(entries.filter(({ load, outside }) => (load === undefined) !== (outside === true))).toEqual([]);
  });

  test.each([...loaded, ...Object.entries(OUTSIDE)])('%s shows an example', async (name, load) => {
    const { command } = await load();
    expect(command.usage).toContain(`tasklease ${name}`);
    expect(command.usage).toMatch(/examples?:/i);
  });
});

describe('README', () => {
  const path = join(ROOT, 'README.md');
  const readme = () => (existsSync(path) ? readFileSync(path, 'utf8') : '');

  test('exists', () => {
    expect(readme().length).toBeGreaterThan(1000);
  });

  test('lists every problem code with its status, and no other', () => {
    // Rows such as: | `CAPACITY` | 429 | a limit is reached | … |
    const rows = [...readme().matchAll(/^\|\s*`([A-Z][A-Z_]+)`\s*\|\s*`?(\d{3})\b/gm)];
    expect(Object.fromEntries(rows.map(([, code, status]) => [code, Number(status)]))).toEqual(
      statuses(CATALOGUE),
    );
    expect(rows.length).toBe(Object.keys(CATALOGUE).length);
  });

  test('lists every format with its parts, the fields that they are looked for in, and its options', () => {
    const codes = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
    // Rows such as: | `pgpass` | `username`, `password` | `host`, … | psql |
    const rows = [...readme().matchAll(/^\| `([a-z.-]+)` \| (.+?) \| (.*?) ?\| (.*?) ?\|$/gm)].filter(
      ([, name]) => FORMATS.includes(name as FormatName),
    );
    const told = Object.fromEntries(
      rows.map(([, name, parts, options]) => [
        name,
        { parts: new Set(codes(parts!)), options: codes(options!).sort() },
      ]),
    );
    const ours = Object.fromEntries(
      FORMATS.map((name) => {
        const own = Object.entries(PARTS[name] ?? {}).flatMap(([part, fields]) => [part, ...fields]);
        const named = PARTS[name] === undefined ? told[name]?.parts : new Set(own);
        const options = optionsOf(name).filter((option) => option !== 'fields');
        return [name, { parts: named, options: options.sort() }];
      }),
    );
    expect(told).toEqual(ours);
    expect(rows.length).toBe(FORMATS.length);
    expect(rows.filter(([, , , , reader]) => reader === '')).toEqual([]);
  });

  test('its examples of files are what a profile takes', () => {
    const block = /^```yaml\n(files:\n[\s\S]*?)^```/m.exec(readme())![1]!;
    const { files } = parse(block) as { files: Record<string, unknown> };
    const profile = { ...MINIMAL, params: { env: { pattern: '[a-z]+' } } };
    expect(Object.keys(files).length).toBeGreaterThan(3);
    expect(faultOf({ ...profile, secrets: { db: { path: 'a/b', files } } })).toBe('no fault');
  });

  /** Lines of the shell blocks, without prompts, comments and continuations. */
  const shellLines = () =>
    [...readme().matchAll(/^```(?:sh|bash|shell|console)\n([\s\S]*?)^```/gm)]
      .flatMap(([, block]) => block!.replaceAll('\\\n', ' ').split('\n'))
      .map((line) => line.replace(/^\s*\$ /, '').trim());

  test('its tasklease commands exist', () => {
    const known = new Set([...entries.map(({ name }) => name), 'help', '--help', '--version', '-h', '-V']);
    const used = shellLines().flatMap((line) =>
      [...line.matchAll(/(?:^|[|&;(]\s*|\bnpx |\bsudo |\bexec )tasklease\s+(-{0,2}[a-z][a-z-]*)/g)].map(
        ([, name]) => name!,
      ),
    );
    expect(used.length).toBeGreaterThan(0);
    expect(used.filter((name) => !known.has(name))).toEqual([]);
  });

  test('its npm scripts exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const builtIn = ['ci', 'install', 'pack', 'exec', 'link'];
    const used = shellLines().flatMap((line) =>
      [...line.matchAll(/\bnpm (?:run )?(?:--silent |-s )?([a-z][a-z-]*)/g)].map(([, name]) => name!),
    );
    expect(used.length).toBeGreaterThan(0);
    expect(used.filter((name) => !builtIn.includes(name) && scripts[name] === undefined)).toEqual([]);
  });

  test('the files it links to exist', () => {
    const links = [...readme().matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(([, target]) => target!);
    expect(links.filter((target) => !existsSync(join(ROOT, target)))).toEqual([]);
  });
});
