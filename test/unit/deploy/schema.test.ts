// What is shipped as an example is what the agent takes: configurations and profiles against the schemas.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readSettings } from '../../../src/adapters/settings/agent-settings.ts';
import { readProfile } from '../../../src/adapters/settings/profile-files.ts';
import { agentConfig } from '../../../src/schema/config.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const CONFIGURATIONS = ['deploy/agent.yaml', 'deploy/compose/agent.yaml'];
const PROFILE_DIRS = ['deploy/compose/profiles', 'deploy/kubernetes/base/profiles', 'src/dev/sample'];

describe('shipped examples', () => {
  test.each(CONFIGURATIONS)('%s is a configuration of this version', (file) => {
    // deploy/agent.yaml is for the unit, to which systemd hands the secret id.
    const env = { CREDENTIALS_DIRECTORY: '/run/credentials/tasklease.service' };
    expect(readSettings(join(ROOT, file), env).config.vault.leash).toBe(300_000);
  });

  test('deploy/kubernetes/base/agent.yaml is one, with the address that the overlay says', () => {
    const { vault, ...rest } = parse(readFileSync(join(ROOT, 'deploy/kubernetes/base/agent.yaml'), 'utf8'));
    const config = agentConfig.parse({ ...rest, vault: { ...vault, address: 'https://vault.example:8200' } });
    expect(config.vault.leash).toBe(300_000);
  });

  const profiles = PROFILE_DIRS.flatMap((dir) =>
    readdirSync(join(ROOT, dir))
      .filter((name) => name.endsWith('.yaml'))
      .map((name) => join(dir, name)),
  );
  test.each(profiles)('%s is a profile of this version', (file) => {
    expect(readProfile(join(ROOT, file)).secrets.length).toBeGreaterThan(0);
  });
});
