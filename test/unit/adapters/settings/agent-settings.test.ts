// Owns what the environment adds to agent.yaml, and what it may not.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSettings } from '../../../../src/adapters/settings/agent-settings.ts';
import { SettingsFault } from '../../../../src/adapters/settings/yaml-file.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tasklease-settings-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function settings(vault: string, env: NodeJS.ProcessEnv = {}) {
  const file = join(dir, 'agent.yaml');
  writeFileSync(file, `vault: ${vault}\n`);
  return readSettings(file, { VAULT_ADDR: 'https://vault.internal:8200', ...env });
}
const APPROLE = '{ auth: { method: approle, role_id_file: /etc/t/role-id, secret_id_file: secret-id } }';
const CREDENTIALS_DIRECTORY = '/run/credentials/tasklease.service';

describe('a file named without a path', () => {
  test('is a credential that systemd hands to the unit; one with a path stays where it is', () => {
    expect(settings(APPROLE, { CREDENTIALS_DIRECTORY }).config.vault.auth).toMatchObject({
      role_id_file: '/etc/t/role-id',
      secret_id_file: '/run/credentials/tasklease.service/secret-id',
    });
  });

  test.each<[string, object]>([
    ['{ ca_file: ca.pem, auth: { method: token_file, token_file: t } }', { token_file: 'T' }],
    ['{ ca_file: ca.pem, auth: { method: token_file, path: t } }', { token_file: 'T' }],
    ['{ ca_file: ca.pem, auth: { method: jwt, file: t } }', { token_file: 'T' }],
    [
      '{ ca_file: ca.pem, auth: { method: cert, cert_file: c, key_file: k } }',
      { cert_file: 'C', key_file: 'K' },
    ],
  ])('%s', (vault, expected) => {
    const { config } = settings(vault, { CREDENTIALS_DIRECTORY });
    expect(config.vault.ca_file).toBe(`${CREDENTIALS_DIRECTORY}/ca.pem`);
    const placed = Object.entries(expected).map(([key, name]) => [
      key,
      `${CREDENTIALS_DIRECTORY}/${name.toLowerCase()}`,
    ]);
    expect(config.vault.auth).toMatchObject(Object.fromEntries(placed));
  });

  test('is refused where systemd hands nothing over, and the sentence says what is missing', () => {
    for (const env of [{}, { CREDENTIALS_DIRECTORY: '' }]) {
      expect(() => settings(APPROLE, env)).toThrow(SettingsFault);
      expect(() => settings(APPROLE, env)).toThrow(/secret_id_file.*LoadCredential=.*CREDENTIALS_DIRECTORY/);
    }
  });

  test.each(['../secret-id', 'a/b', './secret-id', '', '..'])('%j is none', (name) => {
    const vault = `{ auth: { method: token_file, token_file: '${name}' } }`;
    expect(() => settings(vault, { CREDENTIALS_DIRECTORY })).toThrow(SettingsFault);
  });
});

test.each(['VAULT_TOKEN', 'VAULT_SKIP_VERIFY', 'NODE_TLS_REJECT_UNAUTHORIZED'])('%s is refused', (name) => {
  expect(() => settings(APPROLE, { CREDENTIALS_DIRECTORY, [name]: '1' })).toThrow(name);
});
