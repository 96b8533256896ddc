// Holds the JSON Schemas to what the agent reads, with a validator that is not ours: what ships is taken, what the agent
// would refuse by its shape is refused in the editor already.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { jsonSchema, SUBJECT_NAMES, type Subject } from '../../../src/schema/json-schema.ts';
import { ROOT } from '../../architecture/sources.ts';

const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: false });
const validators = new Map(SUBJECT_NAMES.map((name) => [name, ajv.compile(jsonSchema(name))]));
const faults = (subject: Subject, value: unknown): string[] => {
  const validate = validators.get(subject)!;
  return validate(value)
    ? []
    : validate.errors!.map(({ instancePath, message }) => `${instancePath} ${message}`);
};

/** Every YAML file below, as path from the root. */
const yamlBelow = (dir: string): string[] =>
  readdirSync(join(ROOT, dir), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => join(dir, file));

const shipped = ['deploy', 'src/dev/sample', 'vault-policies'].flatMap(yamlBelow).flatMap((file) => {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const subject: Subject | null = /^profile: /m.test(text)
    ? 'profile'
    : /^secrets_dir: /m.test(text)
      ? 'agent'
      : null;
  return subject === null ? [] : [{ file, text, subject }];
});

test('files that ship are found', () => {
  expect(shipped.filter(({ subject }) => subject === 'agent').length).toBeGreaterThanOrEqual(2);
  expect(shipped.filter(({ subject }) => subject === 'profile').length).toBeGreaterThanOrEqual(10);
});

describe.each(shipped)('$file', ({ file, text, subject }) => {
  test('is taken by its schema', () => {
    expect(faults(subject, parse(text))).toEqual([]);
  });

  test('names its schema for editors in its first line, and it is there', () => {
    const named = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text)?.[1];
    expect(named, 'the first line').toBeDefined();
    const path = resolve(dirname(join(ROOT, file)), named!);
    expect(path).toBe(join(ROOT, 'deploy/schema', `${subject}.json`));
    expect(existsSync(path)).toBe(true);
  });
});

test.each(SUBJECT_NAMES)('deploy/schema/%s.json is what `tasklease schema` makes', (name) => {
  const file = readFileSync(join(ROOT, 'deploy/schema', `${name}.json`), 'utf8');
  expect(JSON.parse(file), 'npm run build && dist/tasklease.js schema --out deploy/schema').toEqual(
    jsonSchema(name),
  );
});

const profile = () => ({
  profile: 'p',
  vault: { policies: ['p'] },
  secrets: { db: { path: 'database/creds/p', files: { 'db.json': { format: 'json' } } } as object },
});

test.each([
  ['a duration', { ttl: { default: '1h30m', max: '2h' } }],
  ['one executable for a list of one', { allow: { where: { exe: '/usr/bin/node' } } }],
  ['several executables', { allow: { where: { exe: ['/usr/bin/node', '/bin/sh'] } } }],
])('a profile may have %s', (_name, more) => {
  expect(faults('profile', { ...profile(), ...more })).toEqual([]);
});

test.each([
  ['an unknown key', { ttls: {} }],
  ['a number for a duration', { ttl: { default: 600 } }],
  ['a duration without a unit', { ttl: { default: '600' } }],
  ['a mode that is no text', { mode: 288 }],
  ['a word that is not bind’s', { bind: 'sometimes' }],
  ['a format that does not exist', { secrets: { db: { path: 'a/b', files: { f: { format: 'xml' } } } } }],
  ['no secrets', { secrets: undefined }],
])('a profile with %s is refused in the editor', (_name, more) => {
  expect(faults('profile', { ...profile(), ...more })).not.toEqual([]);
});

test('a configuration may leave the address to the environment, and no other key be misspelt', () => {
  const agent = parse(readFileSync(join(ROOT, 'deploy/agent.yaml'), 'utf8'));
  delete agent.vault.address;
  expect(faults('agent', agent)).toEqual([]);
  expect(faults('agent', { ...agent, secret_dir: '/run/tasklease' })).not.toEqual([]);
  expect(faults('agent', { ...agent, vault: { ...agent.vault, auth: { method: 'ldap' } } })).not.toEqual([]);
});

test('a start body needs its profile alone', () => {
  expect(faults('start', { profile: 'p' })).toEqual([]);
  expect(faults('start', { task: 'p' })).not.toEqual([]);
});
