// Owns the two things that the Vault promises are checked on: the simulated Vault, and a real Vault with a
// real PostgreSQL and the shipped policies, behind a proxy that can lose replies.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectVault } from '../../src/adapters/vault/vault-client.ts';
import { releaseChildren } from '../../src/dev/children.ts';
import { freePort } from '../../src/dev/free-port.ts';
import { type PostgresServer, startPostgres } from '../../src/dev/postgres-server.ts';
import { type Provisioned, provision } from '../../src/dev/provision.ts';
import { vaultBinary } from '../../src/dev/vault-binary.ts';
import { startVault, type VaultServer } from '../../src/dev/vault-server.ts';
import type { Vault } from '../../src/ports/vault.ts';
import { administer, shippedComment, widenSession } from '../harness/administer.ts';
import { customerPolicy, customerRecords } from '../harness/customers.ts';
import { faultProxy } from '../harness/fault-proxy.ts';
import { ANY, SWALLOW } from '../harness/faults.ts';
import { SimClock } from '../simulation/world/sim-clock.ts';
import { SimVault } from '../simulation/world/sim-vault.ts';

export const LEASH_MS = 300_000;
export const BRIEF_LEASH_MS = 3000;

export interface VaultSubject {
  readonly vault: Vault;
  /** The same server, with sessions that live 3 s when nobody renews them. */
  readonly brief: Vault;
  /** A client of an address where nobody listens. */
  readonly unreachable: Vault;
  pass(ms: number): Promise<void>;
  /** Leased logins that exist in the database, whatever Vault thinks. */
  databaseLogins(): Promise<number>;
  databaseDown(): Promise<void>;
  databaseUp(): Promise<void>;
  seal(): Promise<void>;
  unseal(): Promise<void>;
  loseReplies(losing: boolean): void;
  close(): Promise<void>;
}

/** Vault rotates no static role more often than every 5 s, and looks for what is due as often. */
export const ROTATION_MS = 6000;

const SECRETS = {
  'database/creds/report': {
    engine: 'database',
    ttlMs: 3_600_000,
    maxTtlMs: 86_400_000,
    fields: { password: 'simulated' },
  },
  'pki/issue/app': {
    engine: 'pki',
    ttlMs: 3_600_000,
    maxTtlMs: 3_600_000,
    fields: { certificate: 'C', private_key: 'K' },
  },
  'pki/issue/bare': {
    engine: 'pki',
    leaseless: 'stored',
    ttlMs: 3_600_000,
    maxTtlMs: 3_600_000,
    fields: { certificate: 'C', private_key: 'K' },
  },
  'pki/issue/not-stored': {
    engine: 'pki',
    leaseless: 'not stored',
    ttlMs: 3_600_000,
    maxTtlMs: 3_600_000,
    fields: { certificate: 'C', private_key: 'K' },
  },
  'database/static-creds/service': { engine: 'static', ttlMs: ROTATION_MS, maxTtlMs: 0, fields: {} },
  'secret/data/app/prod': {
    engine: 'kv',
    ttlMs: 0,
    maxTtlMs: 0,
    fields: { API_URL: 'https://prod.app.internal', API_KEY: 'sample-prod' },
  },
  ...Object.fromEntries(
    ['c-1', 'c-2'].map((customer) => [
      `secret/data/customers/${customer}`,
      { engine: 'kv', ttlMs: 0, maxTtlMs: 0, fields: { owner: customer } } as const,
    ]),
  ),
} as const;
const POLICIES = {
  'tasklease-report-read': ['database/creds/report'],
  'tasklease-deploy-cert': ['pki/issue/app'],
  'tasklease-app-config': ['secret/data/app/*'],
  'tasklease-engines': ['pki/issue/*', 'database/static-creds/*'],
  'tasklease-customer': ['secret/data/customers/{{identity.entity.aliases.auth_token_1.name}}'],
};
/** What the token role of both allows as alias. */
const ENTITY_ALIASES = ['c-*'];

export async function simulatedVault(): Promise<VaultSubject> {
  const clock = new SimClock();
  const options = {
    clock,
    secrets: SECRETS,
    policies: POLICIES,
    entityAliases: ENTITY_ALIASES,
    irrevocableMounts: ['other-pki'],
  };
  const vault = new SimVault({ ...options, leashMs: LEASH_MS });
  const unreachable = new SimVault({ ...options, leashMs: LEASH_MS });
  unreachable.fault = () => 'unreachable';
  const brief = vault.withLeash(BRIEF_LEASH_MS);
  return {
    vault,
    brief,
    unreachable,
    async pass(ms) {
      await clock.advance(ms);
      vault.model.expire();
    },
    databaseLogins: async () =>
      [...vault.model.credentials.values()].filter(({ path }) => path.startsWith('database/')).length,
    databaseDown: async () => void vault.model.down.add('database'),
    databaseUp: async () => {
      vault.model.down.delete('database');
    },
    seal: async () => {
      vault.model.sealed = true;
    },
    unseal: async () => {
      vault.model.sealed = false;
    },
    loseReplies: (losing) => {
      vault.fault = () => (losing ? 'lost' : null);
    },
    close: async () => undefined,
  };
}

