// The files that are shipped are what render makes of the shipped profiles, byte for byte.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { profileFiles, readProfile } from '../../../src/adapters/settings/profile-files.ts';
import { roleText } from '../../../src/commands/policy/render.ts';
import { printHcl } from '../../../src/policy/hcl-print.ts';
import { readPolicy } from '../../../src/policy/hcl-read.ts';
import { renderKit } from '../../../src/policy/kit.ts';
import { DEFAULT_NAMES } from '../../../src/policy/names.ts';
import { ROOT } from '../../architecture/sources.ts';

const shipped = (file: string) => readFileSync(join(ROOT, 'vault-policies', file), 'utf8');
const profiles = profileFiles(join(ROOT, 'src/dev/sample')).map(readProfile);
const kit = renderKit(profiles, { names: DEFAULT_NAMES, anyProfiles: true });

describe('vault-policies/ is what render makes of the shipped profiles', () => {
  test.each(kit.policies)('$file', ({ file, policy }) => {
    expect(shipped(file)).toBe(printHcl(policy));
  });
  test.each(kit.roles)('$file', ({ file, body }) => {
    expect(shipped(file)).toBe(roleText(body));
  });
});

test('the session of jwt mode is the session without its first block', () => {
  const read = (file: string) => readPolicy(shipped(file), file, file);
  const rules = (file: string) => read(file).rules.map(({ line: _line, ...rule }) => rule);
  const [first, ...rest] = rules('session.hcl');
  expect(first!.path).toBe('auth/token/create/tasklease');
  expect(rules('session-jwt.hcl')).toEqual(rest);
});
