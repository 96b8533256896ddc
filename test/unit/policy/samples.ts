// Owns the profiles and policies that the tests of the policy kit are about, through the schema as a file would be.
import type { Profile } from '../../../src/domain/profile.ts';
import { profileFile, toProfile } from '../../../src/schema/profile-file.ts';

const files = { 'x.json': { format: 'json' } };

export const profileOf = (name: string, more: Record<string, unknown>): Profile =>
  toProfile(profileFile.parse({ profile: name, vault: { policies: [`tasklease-${name}`] }, ...more }));

/** A profile of one secret. */
export const reading = (path: string, more: Record<string, unknown> = {}, name = 'sample'): Profile =>
  profileOf(name, { secrets: { it: { path, files } }, ...more });

export const writing = (
  path: string,
  body: Record<string, unknown> | undefined,
  more: Record<string, unknown> = {},
  name = 'sample',
): Profile =>
  profileOf(name, { secrets: { it: { path, method: 'write', ...(body && { body }), files } }, ...more });
