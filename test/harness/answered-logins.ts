// Owns which PostgreSQL logins Vault answered to somebody, from its audit log. When the client of a credential read
// vanishes half way, as a killed agent does, Vault 1.21 sometimes leaves the role it just created without a lease. Vault
// never answered it, so it was given to nobody; its VALID UNTIL ends it. Every role that Vault did answer must be gone.
import { readFile } from 'node:fs/promises';

type AuditLine = { response?: { data?: { username?: unknown } } };

export const answeredLogins = async (auditPath: string): Promise<Set<unknown>> =>
  new Set(
    (await readFile(auditPath, 'utf8'))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as AuditLine).response?.data?.username)
      .filter((name) => name !== undefined),
  );
