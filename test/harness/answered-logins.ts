// Owns which PostgreSQL logins Vault answered to somebody, from its audit log. When the client of a credential read
// vanishes half way, as a killed agent does, Vault 1.21 sometimes leaves the role it just created without a lease. Vault
// never answered it, so it was given to nobody; its VALID UNTIL ends it. Every role that Vault did answer must be gone.
import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { untilEmpty } from './until.ts';
import type { World } from './world.ts';

type AuditLine = { response?: { data?: { username?: unknown } } };

const answeredLogins = async (auditPath: string): Promise<Set<unknown>> =>
  new Set(
    (await readFile(auditPath, 'utf8'))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as AuditLine).response?.data?.username)
      .filter((name) => name !== undefined),
  );

/** Vault and tmpfs hold nothing, and PostgreSQL no role that Vault ever answered. The world has an audit log. */
export const untilNothingAnsweredIsLeft = async (
  world: Pick<World, 'paths' | 'pgRoles' | 'taskDirs' | 'taskTokens' | 'vaultLeases'>,
): Promise<void> => {
  await untilEmpty('Vault holds no lease', world.vaultLeases);
  await untilEmpty('Vault holds no task token', world.taskTokens);
  await untilEmpty('the secrets directory is empty', async () => world.taskDirs());
  const answered = await answeredLogins(world.paths.audit);
  expect(answered.size).toBeGreaterThan(0);
  await untilEmpty('PostgreSQL holds no role that Vault ever answered', async () =>
    (await world.pgRoles()).filter((role) => answered.has(role)),
  );
};
