// Owns the bar of the PKI engine: certificates with a lease and without, keys made by Vault and by the agent. A
// certificate's client is whoever checks it against the list of revoked ones, as OpenSSL does here.
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { administer, shippedComment, widenSession } from '../harness/administer.ts';
import { run } from '../harness/servers/run.ts';
import type { Json } from '../harness/socket-api.ts';
import { expectProblem, startTask, stopTask } from '../harness/tasks.ts';
import type { World } from '../harness/world.ts';
import { cycles, engineWorld, secretOf } from './engine-world.ts';

let world: World;
let dir: string;

const body = { common_name: '{{task.id}}.app.internal' };
const issue = (path: string, more: Json = {}) => ({ path, method: 'write', ttl_field: 'ttl', body, ...more });
const SERIAL = { revoke: 'serial', require: 'revocable' };
/** What the shipped policy has as a comment, for whoever needs it. */
const REVOKE = shippedComment('path "pki/revoke"');
const KEYS = ['ec-p256', 'ec-p384', 'ed25519', 'rsa-2048'] as const;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tasklease-pki-'));
  world = await engineWorld(
    ['issue', 'sign'].map((verb) => `path "pki/${verb}/+" { capabilities = ["update"] }`).join('\n'),
    {
      leased: issue('pki/issue/app'),
      bare: issue('pki/issue/bare', SERIAL),
      'bare-kept': issue('pki/issue/bare'),
      'not-stored': issue('pki/issue/not-stored', SERIAL),
      'not-stored-kept': issue('pki/issue/not-stored', { revoke: 'serial' }),
      signed: issue('pki/sign/any', { key: { type: 'ec-p256', as: 'csr' } }),
      ...Object.fromEntries(
        KEYS.map((type) => [
          `signed-${type}`,
          issue('pki/sign/any', {
            body: { ...body, alt_names: 'one.internal,two.internal', ip_sans: '127.0.0.1,::1' },
            key: { type, as: 'csr' },
          }),
        ]),
      ),
    },
    { audit: true },
  );
  const role = { allow_any_name: true, enforce_hostnames: false, ttl: '1h', max_ttl: '72h' };
  const ec = { key_type: 'ec', key_bits: 256 };
  await administer(world, 'POST', 'pki/roles/bare', { ...role, ...ec, generate_lease: false });
  await administer(world, 'POST', 'pki/roles/not-stored', { ...role, ...ec, no_store: true });
  await administer(world, 'POST', 'pki/roles/any', { ...role, key_type: 'any', generate_lease: true });
  await widenSession(world, REVOKE);
});

afterAll(async () => {
  await world?.close();
  await rm(dir, { recursive: true, force: true });
});

/** What OpenSSL says with the mount's own list of revoked certificates. */
const verifies = async ({ certificate, issuing_ca: issuer }: Json): Promise<boolean> => {
  const { certificate: crl } = (await administer(world, 'GET', 'pki/cert/crl')).data;
  const [leaf, bundle] = [join(dir, 'leaf.pem'), join(dir, 'ca.pem')];
  await writeFile(leaf, certificate);
  await writeFile(bundle, `${issuer}\n${crl}\n`);
  const { code, stdout, stderr } = await run('openssl', ['verify', '-crl_check', '-CAfile', bundle, leaf]);
  if (code !== 0) expect(`${stdout}${stderr}`).toContain('certificate revoked');
  return code === 0;
};

describe('twenty tasks of each leave no certificate that verifies', () => {
  test('with a lease, revoked by its lease', () => cycles(world, 'leased', verifies));
  test('without one, revoked by its serial', () => cycles(world, 'bare', verifies));
  test('with a key that the agent made', () => cycles(world, 'signed', verifies));
});

test('a certificate ends with its task, since its TTL is what the task has left', async () => {
  const { deadline } = await startTask(world, 'brief', 'bare', { duration: '5m' });
  const { certificate } = await secretOf(world, 'brief');
  const end = new X509Certificate(certificate).validToDate.getTime();
  expect(Math.abs(end - Date.parse(deadline))).toBeLessThan(5000);
  await stopTask(world, 'brief');
});

