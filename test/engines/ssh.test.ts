// Owns the bar of the SSH engine: certificates, with which ssh logs in at a real sshd, which nobody can take back and of
// which nobody says so, and one-time passwords, which are a lease.
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Sshd, startSshd } from '../formats/sshd.ts';
import { administer } from '../harness/administer.ts';
import { program } from '../harness/servers/program.ts';
import { mustRun, run } from '../harness/servers/run.ts';
import { expectProblem, startTask, stopTask } from '../harness/tasks.ts';
import type { World } from '../harness/world.ts';
import { CYCLES, cycles, engineWorld, secretOf } from './engine-world.ts';

let world: World;
let dir: string;
let sshd: Sshd;

const TYPES = ['ed25519', 'ec-p256', 'ec-p384', 'rsa-2048'] as const;
const sign = (type: string, more = {}) => ({
  path: 'ssh-ca/sign/app',
  method: 'write',
  ttl_field: 'ttl',
  body: { valid_principals: 'app' },
  key: { type, as: 'ssh' },
  ...more,
});

/** The login at the sshd of this test. */
const LOGIN = userInfo().username;
const shell = (principals: string) =>
  sign('ed25519', {
    body: { valid_principals: principals },
    files: { id: { format: 'ssh-key' }, 'id-cert.pub': { format: 'ssh-key', part: 'certificate' } },
  });

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tasklease-ssh-'));
  world = await engineWorld(
    `path "ssh-ca/sign/app" { capabilities = ["update"] }
     path "ssh/creds/otp" { capabilities = ["update"] }`,
    {
      otp: { path: 'ssh/creds/otp', method: 'write', body: { ip: '127.0.0.1' } },
      shell: shell(LOGIN),
      'another-login': shell('app'),
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
    allowed_users: `app,${LOGIN}`,
    default_user: 'app',
    default_extensions: { 'permit-pty': '' },
    ttl: '30m',
    max_ttl: '1h',
  });
  const { body } = await world.vault.request('GET', 'ssh-ca/config/ca');
  sshd = await startSshd(String(body.data!.public_key));
});

afterAll(async () => {
  await Promise.all([world?.close(), sshd?.stop()]);
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

const login = (files: string) => run(program('ssh', 'openssh-client'), sshd.login(join(files, 'id')));

describe('at a real sshd that trusts Vault’s authority', () => {
  test('twenty tasks log in with their certificates, and with no file of theirs once they are stopped', async () => {
    for (let n = 1; n <= CYCLES; n += 1) {
      const task = `shell-${n}`;
      const { dir: files, leases, deadline } = await startTask(world, task, 'shell', { duration: '2m' });
      expect(leases).toMatchObject([{ revocable: false }]);
      expect(Math.abs(Date.parse(leases[0].expires_at) - Date.parse(deadline))).toBeLessThan(5000);
      expect(await login(files), task).toMatchObject({ code: 0, stdout: 'logged in\n' });
      const receipt = await stopTask(world, task);
      expect(receipt.leases).toMatchObject([{ proof: 'expires', ends_at: expect.any(String) }]);
      expect((await login(files)).code, `${task} after its stop`).toBe(255);
    }
    await world.untilNothingLeft();
  });

  test('a certificate for another principal is refused', async () => {
    const { dir: files } = await startTask(world, 'another-login', 'another-login');
    const refused = await login(files);
    expect(refused).toMatchObject({ code: 255, stderr: expect.stringContaining('Permission denied') });
    await stopTask(world, 'another-login');
  });

  test('a copy that a workload made works on after the stop, to the end that the receipt names, and not after it', async () => {
    const { dir: files } = await startTask(world, 'copied', 'shell', { duration: '20s' });
    const copy = await mkdtemp(join(dir, 'copy-'));
    for (const name of ['id', 'id-cert.pub']) await copyFile(join(files, name), join(copy, name));
    const [{ proof, ends_at: end }] = (await stopTask(world, 'copied')).leases;
    expect(proof).toBe('expires');
    const after = await login(copy);
    // A slow machine may come too late for the first half of the promise.
    if (Date.now() < Date.parse(end)) expect(after).toMatchObject({ code: 0 });
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, Date.parse(end) - Date.now()) + 2000));
    expect((await login(copy)).code).toBe(255);
  });
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
