// Owns the three secrets that the comparison leases, as each contender asks for them: the same path, the same
// parameters, one file. One has a lease whose revocation does work elsewhere, one a lease that Vault ends by itself,
// one has none.

import { type ProfileBody, profile } from '../harness/sample-profiles.ts';
import type { Kind } from './bare-client.ts';

export interface Engine extends Kind {
  /** The parameters of a write, for command lines and templates. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Where its leases are; null for a secret without one. */
  readonly leases: string | null;
  readonly file: string;
  /** For Vault's agent and consul-template: what is written to the file, the whole reply's data. */
  readonly output: string;
  readonly profileBody: ProfileBody;
}

const COMMON_NAME = 'bench.app.internal';
const TTL = '600s';

export const ENGINES: readonly Engine[] = [
  {
    name: 'PostgreSQL login',
    profile: 'bench-postgresql',
    policy: 'tasklease-report-read',
    method: 'GET',
    path: '/v1/database/creds/report',
    parameters: {},
    leases: 'database/creds/report',
    file: 'db.json',
    output: '{{ .Data | toJSON }}',
    profileBody: profile({
      vault: { policies: ['tasklease-report-read'] },
      secrets: { db: { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } } },
    }),
  },
  {
    name: 'PKI certificate',
    profile: 'bench-pki',
    policy: 'tasklease-deploy-cert',
    method: 'PUT',
    path: '/v1/pki/issue/app',
    body: { common_name: COMMON_NAME, ttl: TTL },
    parameters: { common_name: COMMON_NAME, ttl: TTL },
    leases: 'pki/issue/app',
    file: 'tls.json',
    output: '{{ .Data | toJSON }}',
    profileBody: profile({
      vault: { policies: ['tasklease-deploy-cert'] },
      secrets: {
        tls: {
          path: 'pki/issue/app',
          method: 'write',
          body: { common_name: COMMON_NAME, ttl: '{{task.ttl}}' },
          files: { 'tls.json': { format: 'json' } },
        },
      },
    }),
  },
  {
    name: 'KV secret',
    profile: 'bench-kv',
    policy: 'tasklease-app-config',
    method: 'GET',
    path: '/v1/secret/data/app/prod',
    parameters: {},
    leases: null,
    file: 'app.json',
    output: '{{ .Data.data | toJSON }}',
    profileBody: profile({
      vault: { policies: ['tasklease-app-config'] },
      secrets: { app: { path: 'secret/data/app/prod', files: { 'app.json': { format: 'json' } } } },
    }),
  },
];

export const BENCH_PROFILES: Record<string, ProfileBody> = Object.fromEntries(
  ENGINES.map((engine) => [engine.profile, engine.profileBody]),
);
