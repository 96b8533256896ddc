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
import { pause, until } from '../harness/until.ts';

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

const KEEPING = {
  auth: { method: 'cert', mount: 'cert', role: 'agent' } as const,
  sessionRole: 'tasklease-session',
  tokenRole: 'tasklease',
  leashMs: 300_000,
  timeoutMs: 10_000,
};

test('the CA is replaced while connections run: whatever is half written in between is told once and harms nothing', async () => {
  const told: string[] = [];
  const [ca, cert, key] = [at('trusted.pem'), at('own.pem'), at('own.key')];
  copyFileSync(at('ca.pem'), ca);
  copyFileSync(at('agent.pem'), cert);
  copyFileSync(at('agent.key'), key);
  const vault = connectVault({
    ...KEEPING,
    address: `https://localhost:${server.tlsPort}`,
    caFile: ca,
    clientCertFile: cert,
    clientKeyFile: key,
    news: {
      fault: (name, sentence) => void told.push(`${name}: ${sentence.replaceAll(dir, '')}`),
      mended: (name) => void told.push(`${name} mended`),
    },
  });
  const session = await vault.openSession();
  let running = true;
  let renewals = 0;
  const renewing = (async () => {
    while (running) {
      await vault.renewSession(session.token);
      renewals += 1;
    }
  })();
  const settled = async () => {
    for (let looks = 0; looks < 3; looks += 1) {
      vault.look();
      await pause(150);
    }
  };
  const whole = readFileSync(at('ca.pem'), 'utf8');
  const next = readFileSync(at('other-ca.pem'), 'utf8');
  const cut = `${whole}${next.slice(0, next.length / 2)}`;
  try {
    for (const bad of [cut, cut, 'no PEM at all']) {
      writeFileSync(ca, bad);
      await settled();
    }
    writeFileSync(ca, `${whole}${next}`);
    await settled();
    // A key of another certificate, then the same pair as before.
    copyFileSync(at('stranger.key'), key);
    await settled();
    copyFileSync(at('agent.key'), key);
    await settled();
    expect(told).toEqual([
      'vault.tls: /trusted.pem holds no whole PEM certificate, or one that is cut off',
      'vault.tls mended',
      expect.stringMatching(/^vault\.tls: \/own\.key is not the key of \/own\.pem/),
      'vault.tls mended',
    ]);
    // Vault itself changes to a certificate of the next CA, which by now is trusted as well.
    certificate('vault', 'other-ca');
    const before = renewals;
    process.kill(server.pid, 'SIGHUP');
    writeFileSync(ca, next);
    await until('the old CA is not trusted any more', async () => {
      await settled();
      return renewals > before + 10;
    });
    await Promise.race([renewing, pause(0)]);
    const before2 = renewals;
    await until('it goes on', async () => renewals > before2 + 10);
  } finally {
    running = false;
    await renewing;
    await vault.closeSession(session.token);
    await vault.close();
    certificate('vault', 'ca');
    process.kill(server.pid, 'SIGHUP');
  }
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