test('without a lease, and nothing said of its serial, it is not called revoked: the receipt says when it ends', async () => {
  const { leases } = await startTask(world, 'kept', 'bare-kept');
  expect(leases).toMatchObject([{ revocable: false }]);
  const secret = await secretOf(world, 'kept');
  const receipt = await stopTask(world, 'kept');
  const end = new X509Certificate(secret.certificate).validToDate.getTime();
  expect(receipt.leases).toMatchObject([{ proof: 'expires', ended_at: null }]);
  expect(Math.abs(Date.parse(receipt.leases[0].ends_at) - end)).toBeLessThan(5000);
  expect(await verifies(secret)).toBe(true);
});

test('one that its mount does not store has no serial to revoke: require: revocable refuses it', async () => {
  const reply = await world.api('PUT', '/v1/tasks/unstored', { profile: 'not-stored' });
  const { detail } = expectProblem(reply, 502, 'VAULT_CONTRACT');
  expect(detail).toContain('no_store');
  expect(world.taskDirs()).not.toContain('unstored');
  const { leases } = await startTask(world, 'unstored-kept', 'not-stored-kept');
  expect(leases).toMatchObject([{ revocable: false }]);
  expect((await stopTask(world, 'unstored-kept')).leases).toMatchObject([{ proof: 'expires' }]);
});

test('one that somebody else revoked is proved too, and one revoked twice does no harm', async () => {
  await startTask(world, 'by-hand', 'bare');
  const { serial_number } = await secretOf(world, 'by-hand');
  await administer(world, 'POST', 'pki/revoke', { serial_number });
  expect((await stopTask(world, 'by-hand')).leases).toMatchObject([{ proof: 'revoked' }]);
});

test('kill -9 of the agent: the next one revokes by the serial that is on record', async () => {
  await startTask(world, 'orphan', 'bare');
  const secret = await secretOf(world, 'orphan');
  await world.agent.kill9();
  await world.agent.start();
  expect((await stopTask(world, 'orphan')).leases).toMatchObject([{ proof: 'revoked' }]);
  expect(await verifies(secret)).toBe(false);
});

test('a session that may not revoke by serial starts no such task, and names the line of policy', async () => {
  await widenSession(world, '');
  try {
    const reply = await world.api('PUT', '/v1/tasks/narrow', { profile: 'bare' });
    expect(expectProblem(reply, 502, 'VAULT_DENIED').hint).toContain('pki/revoke');
    expect((await administer(world, 'GET', 'pki/certs?list=true')).data.keys.length).toBeGreaterThan(0);
  } finally {
    await widenSession(world, REVOKE);
  }
});

describe.each(KEYS)('a key of type %s made by the agent', (type) => {
  test('fits its certificate, which has every name that was asked for; no request had it', async () => {
    const task = `made-${type}`;
    await startTask(world, task, `signed-${type}`);
    const { certificate, private_key: key } = await secretOf(world, task);
    const [cert, pem] = [join(dir, 'made.crt'), join(dir, 'made.key')];
    await writeFile(cert, certificate);
    await writeFile(pem, key, { mode: 0o600 });
    const ofCert = await run('openssl', ['x509', '-in', cert, '-noout', '-pubkey']);
    const ofKey = await run('openssl', ['pkey', '-in', pem, '-pubout']);
    expect(ofKey.stdout).toBe(ofCert.stdout);
    const parsed = new X509Certificate(certificate);
    expect(parsed.subject).toBe(`CN=${task}.app.internal`);
    for (const name of [`${task}.app.internal`, 'one.internal', 'two.internal']) {
      expect(parsed.checkHost(name)).toBe(name);
    }
    expect(parsed.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(parsed.checkIP('::1')).toBe('::1');
    const audit = await run('cat', [world.paths.audit]);
    expect(audit.stdout).toContain('BEGIN CERTIFICATE REQUEST');
    expect(audit.stdout).not.toContain(key.split('\n')[1]);
    await stopTask(world, task);
  });
});
