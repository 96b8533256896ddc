// Owns the proof that ssh logs in at a real sshd with a delivered key, and with a delivered key and certificate, as the
// user that the files are for, however the key has been through a secret.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { program } from '../harness/servers/program.ts';
import { mustRun } from '../harness/servers/run.ts';
import type { Rule } from '../unit/adapters/files/formats/written.ts';
import { asReader, type Desk, openDesk } from './desk.ts';
import { type Sshd, startSshd } from './sshd.ts';

let desk: Desk;
let sshd: Sshd;
let keygen: string;
let keys: string;
beforeAll(async () => {
  keygen = program('ssh-keygen', 'openssh-client');
  keys = await mkdtemp(join(tmpdir(), 'tasklease-keys-'));
  await mustRun(keygen, ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(keys, 'ca')]);
  [desk, sshd] = await Promise.all([openDesk(), startSshd(await readFile(join(keys, 'ca.pub'), 'utf8'))]);
});
afterAll(async () => {
  await Promise.all([desk.close(), sshd.stop(), rm(keys, { recursive: true, force: true })]);
});

const login = (dir: string) =>
  asReader(program('ssh', 'openssh-client'), sshd.login(join(dir, 'id')), { env: { HOME: desk.home } });

async function makeKey(name: string, type: string[]): Promise<{ key: string; pub: string }> {
  const path = join(keys, name);
  await mustRun(keygen, ['-q', '-N', '', '-C', 'somebody@somewhere', '-t', ...type, '-f', path]);
  return { key: await readFile(path, 'utf8'), pub: await readFile(`${path}.pub`, 'utf8') };
}

describe('a key that the server knows', () => {
  test.each([
    ['ed25519', ['ed25519']],
    ['RSA in PEM', ['rsa', '-b', '2048', '-m', 'PEM']],
    ['RSA in PKCS 8', ['rsa', '-b', '2048', '-m', 'PKCS8']],
    ['ECDSA in PEM', ['ecdsa', '-m', 'PEM']],
  ])('%s, without its last newline and with the line ends of Windows', async (name, type) => {
    const { key, pub } = await makeKey(name.replaceAll(' ', '-'), type);
    await sshd.authorise(pub);
    const windows = key.trimEnd().replaceAll('\n', '\r\n');
    const all = name === 'ed25519' ? [key, key.trimEnd(), `\n${key}\n\n`, windows] : [windows];
    for (const stored of all) {
      const dir = await desk.deliver({ id: { format: 'ssh-key' } }, { private_key: stored });
      expect(await login(dir)).toMatchObject({ code: 0, stdout: 'logged in\n' });
    }
  });

  test.each([
    ['a public key', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJZ somebody'],
    ['a key without its end', '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n'],
    [
      'a key whose lines became blanks',
      '-----BEGIN OPENSSH PRIVATE KEY----- b3Bl bnNz -----END OPENSSH PRIVATE KEY-----',
    ],
    ['nothing', ''],
  ])('%s is refused before ssh has to', async (_name, private_key) => {
    expect(await desk.deliverOrNot({ id: { format: 'ssh-key' } }, { private_key })).toEqual({
      refused: expect.stringMatching(/private_key/),
    });
  });
});

describe('a key with a certificate', () => {
  const FILES: Record<string, Rule> = {
    id: { format: 'ssh-key' },
    'id-cert.pub': { format: 'ssh-key', part: 'certificate' },
  };

  test('ssh finds the certificate beside the key, and the server trusts who signed it', async () => {
    const { key } = await makeKey('signed', ['ed25519']);
    await mustRun(keygen, [
      '-q',
      '-s',
      join(keys, 'ca'),
      '-I',
      'task',
      '-n',
      userInfo().username,
      '-V',
      '+10m',
      join(keys, 'signed.pub'),
    ]);
    const signed_key = await readFile(join(keys, 'signed-cert.pub'), 'utf8');
    for (const stored of [signed_key.trimEnd(), `${signed_key}\n`]) {
      const dir = await desk.deliver(FILES, { private_key: key, signed_key: stored });
      expect(await login(dir)).toMatchObject({ code: 0, stdout: 'logged in\n' });
    }
    const alone = await desk.deliver({ id: { format: 'ssh-key' } }, { private_key: key });
    expect((await login(alone)).code).toBe(255);
  });

  test('what is no certificate is refused', async () => {
    const { key, pub } = await makeKey('unsigned', ['ed25519']);
    expect(await desk.deliverOrNot(FILES, { private_key: key, signed_key: pub })).toEqual({
      refused: expect.stringContaining('field signed_key of secret db is no OpenSSH certificate'),
    });
  });
});
