// Owns the bar of the SSH engine: certificates, which nobody can take back and of which nobody says so, and one-time
// passwords, which are a lease.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { administer } from '../harness/administer.ts';
import { mustRun } from '../harness/servers/run.ts';
import { expectProblem, startTask, stopTask } from '../harness/tasks.ts';
import type { World } from '../harness/world.ts';
import { CYCLES, cycles, engineWorld, secretOf } from './engine-world.ts';

let world: World;
let dir: string;

const TYPES = ['ed25519', 'ec-p256', 'ec-p384', 'rsa-2048'] as const;
const sign = (type: string, more = {}) => ({
  path: 'ssh-ca/sign/app',
  method: 'write',
  ttl_field: 'ttl',
  body: { valid_principals: 'app' },
  key: { type, as: 'ssh' },
  ...more,
});

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tasklease-ssh-'));
  world = await engineWorld(
    `path "ssh-ca/sign/app" { capabilities = ["update"] }
     path "ssh/creds/otp" { capabilities = ["update"] }`,
    {
      otp: { path: 'ssh/creds/otp', method: 'write', body: { ip: '127.0.0.1' } },
      'only-revocable': sign('ed25519', { require: 'revocable' }),
      ...Object.fromEntries(TYPES.map((type) => [type, sign(type)])),
    },
  );
  // https://developer.hashicorp.com/vault/docs/secrets/ssh/signed-ssh-certificates
  await administer(world, 'POST', 'sys/mounts/ssh-ca', { type: 'ssh' });
  await administer(world, 'POST', 'ssh-ca/config/ca', { generate_signing_key: true, key_type: 'ed25519' });
  await administer(world, 'POST', 'ssh-ca/roles/app', {
    key_type: 'ca',
    allow_user_certificates: true,
    allowed_users: 'app',
    default_user: 'app',
    default_extensions: { 'permit-pty': '' },
    ttl: '30m',
    max_ttl: '1h',
  });
});

afterAll(async () => {
  await world?.close();
  await rm(dir, { recursive: true, force: true });
});

/** When `ssh-keygen -L` says that it ends. */
const endOf = async (certificate: string): Promise<number> => {
  const file = join(dir, 'id-cert.pub');
  await writeFile(file, certificate);
  const said = await mustRun('ssh-keygen', ['-L', '-f', file], { env: { TZ: 'UTC' } });
  expect(said).toContain('app');
  return Date.parse(`${/Valid: from \S+ to (\S+)/.exec(said)![1]}Z`);
};

describe.each(TYPES)('a certificate for a key of type %s made by the agent', (type) => {
  test('ends with its task by itself; it is not called revocable, and its receipt says until when it lives', async () => {
    const task = `cert-${type}`;
    const { leases, deadline } = await startTask(world, task, type, { duration: '4m' });
    expect(leases).toMatchObject([{ renewable: false, revocable: false }]);
    const { private_key: key, signed_key: certificate } = await secretOf(world, task);
    const end = await endOf(certificate);
    expect(Math.abs(end - Date.parse(deadline))).toBeLessThan(5000);
    const file = join(dir, `id-${type}`);
    await writeFile(file, `${key}\n`, { mode: 0o600 });
    // ssh-keygen reads the private key, and it is the one that was signed.
    const [, ofKey] = (await mustRun('ssh-keygen', ['-y', '-P', '', '-f', file])).split(' ');
    await writeFile(`${file}.pub`, certificate);
    const printOf = async (path: string): Promise<string> =>
      (await mustRun('ssh-keygen', ['-l', '-f', path])).split(' ')[1]!;
    const plain = join(dir, `plain-${type}.pub`);
    const word = (await mustRun('ssh-keygen', ['-y', '-P', '', '-f', file])).split(' ')[0];
    await writeFile(plain, `${word} ${ofKey}\n`);
    expect(await printOf(plain)).toBe(await printOf(`${file}.pub`));
    const receipt = await stopTask(world, task);
    expect(receipt.leases).toMatchObject([{ proof: 'expires', ended_at: null }]);
    expect(Math.abs(Date.parse(receipt.leases[0].ends_at) - end)).toBeLessThan(3000);
    expect(world.taskDirs()).not.toContain(task);
  });
});

test('twenty certificates: the file of each goes with its task, and nothing is left but their own ends', async () => {
  for (let n = 1; n <= CYCLES; n += 1) {
    await startTask(world, `round-${n}`, 'ed25519', { duration: '30s' });
    const { signed_key: certificate } = await secretOf(world, `round-${n}`);
    expect(await endOf(certificate)).toBeLessThan(Date.now() + 60_000);
    expect((await stopTask(world, `round-${n}`)).leases).toMatchObject([{ proof: 'expires' }]);
  }
  await world.untilNothingLeft();
});

test('require: revocable refuses a certificate, with what to do', async () => {
  const reply = await world.api('PUT', '/v1/tasks/strict', { profile: 'only-revocable' });
  expect(expectProblem(reply, 502, 'VAULT_CONTRACT')).toMatchObject({
    detail: expect.stringContaining('ssh-ca/sign/app'),
    hint: expect.stringContaining('require: revocable'),
  });
  expect(world.taskDirs()).not.toContain('strict');
});

test('twenty one-time passwords: good for a host until the task stops, then unknown there', async () => {
  await cycles(world, 'otp', async ({ key: otp }) => {
    // What vault-ssh-helper asks on the host; it also spends the password, so the first look is by its lease.
    const leases = await world.vaultLeases();
    if (leases.length > 0) return true;
    const reply = await world.vault.request('POST', 'ssh/verify', { otp });
    expect(reply.body.errors?.join()).toContain('OTP not found');
    return false;
  });
  await startTask(world, 'otp-used', 'otp');
  const { key: otp } = await secretOf(world, 'otp-used');
  const verified = await world.vault.request('POST', 'ssh/verify', { otp });
  expect(verified.body.data).toMatchObject({ ip: '127.0.0.1', username: 'app' });
  await stopTask(world, 'otp-used');
});
