// Owns the promises about the wire to Vault: certificates are checked, a token is never sent where the
// check failed or where a redirect points. TLS ends in a proxy here, with certificates of Vault's own PKI.

import { writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
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

test('a redirect is not followed, and the token does not reach where it points', async () => {
  const seen: string[] = [];
  const listen = async (server: Server): Promise<string> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const thief = await listen(
    createHttpServer((request, response) => {
      seen.push(JSON.stringify(request.headers));
      response.end('{}');
    }),
  );
  const standby = await listen(
    createHttpServer((request, response) => {
      response.writeHead(307, { location: `${thief}${request.url}` }).end();
    }),
  );
  const { kind, problem } = await failure(opened({ address: standby }));
  expect(kind).toBe('later');
  expect(problem).toMatchObject({ code: 'VAULT_UNREACHABLE', hint: expect.stringContaining('standby') });
  expect(seen).toEqual([]);
});
