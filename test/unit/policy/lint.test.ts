// Mistakes that people make in policies and roles: each is found, by its rule, in its file; the shipped files have none.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { profileFiles, readProfile } from '../../../src/adapters/settings/profile-files.ts';
import { readPolicyFiles } from '../../../src/commands/policy/policy-files.ts';
import { lint } from '../../../src/policy/lint.ts';
import { LINT_RULES } from '../../../src/policy/lint-rules.ts';
import { ROOT } from '../../architecture/sources.ts';

const SHIPPED = join(ROOT, 'vault-policies');
const samples = profileFiles(join(ROOT, 'src/dev/sample')).map(readProfile);

type Edit = readonly [rule: string, file: string, from: string | RegExp, to: string];

/** No two touch the same place, so that all of them can be made at once. */
const MISTAKES: readonly Edit[] = [
  ['TL001', 'report-read.hcl', 'database/creds/report', 'database/creds/*'],
  ['TL002', 'app-config.hcl', '["read"]', '["read", "sudo"]'],
  [
    'TL017',
    'app-config.hcl',
    /path "secret\/data\/app\/prod" \{\n {2}capabilities = \["read"\]/,
    'path "secret/data/app/prod" {\n  capabilities = ["read", "list", "delete"]',
  ],
  ['TL034', 'app-config.hcl', /$/, '\npath "secret/data/other" {\n  capabilities = ["read"]\n}\n'],
  ['TL018', 'app-config.hcl', /$/, '\npath "auth/token/create" {\n  capabilities = ["read"]\n}\n'],
  [
    'TL032',
    'app-config.hcl',
    /$/,
    '\npath "secret/data/{{identity.entity.metadata.team}}" {\n  capabilities = ["read"]\n}\n',
  ],
  ['TL019', 'deploy-cert.hcl', /allowed_parameters = \{[^}]*\}/, ''],
  [
    'TL024',
    'deploy-cert.hcl',
    'required_parameters = ["common_name", "ttl"]',
    'required_parameters = ["common_name", "ttl", "alt_names"]',
  ],
  ['TL003', 'session-jwt.hcl', 'path "sys/leases/renew" {', 'path "sys/leases/renewal" {'],
  ['TL014', 'session.hcl', /$/, '\npath "secret/data/*" {\n  capabilities = ["read"]\n}\n'],
  ['TL020', 'session.hcl', '"sync"     = [true]', '"sync"     = []'],
  ['TL021', 'session.hcl', '"renewable"         = [false]', '"renewable"         = []'],
  ['TL004', 'session.hcl', '"no_default_policy" = [true]', '"no_default_policy" = []'],
  ['TL023', 'login.hcl', '[["tasklease-session"]]', '[]'],
  ['TL015', 'session-role.json', '"5m"', '"1h"'],
  ['TL016', 'session-role.json', '"orphan": true', '"orphan": false'],
  ['TL022', 'session-role.json', '["tasklease-session"]', '["tasklease-session", "admin"]'],
  ['TL033', 'session-role.json', '"renewable": true', '"renewable": false'],
  ['TL005', 'token-role.json', '"tasklease-report-read"', '"tasklease-report-read", "tasklease-*"'],
  ['TL006', 'token-role.json', '"token_type": "service"', '"token_type": "default-service"'],
  ['TL007', 'token-role.json', '"orphan": false,', '"orphan": false,\n  "token_period": "5m",'],
  ['TL008', 'token-role.json', '"renewable": false', '"renewable": true'],
  ['TL009', 'token-role.json', '"token_type"', '"token_explicit_max_ttl": "768h",\n  "token_type"'],
  [
    'TL025',
    'token-role.json',
    '"token_no_default_policy"',
    '"allowed_entity_aliases": ["*"],\n  "token_no_default_policy"',
  ],
  ['TL029', 'token-role.json', '"allowed_policies_glob"', '"token_num_uses": 3,\n  "allowed_policies_glob"'],
  [
    'TL031',
    'token-role.json',
    '"allowed_policies_glob"',
    '"allowed_policies": ["tasklease-report-read"],\n  "allowed_policies_glob"',
  ],
  ['TL004', 'jwt-role.json', '"token_no_default_policy": true', '"token_no_default_policy": false'],
  ['TL010', 'jwt-role.json', '"user_claim"', '"user_claim"'],
  ['TL011', 'jwt-role.json', '["tasklease"]', '[]'],
  ['TL012', 'jwt-role.json', '{ "repository": "acme/shop" }', '{}'],
  ['TL013', 'jwt-role.json', '"token_ttl": "5m"', '"token_ttl": "1h"'],
  ['TL026', 'approle.json', '["tasklease-login"]', '["tasklease-login", "root"]'],
  ['TL030', 'approle.json', '"24h"', '0'],
  ['TL035', 'approle.json', '"token_max_ttl": "5m"', '"token_max_ttl": "768h"'],
  [
    'TL027',
    'kubernetes-role.json',
    /"bound_service_account_names": \["tasklease"\]/,
    '"bound_service_account_names": ["*"]',
  ],
  ['TL028', 'bad.hcl', '', 'path "a" {\n  capabilities = ["raed"]\n}\n'],
];

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tasklease-lint-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const copy = (name: string): string => {
  const to = join(dir, name);
  cpSync(SHIPPED, to, { recursive: true, filter: (path) => !path.includes('stories') });
  return to;
};