export interface RealVault extends VaultSubject {
  readonly server: VaultServer;
  readonly provisioned: Provisioned;
  readonly dir: string;
  /** A client of the server with another way to log in, or another leash. */
  connect(options: Partial<Parameters<typeof connectVault>[0]>): ReturnType<typeof connectVault>;
}

/** What hangs under no lease: certificates by their serial, a login whose password Vault rotates. */
async function moreRoles(server: VaultServer, postgres: PostgresServer): Promise<void> {
  await widenSession({ vault: server }, shippedComment('path "pki/revoke"'));
  const role = { allow_any_name: true, enforce_hostnames: false, key_type: 'ec', key_bits: 256, ttl: '1h' };
  await administer({ vault: server }, 'POST', 'pki/roles/bare', { ...role, generate_lease: false });
  await administer({ vault: server }, 'POST', 'pki/roles/not-stored', { ...role, no_store: true });
  await postgres.query(`create role service login password 'first'`);
  await administer({ vault: server }, 'POST', 'database/static-roles/service', {
    db_name: 'sample',
    username: 'service',
    rotation_period: `${ROTATION_MS / 1000}s`,
  });
}

export async function realVault(): Promise<RealVault> {
  const { path: binary } = await vaultBinary({
    log: { line: () => undefined, step: () => undefined } as never,
  });
  const dir = mkdtempSync(join(tmpdir(), 'tasklease-contract-'));
  const [postgres, server] = await Promise.all([
    startPostgres({ dir: join(dir, 'postgres') }),
    startVault({ binary, dir: join(dir, 'vault'), storage: 'inmem' }),
  ]);
  const extraPolicies = {
    'tasklease-customer': await customerPolicy(server),
    'tasklease-engines': `path "pki/issue/+" { capabilities = ["update"] }
path "database/static-creds/+" { capabilities = ["read"] }`,
  };
  const provisioned = await provision({
    vault: server,
    postgres,
    extraPolicies,
    entityAliases: ENTITY_ALIASES,
  });
  await customerRecords(server, ['c-1', 'c-2']);
  await moreRoles(server, postgres);
  const role = (await server.request('GET', 'auth/token/roles/tasklease-session')).body.data!;
  await server.request('POST', 'auth/token/roles/tasklease-brief', {
    orphan: true,
    renewable: true,
    token_type: 'service',
    token_no_default_policy: true,
    allowed_policies: role.allowed_policies,
    token_period: `${BRIEF_LEASH_MS / 1000}s`,
  });
  // The shipped login may make sessions of the shipped role only.
  await server.request('PUT', 'sys/policies/acl/brief-login', {
    policy: `path "auth/token/create/tasklease-brief" { capabilities = ["update"] }`,
  });
  const briefLogin = await server.request('POST', 'auth/token/create', {
    policies: ['brief-login', 'tasklease-login'],
    no_default_policy: true,
  });
  const tokenFile = (name: string, token: string): string => {
    const file = join(dir, name);
    writeFileSync(file, token, { mode: 0o600 });
    return file;
  };
  const login = tokenFile('login', await provisioned.loginToken());
  const brief = tokenFile('brief-login', briefLogin.body.auth!.client_token);
  const proxy = await faultProxy(server.port);
  const clients: ReturnType<typeof connectVault>[] = [];
  const connect: RealVault['connect'] = (options) => {
    const client = connectVault({
      address: proxy.address,
      auth: { method: 'token_file', tokenFile: login },
      sessionRole: 'tasklease-session',
      tokenRole: 'tasklease',
      leashMs: LEASH_MS,
      timeoutMs: 10_000,
      ...options,
    });
    clients.push(client);
    return client;
  };
  return {
    vault: connect({}),
    brief: connect({
      auth: { method: 'token_file', tokenFile: brief },
      sessionRole: 'tasklease-brief',
      leashMs: BRIEF_LEASH_MS,
    }),
    unreachable: connect({ address: `http://127.0.0.1:${await freePort()}` }),
    server,
    provisioned,
    dir,
    connect,
    pass: (ms) => sleep(ms),
    async databaseLogins() {
      const rows = await postgres.query(`select count(*)::int as n from pg_roles where rolname like 'v-%'`);
      return rows[0]!.n as number;
    },
    databaseDown: () => postgres.stop(),
    databaseUp: () => postgres.start(),
    seal: () => server.seal(),
    unseal: () => server.unseal(),
    loseReplies: (losing) => {
      if (losing) proxy.on(ANY, SWALLOW);
      else proxy.heal();
    },
    async close() {
      await Promise.all(clients.map((client) => client.close()));
      await proxy.close();
      await Promise.all([server.stop(), postgres.stop()]);
      await releaseChildren();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
