// Owns the promises about the wire to Vault: certificates are checked, a token is never sent where the
// check failed or where a redirect points that the configuration does not list. TLS ends in a proxy here, with certificates of Vault's own PKI.

import { writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { connectVault } from '../../src/adapters/vault/vault-client.ts';
import { VaultFailure } from '../../src/ports/vault.ts';
import { type RealVault, realVault } from './vault-subjects.ts';

let subject: RealVault;
let caFile = '';
let otherCaFile = '';
const closing: (() => void)[] = [];

interface Pair {
  readonly cert: string;
  readonly key: string;
}

async function issue(commonName: string): Promise<Pair> {
  const { body } = await subject.server.request('POST', 'pki/issue/app', { common_name: commonName });
  const { certificate, private_key: key, issuing_ca: ca } = body.data as Record<string, string>;
  writeFileSync(caFile, ca!);
  return { cert: certificate!, key: key! };
}

/** Ends TLS in front of Vault; resolves with the address that a client uses. */
async function tlsProxy(pair: Pair, options: TlsOptions = {}): Promise<string> {
  const server = createTlsServer({ ...pair, ...options }, (client) => {
    const { hostname, port } = new URL(subject.server.address);
    const upstream = connect(Number(port), hostname);
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) socket.on('error', () => upstream.destroy());
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  return `https://localhost:${(server.address() as AddressInfo).port}`;
}

const opened = async (options: Partial<Parameters<typeof connectVault>[0]>): Promise<void> => {
  const vault = subject.connect(options);
  closing.push(() => void vault.close());
  const session = await vault.openSession();
  await vault.closeSession(session.token);
};

const failure = async (attempt: Promise<unknown>): Promise<VaultFailure> => {
  const error = await attempt.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(VaultFailure);
  return error as VaultFailure;
};

beforeAll(async () => {
  subject = await realVault();
  caFile = join(subject.dir, 'ca.pem');
  otherCaFile = join(subject.dir, 'other-ca.pem');
  await subject.server.request('POST', 'sys/mounts/pki-other', { type: 'pki' });
  const { body } = await subject.server.request('POST', 'pki-other/root/generate/internal', {
    common_name: 'another CA',
    key_type: 'ec',
    key_bits: 256,
  });
  writeFileSync(otherCaFile, body.data!.certificate as string);
});
afterAll(async () => {
  for (const close of closing) close();
  await subject?.close();
});

test('with the CA of the certificate, everything works', async () => {
  const address = await tlsProxy(await issue('localhost'));
  await opened({ address, caFile });
});

test.each([
  ['an unknown CA', {}],
  ['another CA', { other: true }],
])(
  '%s: refused before anything is sent, with a hint at vault.ca_file',
  async (_name, { other }: { other?: boolean }) => {
    const address = await tlsProxy(await issue('localhost'));
    const { kind, problem } = await failure(opened({ address, ...(other ? { caFile: otherCaFile } : {}) }));
    expect(kind).toBe('notDone');
    expect(problem).toMatchObject({ code: 'VAULT_UNREACHABLE', hint: expect.stringContaining('ca_file') });
  },
);

test('a certificate for another name is refused, unless that name is what was told', async () => {
  const address = await tlsProxy(await issue('vault.other.internal'));
  expect((await failure(opened({ address, caFile }))).kind).toBe('notDone');
  await opened({ address, caFile, tlsServerName: 'vault.other.internal' });
});

test('TLS 1.1 is refused', async () => {
  const address = await tlsProxy(await issue('localhost'), {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT:@SECLEVEL=0',
  });
  expect((await failure(opened({ address, caFile }))).kind).toBe('notDone');
});

const listen = async (handler: RequestListener): Promise<string> => {
  const server = createHttpServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

/** A node that only ever points to another, and how often it was asked. */
async function standby(target: (url: string) => string, status = 307) {
  const asked: string[] = [];
  const address = await listen((request, response) => {
    asked.push(request.url!);
    request.resume();
    response.writeHead(status, { location: target(request.url!) }).end();
  });
  return { address, asked };
}

describe('a redirect', () => {
  test.each<[string, (thief: string) => Promise<readonly string[]>]>([
    ['to an address that is not listed', async () => []],
    ['to another than the one that is listed', async () => [(await standby(() => '')).address]],
  ])('%s is not followed, and the token does not reach where it points', async (_name, listed) => {
    const seen: string[] = [];
    const thief = await listen((request, response) => {
      seen.push(JSON.stringify(request.headers));
      response.end('{}');
    });
    const { address } = await standby((url) => `${thief}${url}`);
    const { kind, problem } = await failure(opened({ address, standbys: await listed(thief) }));
    expect(kind).toBe('later');
    expect(problem).toMatchObject({ code: 'VAULT_UNREACHABLE', hint: expect.stringContaining('standbys') });
    expect(seen).toEqual([]);
  });

  test.each([307, 308])(
    '%i of a standby to a listed node is followed, and that one is asked from then on',
    async (status) => {
      const node = await standby((url) => `${subject.server.address}${url}`, status);
      const options = { address: node.address, standbys: [subject.server.address] };
      await opened(options);
      // The first request found out; those after it went straight there.
      expect(node.asked).toHaveLength(1);
    },
  );

  test('to another path of a listed node is not followed', async () => {
    const { address } = await standby(() => `${subject.server.address}/v1/sys/health`);
    const { kind } = await failure(opened({ address, standbys: [subject.server.address] }));
    expect(kind).toBe('later');
  });

  test('back and forth is given up, and is not a refusal', async () => {
    let other = '';
    const one = await standby((url) => `${other}${url}`);
    const two = await standby((url) => `${one.address}${url}`);
    other = two.address;
    const { kind } = await failure(opened({ address: one.address, standbys: [two.address] }));
    expect(kind).toBe('later');
    expect(one.asked.length + two.asked.length).toBeLessThan(10);
  });

  test('once the node it led to is down, the configured address is asked again', async () => {
    const dead = createHttpServer((_request, response) => response.destroy());
    await new Promise<void>((resolve) => dead.listen(0, '127.0.0.1', resolve));
    const first = `http://127.0.0.1:${(dead.address() as AddressInfo).port}`;
    let leader = first;
    const node = await standby((url) => `${leader}${url}`);
    const vault = subject.connect({ address: node.address, standbys: [first, subject.server.address] });
    closing.push(() => void vault.close());
    await failure(vault.openSession());
    dead.close();
    leader = subject.server.address;
    const session = await vault.openSession();
    await vault.closeSession(session.token);
  });
});
