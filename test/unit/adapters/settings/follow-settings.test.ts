// Owns what becomes of an agent.yaml that changes while the agent runs.

import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readSettings } from '../../../../src/adapters/settings/agent-settings.ts';
import { followSettings } from '../../../../src/adapters/settings/follow-settings.ts';
import { pause } from '../../../harness/until.ts';

let dir = '';
let told: string[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tasklease-follow-'));
  told = [];
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const file = () => join(dir, 'agent.yaml');
const yaml = (level: string, more = '', address = 'https://vault.internal:8200') =>
  `vault: { address: "${address}", auth: { method: token_file, token_file: /etc/t/token } }\nlog: { level: ${level} }\n${more}`;

function follow() {
  const look = followSettings(
    file(),
    readSettings(file(), {}),
    {},
    {
      news: {
        fault: (key, sentence) => void told.push(`${key}: ${sentence.replaceAll(dir, '')}`),
        mended: (key) => void told.push(`${key} mended`),
      },
      level: (level) => void told.push(`level ${level}`),
      waiting: (keys) => void told.push(`waiting ${keys.join(', ')}`),
    },
  );
  return async (text?: string) => {
    if (text !== undefined) writeFileSync(file(), text);
    for (let looks = 0; looks < 20 && look(); looks += 1) await pause(120);
    return told.splice(0);
  };
}

test('log.level follows the file; every other key that changed is named once, and not again until it changes again', async () => {
  writeFileSync(file(), yaml('info'));
  const after = follow();
  expect(await after()).toEqual([]);
  expect(await after(yaml('debug'))).toEqual(['level debug']);
  const other = 'https://other.internal:8200';
  expect(await after(yaml('debug', 'limits: { tasks: 7 }\n', other))).toEqual([
    'waiting vault.address, limits.tasks',
  ]);
  expect(await after(yaml('warn', 'limits: { tasks: 7 }\n', other))).toEqual(['level warn']);
  expect(await after(yaml('warn', 'limits: { tasks: 8 }\n', other))).toEqual(['waiting limits.tasks']);
  expect(await after(yaml('warn'))).toEqual([]);
  expect(await after(yaml('warn', 'tasks: [{ id: a, profile: p }]\n'))).toEqual(['waiting tasks']);
});

test('a bad file keeps what runs, is told once with its line, and told again when it is right', async () => {
  writeFileSync(file(), yaml('info'));
  const after = follow();
  expect(await after(yaml('loud'))).toEqual([
    expect.stringMatching(/^agent\.yaml: \/agent\.yaml:2: log\.level/),
  ]);
  expect(await after()).toEqual([]);
  expect(await after(yaml('info'))).toEqual(['agent.yaml mended']);
  rmSync(file());
  expect(await after()).toEqual([expect.stringContaining('there is no such file')]);
  expect(await after(yaml('debug'))).toEqual(['agent.yaml mended', 'level debug']);
});

test('a volume of Kubernetes: the file is a symlink through ..data, which is swapped', async () => {
  const version = (name: string, level: string) => {
    mkdirSync(join(dir, name));
    writeFileSync(join(dir, name, 'agent.yaml'), yaml(level));
    symlinkSync(name, join(dir, '..data_tmp'));
    renameSync(join(dir, '..data_tmp'), join(dir, '..data'));
  };
  version('..1', 'info');
  symlinkSync(join('..data', 'agent.yaml'), file());
  const after = follow();
  version('..2', 'error');
  expect(await after()).toEqual(['level error']);
});
