// What init writes is what the agent reads and what its policies permit; what it is not told it asks, or names.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseYaml } from '../../../src/adapters/settings/yaml-file.ts';
import { type Answers, answers, METHODS } from '../../../src/commands/init/answers.ts';
import { firstFiles } from '../../../src/commands/init/files.ts';
import { writeFiles } from '../../../src/commands/init/write.ts';
import { readPolicy } from '../../../src/policy/hcl-read.ts';
import { permits } from '../../../src/policy/permits.ts';
import { profileRequests, sampleRequest } from '../../../src/policy/requests.ts';
import { agentConfig } from '../../../src/schema/config.ts';
import { profileFile, toProfile } from '../../../src/schema/profile-file.ts';

const given: Answers = {
  dir: '/etc/tasklease',
  vaultAddress: 'https://vault.example:8200',
  method: 'approle',
  profile: 'report',
  secretPath: 'database/creds/report',
  uid: 1000,
};
const places = { runDir: '/run', stateDir: '/var/lib/tasklease' };
const made = (changed: Partial<Answers> = {}) => firstFiles({ ...given, ...changed }, places);

describe('what is written', () => {
  test.each(METHODS)('with %s is a configuration that the agent takes', (method) => {
    const config = parseYaml('agent.yaml', made({ method }).get('/etc/tasklease/agent.yaml')!, agentConfig);
    expect(config).toMatchObject({ vault: { auth: { method } }, profiles_dir: '/etc/tasklease/profiles' });
  });

  test.each(['database/creds/report', 'pki/issue/app', 'secret/data/app', 'ssh/creds/otp'])(
    'for %s has a policy that permits each request of its profile, and nothing beside it',
    (secretPath) => {
      const files = made({ secretPath });
      const text = files.get('/etc/tasklease/profiles/report.yaml')!;
      const profile = toProfile(parseYaml('report.yaml', text, profileFile));
      const policy = readPolicy(
        files.get('/etc/tasklease/vault-policies/report.hcl')!,
        'tasklease-report',
        'report.hcl',
      );
      const requests = profileRequests(profile);
      expect(requests.map(({ path }) => path)).toEqual([secretPath]);
      for (const request of requests) {
        expect(permits([policy], sampleRequest(profile, request))).toMatchObject({ permitted: true });
        const other = { ...sampleRequest(profile, request), path: `${secretPath}-other` };
        expect(permits([policy], other)).toMatchObject({ permitted: false });
      }
    },
  );

  test.each([
    ['a path into sys/', { secretPath: 'sys/policies' }],
    ['a path with a wildcard', { secretPath: 'secret/*' }],
    ['an address that is none', { vaultAddress: 'vault' }],
    ['a name that is none', { profile: '../up' }],
  ])('is nothing for %s', (_what, changed) => {
    expect(() => made(changed)).toThrow(expect.objectContaining({ name: 'SettingsFault' }));
  });
});

describe('answers', () => {
  const flags = { 'vault-address': 'https://v:8200', 'secret-path': '/database/creds/report' };

  test('come from flags, then from the terminal, then from defaults', async () => {
    const asked: string[] = [];
    const ask = async (question: string) => {
      asked.push(question);
      return question.startsWith('What is that kind') ? ' nightly ' : '';
    };
    expect(await answers(flags, ask, { SUDO_UID: '1000' })).toEqual({
      dir: '/etc/tasklease',
      vaultAddress: 'https://v:8200',
      method: 'approle',
      profile: 'nightly',
      secretPath: 'database/creds/report',
      uid: 1000,
    });
    expect(asked.some((question) => question.includes('Where is Vault'))).toBe(false);
    expect(asked.find((question) => question.startsWith('What is that kind'))).toContain('[report]');
  });

  test('that nobody gives are named by their flag', async () => {
    await expect(answers({}, null, {})).rejects.toThrow('--vault-address');
    await expect(answers({ 'vault-address': 'https://v:8200' }, null, {})).rejects.toThrow('--secret-path');
    await expect(answers({ ...flags, auth: 'password' }, null, {})).rejects.toThrow('not a method');
    await expect(answers({ ...flags, uid: 'me' }, null, {})).rejects.toThrow('--uid');
  });
});

describe('files', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'tasklease-init-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  test('that are there stay, and nothing is written beside them', () => {
    mkdirSync(join(dir, 'profiles'));
    writeFileSync(join(dir, 'profiles', 'report.yaml'), 'mine');
    const files = made({ dir });
    expect(() => writeFiles(files, false)).toThrow('is there already; nothing was written');
    expect(readdirSync(dir)).toEqual(['profiles']);
    writeFiles(files, true);
    expect(readFileSync(join(dir, 'profiles', 'report.yaml'), 'utf8')).toContain('profile: report');
    expect(readdirSync(dir).sort()).toEqual(['agent.yaml', 'profiles', 'vault-policies']);
  });
});
