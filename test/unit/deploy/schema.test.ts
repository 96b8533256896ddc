// What is shipped as an example is what the agent takes: configurations and profiles against the schemas.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readProfile } from '../../../src/adapters/settings/profile-files.ts';
import { readYaml } from '../../../src/adapters/settings/yaml-file.ts';
import { agentConfig } from '../../../src/schema/config.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const CONFIGURATIONS = ['deploy/agent.yaml', 'deploy/compose/agent.yaml'];
const PROFILE_DIRS = ['deploy/compose/profiles', 'src/dev/sample'];

describe('shipped examples', () => {
  test.each(CONFIGURATIONS)('%s is a configuration of this version', (file) => {
    expect(readYaml(join(ROOT, file), agentConfig).vault.leash).toBe(300_000);
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
