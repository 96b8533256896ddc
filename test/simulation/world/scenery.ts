// Owns what there is to lease in the simulation: engines, policies, profiles and their changes. Invariant:
// every secret value says that it is one, so that judges find it wherever it must not be.

import type { ProfileName } from '../../../src/domain/ids.ts';
import type { FileRule, Profile, SecretRule } from '../../../src/domain/profile.ts';
import type { Draw } from './draw.ts';
import type { SimSecret } from './sim-vault-model.ts';

/** In every secret value and nowhere else. */
export const CANARY = 'CANARY';
export const UID = 1000;

/** What the token role allows: the tasks of one kind are known to Vault by their own name. */
export const ENTITY_ALIASES = ['t*'];

/** Policy → what it allows. */
export const POLICIES: Readonly<Record<string, readonly string[]>> = {
  'tasklease-db': ['database/creds/*'],
  'tasklease-pki': ['pki/issue/*'],
  'tasklease-kv': ['secret/data/*', 'database/static-creds/*', 'totp/code/*'],
};

const database = (ttlMs: number, maxTtlMs: number): SimSecret => ({
  engine: 'database',
  ttlMs,
  maxTtlMs,
  fields: { password: `${CANARY}-password` },
});

/** The engines of one seed: leases shorter and longer than tasks, with and without room for renewals. */
export function drawSecrets(draw: Draw): Readonly<Record<string, SimSecret>> {
  const ttl = () => draw.pick([4000, 20_000, 60_000, 300_000, 3_600_000]);
  const pkiTtl = draw.pick([15_000, 60_000, 3_600_000]);
  const [a, b] = [ttl(), ttl()];
  return {
    'database/creds/a': database(a, a * draw.pick([1, 2, 3, 100])),
    'database/creds/b': database(b, b * draw.pick([1, 2, 100])),
    'pki/issue/web': {
      engine: 'pki',
      ttlMs: pkiTtl,
      maxTtlMs: pkiTtl,
      fields: { certificate: 'C', private_key: `${CANARY}-key` },
    },
    'secret/data/app': { engine: 'kv', ttlMs: 0, maxTtlMs: 0, fields: { token: `${CANARY}-kv` } },
  };
}

const file = (name: string): readonly FileRule[] => [{ name, format: 'json' }];
const RULES: Readonly<Record<string, SecretRule>> = {
  a: { name: 'db', path: 'database/creds/a', method: 'read', files: file('db.json') },
  b: { name: 'db', path: 'database/creds/b', method: 'read', files: file('db.json') },
  pki: { name: 'tls', path: 'pki/issue/web', method: 'write', files: file('tls.json') },
  kv: { name: 'app', path: 'secret/data/app', method: 'read', files: file('app.json') },
};

/** Needs approvals; only in some seeds (approvers.ts). */
export const GUARDED = 'guarded' as ProfileName;
export const KINDS = ['report', 'web', 'mixed', 'config', 'session'] as const;
const CONTENT: Readonly<Record<(typeof KINDS)[number], readonly (readonly (keyof typeof RULES)[])[]>> = {
  report: [['a'], ['b'], ['a', 'kv']],
  web: [['pki'], ['pki', 'kv']],
  mixed: [
    ['a', 'pki', 'kv'],
    ['b', 'pki'],
  ],
  config: [['kv']],
  session: [['b'], ['a'], ['b', 'kv']],
};

const policiesOf = (rules: readonly SecretRule[]): string[] =>
  Object.keys(POLICIES).filter((name) =>
    rules.some(({ path }) => POLICIES[name]!.some((allowed) => path.startsWith(allowed.slice(0, -1)))),
  );

/** A version of a profile; the first is the plainest. */
export function drawProfile(draw: Draw, kind: (typeof KINDS)[number], first: boolean): Profile {
  const rules = (first ? CONTENT[kind][0]! : draw.pick(CONTENT[kind])).map((key) => RULES[key]!);
  return {
    name: kind as ProfileName,
    description: 'simulated',
    allow: { uids: first || draw.chance(0.8) ? [UID] : [UID + 1], gids: [] },
    event: { required: false, types: [] },
    params: {},
    ttl: {
      defaultMs: 60_000,
      maxMs: draw.pick([120_000, 600_000, 3_600_000]),
      graceMs: draw.pick([0, 1000, 15_000]),
      extend: kind === 'session' || draw.chance(0.3),
    },
    policies: policiesOf(rules),
    ...(kind === 'config' ? { entityAlias: '{{task.id}}' } : {}),
    bind: 'optional',
    children: kind === 'session' ? (['report', 'web'] as ProfileName[]) : [],
    onChange: 'SIGHUP',
    overlapMs: draw.pick([0, 1000, 5000, 30_000]),
    secrets: rules,
  };
}
