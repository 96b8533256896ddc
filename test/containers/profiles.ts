// Owns the profiles of the container tests beside the shipped one, which binds the connection of `tasklease.sh run`.
import type { ProfileBody } from '../harness/sample-profiles.ts';

/** A login that lives until it is stopped. Every `round` is a change that makes the agent rotate it. */
export const standing = (round = 0): ProfileBody => ({
  description: `round ${round}`,
  allow: { uids: [20_001] },
  ttl: { default: '5m', max: '1h', grace: '15s' },
  overlap: '2s',
  vault: { mode: 'child', policies: ['tasklease-report-read'] },
  secrets: {
    db: {
      path: 'database/creds/report',
      files: {
        'db.env': { format: 'dotenv', fields: { PGUSER: 'username', PGPASSWORD: 'password' } },
        'db.json': { format: 'json' },
        [`round-${round}`]: { format: 'raw', field: 'username' },
      },
    },
  },
});