function seed(at: string, [rule, file, from, to]: Edit): void {
  const path = join(at, file);
  if (rule === 'TL028') return writeFileSync(path, to);
  if (rule === 'TL010') {
    // The policy of the role that logs tasks in, templated on what an alias carries.
    return writeFileSync(
      join(at, 'by-claim.hcl'),
      '# Policy "tasklease-report-read"\npath "secret/data/{{identity.entity.aliases.ACCESSOR.metadata.customer}}" {\n  capabilities = ["read"]\n}\n',
    );
  }
  const text = readFileSync(path, 'utf8');
  const changed = text.replace(from, to);
  expect(changed, `${rule} changes ${file}`).not.toBe(text);
  writeFileSync(path, changed);
}

const found = (at: string, profiles = samples) => {
  const files = readPolicyFiles([at]);
  const findings = lint({ ...files, profiles: [...files.profiles, ...profiles], leashMs: 300_000 });
  return findings.map(({ rule, file }) => `${rule} ${file.slice(at.length + 1)}`);
};

describe.each([
  ['with the profiles', samples],
  ['without the profiles', []],
] as const)('%s', (name, profiles) => {
  test('the shipped files have no mistake, the stories among them', () => {
    expect(found(SHIPPED, [...profiles])).toEqual([]);
  });

  // What only a profile can tell.
  const mistakes = MISTAKES.filter(([rule]) => profiles.length > 0 || !['TL034', 'TL024'].includes(rule));

  test.each(mistakes)('%s in %s is found', (...mistake) => {
    const at = copy(
      `${name}-${MISTAKES.indexOf(mistakes.find((each) => each.every((part, i) => part === mistake[i]))!)}`,
    );
    seed(at, mistake);
    expect(found(at, [...profiles])).toContain(`${mistake[0]} ${mistake[1]}`);
  });

  test(`${mistakes.length} at once are all found`, () => {
    const at = copy(`${name}-all`);
    for (const mistake of mistakes) seed(at, mistake);
    const all = found(at, [...profiles]);
    expect(mistakes.map(([rule, file]) => `${rule} ${file}`).filter((each) => !all.includes(each))).toEqual(
      [],
    );
  });
});

test('every rule has an id of its own and two examples, and a mistake here', () => {
  expect(new Set(LINT_RULES.map(({ id }) => id)).size).toBe(LINT_RULES.length);
  for (const { wrong, right } of LINT_RULES) expect(wrong).not.toBe(right);
  const seeded = new Set(MISTAKES.map(([rule]) => rule));
  expect(LINT_RULES.map(({ id }) => id).filter((id) => !seeded.has(id))).toEqual([]);
});
