// Owns the secrets engines of the demo and the tests: database (PostgreSQL), pki, kv version 2 and
// ssh one-time passwords, with the roles that the sample profiles use. Invariant: idempotent, and
// every engine's secret is one that Vault can take back, except KV, which has no lease.
import type { Admin } from './provision.ts';

/** Where Vault reaches PostgreSQL as its superuser. */
export type EngineDatabase = {
  port: number;
  user: string;
  password: string;
  query(sql: string, values?: unknown[], database?: string): Promise<unknown[]>;
};

/** Creates the sample table and the group role whose rights every leased login has. */
const sampleDatabase = async (postgres: EngineDatabase): Promise<void> => {
  const known = await postgres.query(`select 1 from pg_roles where rolname = 'report_reader'`);
  if (known.length > 0) return;
  await postgres.query(`
    create table sales (day date primary key, amount numeric not null);
    insert into sales select current_date - n, 100 + n from generate_series(1, 30) as n;
    create role report_reader nologin;
    grant select on sales to report_reader;`);
};

const database = async (admin: Admin, postgres: EngineDatabase): Promise<void> => {
  await sampleDatabase(postgres);
  // https://developer.hashicorp.com/vault/api-docs/secret/databases/postgresql
  await admin('POST', 'database/config/sample', {
    plugin_name: 'postgresql-database-plugin',
    allowed_roles: ['*'],
    connection_url: `postgresql://{{username}}:{{password}}@127.0.0.1:${postgres.port}/postgres?sslmode=disable`,
    username: postgres.user,
    password: postgres.password,
    password_authentication: 'scram-sha-256',
    max_open_connections: 8,
  });
  await admin('POST', 'database/roles/report', {
    db_name: 'sample',
    // VALID UNTIL: should Vault itself be lost, the login still ends with its lease.
    creation_statements: [
      `create role "{{name}}" login password '{{password}}' valid until '{{expiration}}' in role report_reader`,
    ],
    default_ttl: '1h',
    max_ttl: '24h',
  });
};

const pki = async (admin: Admin, isNew: boolean): Promise<void> => {
  if (isNew) {
    await admin('POST', 'pki/root/generate/internal', {
      common_name: 'tasklease demo root',
      key_type: 'ec',
      key_bits: 256,
      ttl: '87600h',
    });
  }
  await admin('POST', 'pki/roles/app', {
    allow_any_name: true,
    enforce_hostnames: false,
    key_type: 'ec',
    key_bits: 256,
    // Without a lease nothing would be revoked with the task.
    generate_lease: true,
    ttl: '1h',
    max_ttl: '72h',
  });
};

const keyValue = async (admin: Admin, isNew: boolean): Promise<void> => {
  if (!isNew) return;
  for (const environment of ['staging', 'prod']) {
    const body = {
      data: { API_URL: `https://${environment}.app.internal`, API_KEY: `sample-${environment}` },
    };
    // A new version 2 mount answers 400 "upgrading" for a moment.
    for (let attempt = 1; ; attempt += 1) {
      try {
        await admin('POST', `secret/data/app/${environment}`, body);
        break;
      } catch (error) {
        if (attempt >= 50 || !/upgrading/i.test(String(error))) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }
};

/** Mounts and fills the engines; without `postgres`, there is no database engine. */
export const provisionEngines = async (admin: Admin, postgres: EngineDatabase | undefined): Promise<void> => {
  const mounted = (await admin('GET', 'sys/mounts')).data ?? {};
  const mount = async (path: string, body: unknown): Promise<boolean> => {
    if (`${path}/` in mounted) return false;
    await admin('POST', `sys/mounts/${path}`, body);
    return true;
  };
  if (postgres !== undefined) {
    await mount('database', { type: 'database' });
    await database(admin, postgres);
  }
  await pki(admin, await mount('pki', { type: 'pki', config: { max_lease_ttl: '87600h' } }));
  await keyValue(admin, await mount('secret', { type: 'kv', options: { version: '2' } }));
  // Which task assertions were presented, where a profile wants that to count for all agents together.
  await mount('tasklease-uses', { type: 'kv', options: { version: '2' } });
  await mount('ssh', { type: 'ssh' });
  await admin('POST', 'ssh/roles/otp', { key_type: 'otp', default_user: 'app', cidr_list: '127.0.0.0/8' });
};
