// Owns a minimal profile file, its variations, and the sentence that a faulty one is answered with.

import { profileFile } from '../../../src/schema/profile-file.ts';
import { firstIssue } from '../../../src/schema/signal.ts';

export const FILES = { 'db.json': { format: 'json' } };
export const SECRET = { path: 'database/creds/report', files: FILES };
export const MINIMAL = {
  profile: 'report-read',
  vault: { policies: ['tasklease-report-read'] },
  secrets: { db: SECRET },
};

export const faultOf = (value: unknown): string => {
  const parsed = profileFile.safeParse(value);
  if (parsed.success) return 'no fault';
  const { path, message } = firstIssue(parsed.error);
  return `${path.join('.')} ${message}`;
};

export const withKeys = (change: Record<string, unknown>) => ({ ...MINIMAL, ...change });
export const secret = (change: Record<string, unknown>) =>
  withKeys({ secrets: { db: { ...SECRET, ...change } } });
export const file = (rule: unknown, name = 'f') => secret({ files: { [name]: rule } });
export const param = (rule: unknown) => withKeys({ params: { env: rule } });
export const policies = (...names: string[]) => withKeys({ vault: { policies: names } });
