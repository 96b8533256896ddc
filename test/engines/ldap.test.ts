// Owns the bar of the LDAP engine on a real OpenLDAP: entries made for a task, accounts of a library lent to it, and
// accounts whose password Vault rotates.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { administer } from '../harness/administer.ts';
import { type Slapd, startSlapd } from '../harness/servers/slapd.ts';
import { startTask, stopTask } from '../harness/tasks.ts';
import { lookupLease } from '../harness/vault-lists.ts';
import type { World } from '../harness/world.ts';
import { cycles, engineWorld, secretOf } from './engine-world.ts';

let world: World;
let slapd: Slapd;

const person = (name: string): string => `dn: uid=${name},${slapd.people}
objectClass: inetOrgPerson
uid: ${name}
cn: ${name}
sn: ${name}
userPassword: first-${name}
`;

beforeAll(async () => {
  [slapd, world] = await Promise.all([
    startSlapd(),
    engineWorld(
      `path "ldap/creds/app" { capabilities = ["read"] }
       path "ldap/static-cred/service" { capabilities = ["read"] }
       path "ldap/library/team/check-out" { capabilities = ["update"] }`,
      {
        'ldap-entry': { path: 'ldap/creds/app' },
        'ldap-library': { path: 'ldap/library/team/check-out', method: 'write', ttl_field: 'ttl' },
        'ldap-static': { path: 'ldap/static-cred/service' },
      },
    ),
  ]);
  await slapd.add(['service', 'lent-1', 'lent-2'].map(person).join('\n'));
  // https://developer.hashicorp.com/vault/docs/secrets/ldap
  await administer(world, 'POST', 'sys/mounts/ldap', { type: 'ldap' });
  await administer(world, 'POST', 'ldap/config', {
    binddn: slapd.adminDn,
    bindpass: slapd.password,
    url: slapd.url,
    schema: 'openldap',
    userdn: slapd.people,
    userattr: 'uid',
  });
  const gone = `dn: uid={{.Username}},${slapd.people}\nchangetype: delete`;
  await administer(world, 'POST', 'ldap/role/app', {
    creation_ldif: person('{{.Username}}').replace('first-{{.Username}}', '{{.Password}}'),
    deletion_ldif: gone,
    rollback_ldif: gone,
    default_ttl: '1h',
    max_ttl: '24h',
  });
  await administer(world, 'POST', 'ldap/static-role/service', {
    username: 'service',
    dn: `uid=service,${slapd.people}`,
    rotation_period: '24h',
  });
  await administer(world, 'POST', 'ldap/library/team', {
    service_account_names: ['lent-1', 'lent-2'],
    ttl: '10h',
    max_ttl: '20h',
  });
});

afterAll(async () => {
  await Promise.all([world?.close(), slapd?.stop()]);
});

const binds = async (dn: string, password: string): Promise<boolean> => {
  const { code, stderr } = await slapd.bind(dn, password);
  if (code !== 0) expect(stderr).toContain('Invalid credentials (49)');
  return code === 0;
};

const status = async (): Promise<Record<string, { available: boolean }>> =>
  (await administer(world, 'GET', 'ldap/library/team/status')).data;

test('twenty entries: each binds until its task stops, and none is left', async () => {
  await cycles(world, 'ldap-entry', ({ distinguished_names: [dn], password }) => binds(dn, password));
  expect(await slapd.find('(uid=v_*)')).toEqual([]);
});

test('twenty accounts of a library: lent with a password of the task, checked in at its stop with another', async () => {
  await cycles(world, 'ldap-library', async ({ service_account_name: name, password }) => {
    const lent = (await status())[name]!.available === false;
    expect(await binds(`uid=${name},${slapd.people}`, password)).toBe(lent);
    return lent;
  });
  expect(await status()).toMatchObject({ 'lent-1': { available: true }, 'lent-2': { available: true } });
});

test('an account is lent for the time that the task has, and not for what its library gives', async () => {
  await startTask(world, 'lent', 'ldap-library', { duration: '3m' });
  const [id] = (await world.vaultLeases()).filter((lease) => lease.startsWith('ldap/library/'));
  expect((await lookupLease(world.vault, id!))!.ttl).toBeLessThanOrEqual(180);
  await stopTask(world, 'lent');
});

test('a library with nothing left refuses the next task by its path, and lends again after a stop', async () => {
  await startTask(world, 'one', 'ldap-library');
  await startTask(world, 'two', 'ldap-library');
  const reply = await world.api('PUT', '/v1/tasks/three', { profile: 'ldap-library' });
  expect(reply.body).toMatchObject({
    code: 'VAULT_DENIED',
    detail: expect.stringContaining('ldap/library/team'),
  });
  await stopTask(world, 'one');
  await startTask(world, 'three', 'ldap-library');
  await stopTask(world, 'two');
  await stopTask(world, 'three');
  await world.untilNothingLeft();
});

test('the password of a static role is not revoked and says so; twenty tasks have it as long as they live', async () => {
  for (let n = 1; n <= 20; n += 1) {
    const task = `static-${n}`;
    const { leases } = await startTask(world, task, 'ldap-static');
    expect(leases).toMatchObject([{ renewable: false, revocable: false }]);
    const { dn, password } = await secretOf(world, task);
    expect(await binds(dn, password)).toBe(true);
    const receipt = await stopTask(world, task);
    // Until Vault rotates it, a day from its making.
    expect(receipt.leases).toMatchObject([{ proof: 'expires', ended_at: null }]);
    expect(Date.parse(receipt.leases[0].ends_at) - Date.now()).toBeGreaterThan(20 * 3_600_000);
    expect(world.taskDirs()).not.toContain(task);
  }
  await world.untilNothingLeft();
});
