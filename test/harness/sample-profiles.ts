// Owns the profiles that the tests start tasks of, over four engines, and the Vault policies and roles that
// they need beyond the shipped ones. The names say what is special about each.
import type { VaultServer } from '../../src/dev/vault-server.ts';

export type ProfileBody = Record<string, unknown>;

const ttl = { default: '10m', max: '1h', grace: '0s' };
const everybodyHere = { uids: [process.getuid?.() ?? 0] };

/** A profile with the usual head; `more` wins. */
export const profile = (more: ProfileBody): ProfileBody => ({ allow: everybodyHere, ttl, ...more });

/** PostgreSQL login, one file of each format. */
export const database = profile({
  vault: { mode: 'child', policies: ['tasklease-report-read'] },
  secrets: {
    db: {
      path: 'database/creds/report',
      files: {
        'db.env': { format: 'dotenv', fields: { PGUSER: 'username', PGPASSWORD: 'password' } },
        'db.json': { format: 'json' },
        'db.password': { format: 'raw', field: 'password' },
        'db.url': {
          format: 'template',
          template: 'postgres://{{username}}:{{password}}@db/app\n',
          mode: '0440',
        },
      },
    },
  },
});

/** PKI with generate_lease: the certificate is revoked with the lease. The task's id is its name. */
export const certificate = profile({
  vault: { policies: ['tasklease-deploy-cert'] },
  secrets: {
    tls: {
      path: 'pki/issue/app',
      method: 'write',
      body: { common_name: '{{task.id}}.app.internal', ttl: '{{task.ttl}}' },
      files: { 'tls.pem': { format: 'template', template: '{{certificate}}\n{{private_key}}\n' } },
    },
  },
});

/** SSH one-time password: a lease that cannot be renewed and is longer than any task. */
export const oneTimePassword = profile({
  vault: { policies: ['tasklease-test-otp'] },
  secrets: {
    otp: {
      path: 'ssh/creds/otp',
      method: 'write',
      body: { ip: '127.0.0.1' },
      files: { otp: { format: 'raw', field: 'key' } },
    },
  },
});

/** KV version 2: no lease; the end is that of the file and the token. */
export const keyValue = profile({
  params: { env: { enum: ['staging', 'prod'] } },
  vault: { policies: ['tasklease-app-config'] },
  secrets: { app: { path: 'secret/data/app/{{params.env}}', files: { 'app.json': { format: 'json' } } } },
});

/** A value of the caller's choice in the path: what hostile input aims at. */
export const chosenPath = profile({
  params: { customer: { pattern: '.*' }, note: { pattern: '[a-z]{1,8}', optional: true } },
  event: { required: false, types: ['pull_request'] },
  vault: { policies: ['tasklease-test-customer'] },
  secrets: {
    record: {
      path: 'secret/data/customer/{{params.customer}}/{{task.id}}',
      files: { 'record.json': { format: 'json' } },
    },
  },
});

/** Leases of a few seconds, so that a test sees renewals. */
export const shortLease = profile({
  vault: { policies: ['tasklease-test-short'] },
  secrets: { db: { path: 'database/creds/short', files: { 'db.json': { format: 'json' } } } },
});

/** Leases long enough to lose Vault for a moment between two renewals. */
export const mediumLease = profile({
  vault: { policies: ['tasklease-test-medium'] },
  secrets: { db: { path: 'database/creds/medium', files: { 'db.json': { format: 'json' } } } },
});

/** Leases that leave some seconds between a renewal that fails and their end. */
export const briskLease = profile({
  vault: { policies: ['tasklease-test-brisk'] },
  secrets: { db: { path: 'database/creds/brisk', files: { 'db.json': { format: 'json' } } } },
});

/** Leases that no renewal takes beyond six seconds: the task lives on by rotation. */
export const rotating = profile({
  vault: { policies: ['tasklease-test-rotating'] },
  overlap: '1s',
  secrets: {
    db: {
      path: 'database/creds/rotating',
      files: {
        'db.json': { format: 'json' },
        'db.env': { format: 'dotenv', fields: { PGUSER: 'username', PGPASSWORD: 'password' } },
      },
    },
  },
});

/** The same with a life that leaves a restart of the agent, on any machine, some seconds to rotate in time. */
export const keeping = profile({
  vault: { policies: ['tasklease-test-rotating'] },
  overlap: '4s',
  secrets: { db: { path: 'database/creds/keeping', files: { 'db.json': { format: 'json' } } } },
});

/** The second secret is refused by Vault's policy after the first was issued. */
export const halfDenied = profile({
  vault: { policies: ['tasklease-report-read'] },
  secrets: {
    allowed: { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } },
    denied: { path: 'database/creds/forbidden', files: { 'no.json': { format: 'json' } } },
  },
});

/** Asks for a policy that the token role does not allow. */
export const foreignPolicy = profile({
  vault: { policies: ['tasklease-not-allowed'] },
  secrets: { db: { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } } },
});

export const SAMPLE_PROFILES: Record<string, ProfileBody> = {
  database,
  certificate,
  'one-time-password': oneTimePassword,
  'key-value': keyValue,
  'chosen-path': chosenPath,
  'short-lease': shortLease,
  'medium-lease': mediumLease,
  'brisk-lease': briskLease,
  rotating,
  keeping,
  'half-denied': halfDenied,
  'foreign-policy': foreignPolicy,
};

/** Policies beside the shipped ones. */
export const SAMPLE_POLICIES: Record<string, string> = {
  'tasklease-test-otp': 'path "ssh/creds/otp" { capabilities = ["update"] }',
  'tasklease-test-customer': 'path "secret/data/customer/*" { capabilities = ["read"] }',
  'tasklease-test-short': 'path "database/creds/short" { capabilities = ["read"] }',
  'tasklease-test-medium': 'path "database/creds/medium" { capabilities = ["read"] }',
  'tasklease-test-brisk': 'path "database/creds/brisk" { capabilities = ["read"] }',
  'tasklease-test-rotating':
    'path "database/creds/rotating" { capabilities = ["read"] }\npath "database/creds/keeping" { capabilities = ["read"] }',
};

/** Engine roles beside those of the demo; after provision(). */
export const sampleRoles = async (vault: VaultServer): Promise<void> => {
  for (const [name, default_ttl, max_ttl] of [
    ['short', '4s', '1h'],
    ['medium', '20s', '1h'],
    ['brisk', '8s', '1h'],
    ['rotating', '6s', '6s'],
    ['keeping', '15s', '15s'],
  ]) {
    const reply = await vault.request('POST', `database/roles/${name}`, {
      db_name: 'sample',
      creation_statements: [
        `create role "{{name}}" login password '{{password}}' valid until '{{expiration}}' in role report_reader`,
      ],
      default_ttl,
      max_ttl,
    });
    if (reply.status >= 300) throw new Error(`Vault answered ${reply.status} to the role "${name}"`);
  }
};
