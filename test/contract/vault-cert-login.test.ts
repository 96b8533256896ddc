// Owns the login with a client certificate (docs/auth/cert), at a real Vault that speaks TLS: who holds no key of the
// right CA is refused, and a certificate that is replaced in its file is the one that is shown from then on.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectVault } from '../../src/adapters/vault/vault-client.ts';
import { releaseChildren } from '../../src/dev/children.ts';
import { vaultBinary } from '../../src/dev/vault-binary.ts';
import { startVault, type VaultServer } from '../../src/dev/vault-server.ts';
import { VaultFailure } from '../../src/ports/vault.ts';
import { ROOT } from '../architecture/sources.ts';
import { until } from '../harness/until.ts';

let dir = '';
let server: VaultServer;
const at = (name: string): string => join(dir, name);
const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' });
const elliptic = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];

const authority = (name: string): void =>
  openssl(
    'req',
    '-x509',
    ...elliptic,
    '-subj',
    `/CN=${name}`,
    '-keyout',
    at(`${name}.key`),
    '-out',
    at(`${name}.pem`),
  );

/** A certificate of this CA for localhost, as good for a server as for a client. */
function certificate(name: string, ca: string): void {
  writeFileSync(at(`${name}.ext`), 'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n');
  openssl(
    'req',
    ...elliptic,
    '-subj',
    `/CN=${name}`,
    '-keyout',
    at(`${name}.key`),
    '-out',
    at(`${name}.csr`),
  );
  const from = ['-CA', at(`${ca}.pem`), '-CAkey', at(`${ca}.key`), '-CAcreateserial', '-days', '2'];
  openssl(
    'x509',
    '-req',
    '-in',
    at(`${name}.csr`),
    ...from,
    '-extfile',
    at(`${name}.ext`),
    '-out',
    at(`${name}.pem`),
  );
}

/** What the agent's files hold from now on. */
function show(name: string): void {
  copyFileSync(at(`${name}.pem`), at('client.pem'));
  copyFileSync(at(`${name}.key`), at('client.key'));
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tasklease-cert-'));
  authority('ca');
  authority('other-ca');
  certificate('vault', 'ca');
  certificate('agent', 'ca');
  certificate('stranger', 'other-ca');
  const { path: binary } = await vaultBinary({ log: { line: () => undefined } });
  const tls = { certFile: at('vault.pem'), keyFile: at('vault.key') };
  server = await startVault({ binary, dir: at('server'), storage: 'inmem', tls });
  const shipped = (name: string) => readFileSync(join(ROOT, 'vault-policies', name), 'utf8');
  for (const name of ['login', 'session']) {
    await server.request('PUT', `sys/policies/acl/tasklease-${name}`, { policy: shipped(`${name}.hcl`) });
  }
  const role = JSON.parse(shipped('session-role.json'));
  await server.request('POST', 'auth/token/roles/tasklease-session', role);
  await server.request('POST', 'sys/auth/cert', { type: 'cert' });
  await server.request('POST', 'auth/cert/certs/agent', {
    certificate: readFileSync(at('ca.pem'), 'utf8'),
    allowed_common_names: ['agent'],
    token_policies: ['tasklease-login'],
    token_no_default_policy: true,
  });
});
afterAll(async () => {
  await server?.stop();
  await releaseChildren();
  rmSync(dir, { recursive: true, force: true });
});

test('a certificate of another CA is refused; the right one, put into the file, is shown at the next login', async () => {
  show('stranger');
  const vault = connectVault({
    address: `https://localhost:${server.tlsPort}`,
    caFile: at('ca.pem'),
    clientCertFile: at('client.pem'),
    clientKeyFile: at('client.key'),
    auth: { method: 'cert', mount: 'cert', role: 'agent' },
    sessionRole: 'tasklease-session',
    tokenRole: 'tasklease',
    leashMs: 300_000,
    timeoutMs: 10_000,
  });
  try {
    const refusal = await vault.openSession().catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(VaultFailure);
    expect(refusal).toMatchObject({ kind: 'refused' });
    // Half of a replacement: the certificate is there and its key not yet.
    copyFileSync(at('agent.pem'), at('client.pem'));
    expect(await vault.openSession().catch((error: unknown) => error)).toBeInstanceOf(VaultFailure);
    show('agent');
    const session = await until('it is let in', () => vault.openSession());
    expect(session.ttlMs).toBeGreaterThan(0);
    await vault.closeSession(session.token);
  } finally {
    await vault.close();
  }
});
