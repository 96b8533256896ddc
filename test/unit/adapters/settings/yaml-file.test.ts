// Owns what an operator reads about a faulty YAML file: one sentence with file, line, key and what is wrong.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { parseYaml, readYaml, SettingsFault } from '../../../../src/adapters/settings/yaml-file.ts';
import { agentConfig } from '../../../../src/schema/config.ts';
import { profileFile } from '../../../../src/schema/profile-file.ts';

const faultOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(SettingsFault);
    return (error as Error).message;
  }
  return 'no fault';
};
const config = (text: string): string => faultOf(() => parseYaml('agent.yaml', text, agentConfig));
const profile = (text: string): string => faultOf(() => parseYaml('p.yaml', text, profileFile));

const GOOD = `# the agent
vault:
  address: https://vault.internal:8200
  auth:
    method: token_file
    token_file: /etc/tasklease/token
`;

test('a good file is read, comments, anchors and flow style included', () => {
  expect(config(`${GOOD}log: { level: &level info }\n`)).toBe('no fault');
});

describe('the line is that of the key', () => {
  test.each<[string, string, string]>([
    ['an unknown key', `${GOOD}secret_dir: /x\n`, 'agent.yaml:7: secret_dir is not a known key'],
    [
      'an unknown key, nested',
      `${GOOD}limits:\n  tasks: 1\n  task: 2\n`,
      'agent.yaml:9: limits.task is not a known key',
    ],
    [
      'a wrong type, nested',
      `${GOOD}limits:\n  tasks: 5\n  tasks_per_uid: many\n`,
      'agent.yaml:9: limits.tasks_per_uid must be of type number',
    ],
    [
      'a wrong type in flow style',
      `${GOOD}limits: {\n  tasks: 5,\n  tasks_per_uid: many }\n`,
      'agent.yaml:9: limits.tasks_per_uid must be of type number',
    ],
    [
      'a scalar where a section belongs',
      `${GOOD}socket: /run/x\n`,
      'agent.yaml:7: socket must be of type object',
    ],
    [
      'the third item of a list',
      `${GOOD}tasks:\n  - { id: a, profile: p }\n  - { id: b, profile: p }\n  - id: c\n    profil: p\n`,
      'agent.yaml:10: tasks.2.profile must be the name of a profile',
    ],
    [
      'what is missing: the section that lacks it',
      'log: { level: info }\nvault:\n  auth:\n    method: token_file\n    token_file: /t\n',
      'agent.yaml:2: vault.address is missing: give the URL of Vault, or set VAULT_ADDR',
    ],
    [
      'a quoted key',
      `${GOOD}"log":\n  "level": loud\n`,
      'agent.yaml:8: log.level must be debug, info, warn or error',
    ],
    [
      'after Windows line ends',
      `${GOOD}log:\n  level: loud\n`.replaceAll('\n', '\r\n'),
      'agent.yaml:8: log.level must be debug, info, warn or error',
    ],
  ])('%s', (_name, text, fault) => {
    expect(config(text)).toBe(fault);
  });
});

describe('what YAML itself refuses', () => {
  test.each<[string, string, RegExp]>([
    ['a duplicate key', `${GOOD}vault:\n  address: http://evil\n`, /^agent\.yaml:7: .*unique/i],
    ['a duplicate key, nested', `${GOOD}log:\n  level: info\n  level: debug\n`, /^agent\.yaml:9: .*unique/i],
    ['a tab for indentation', `${GOOD}log:\n\tlevel: info\n`, /^agent\.yaml:8: .*tab/i],
    ['a quote that never ends', `${GOOD}runtime_dir: "/run\n`, /^agent\.yaml:\d+: .*quote/i],
    ['a bracket that never ends', `${GOOD}tasks: [\n`, /^agent\.yaml:\d+: \S/],
    ['an alias of nothing', `${GOOD}runtime_dir: *nothing\n`, /^agent\.yaml:\d+: \S.*/],
    ['a tag of its own', `${GOOD}runtime_dir: !!js/function "x"\n`, /^agent\.yaml:7: .*tag/i],
    ['two documents', `${GOOD}---\nlog: {}\n`, /^agent\.yaml:\d+: .*document/i],
  ])('%s', (_name, text, fault) => {
    const sentence = config(text);
    expect(sentence).toMatch(fault);
    expect(sentence).not.toContain('\n');
  });

  test('aliases that unfold without end are refused, soon', () => {
    const levels = Array.from(
      { length: 12 },
      (_, n) => `l${n + 1}: &l${n + 1} [${Array(10).fill(`*l${n}`).join(', ')}]`,
    );
    const startedAt = performance.now();
    expect(config(`l0: &l0 [x]\n${levels.join('\n')}\n`)).toMatch(/^agent\.yaml:\d+: .*aliases/);
    expect(profile(`l0: &l0 [x]\n${levels.join('\n')}\n`)).toMatch(/^p\.yaml:\d+: .*aliases/);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  test('an alias of itself is refused', () => {
    expect(config(`${GOOD}tasks: &a [*a]\n`)).toMatch(/^agent\.yaml:\d+: \S/);
  });
});

describe('files that are no mapping', () => {
  test.each(['', '# nothing\n', '---\n', '~\n'])('%j: what is missing is named', (text) => {
    expect(config(text)).toMatch(/^agent\.yaml:1: vault is missing/);
  });
  test.each(['just words\n', '- a\n- b\n', '42\n'])('%j', (text) => {
    expect(config(text)).toMatch(/^agent\.yaml:1: the file must be of type object/);
  });
});

describe('profiles', () => {
  const GOOD_PROFILE = `profile: p
vault:
  policies: [a]
params:
  env: { enum: [x] }
secrets:
  db:
    path: database/creds/{{params.env}}
    files:
      db.json: { format: json }
`;
  test.each<[string, string, string]>([
    ['good', GOOD_PROFILE, 'no fault'],
    [
      'a slot without its param',
      GOOD_PROFILE.replace('params.env', 'params.stage'),
      'p.yaml:8: secrets.db.path uses {{params.stage}}, but params has no stage',
    ],
    [
      'a number where a mode belongs',
      `${GOOD_PROFILE}mode: 0440\n`,
      'p.yaml:11: mode must be an octal mode in quotes, like "0440"',
    ],
    [
      'a file name with dots, deep down',
      GOOD_PROFILE.replace('json }', 'yaml }'),
      'p.yaml:10: secrets.db.files.db.json.format must be one of json, dotenv, raw, template, pgpass, pg-service, database-url, my.cnf, redis-url, amqp-url, aws-credentials, aws-credential-process, kubeconfig, netrc, git-credentials, npmrc, pem, ssh-key',
    ],
  ])('%s', (_name, text, fault) => {
    expect(profile(text)).toBe(fault);
  });
});

describe('reading', () => {
  test('a file that is not there, and a directory, are named with the reason', () => {
    const dir = mkdtempSync(join(tmpdir(), 'tasklease-yaml-'));
    try {
      const missing = join(dir, 'agent.yaml');
      expect(faultOf(() => readYaml(missing, agentConfig))).toBe(
        `${missing}: there is no such file: name yours with --config FILE, or let tasklease init write a first one`,
      );
      expect(faultOf(() => readYaml(dir, agentConfig))).toContain(`${dir}: cannot be read (EISDIR)`);
      writeFileSync(missing, 'a: 1\n');
      expect(readYaml(missing, z.strictObject({ a: z.number() }))).toEqual({ a: 1 });
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
