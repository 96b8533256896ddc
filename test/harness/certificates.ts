// Owns a certificate authority of a test's own, made with openssl: a CA file, and server certificates under it.

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Pair {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Authority {
  readonly caFile: string;
  /** A certificate for these names, such as `DNS:localhost`. */
  issue(names?: readonly string[]): Pair;
  remove(): void;
}

export function makeAuthority(): Authority {
  const dir = mkdtempSync(join(tmpdir(), 'tasklease-ca-'));
  chmodSync(dir, 0o755);
  const at = (name: string) => join(dir, name);
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', at('ca.key'), '-out', at('ca.pem'), '-subj', '/CN=test CA');
  let count = 0;
  return {
    caFile: at('ca.pem'),
    issue(names = ['DNS:localhost', 'IP:127.0.0.1']) {
      count += 1;
      const [certFile, keyFile] = [at(`server-${count}.pem`), at(`server-${count}.key`)];
      const request = at(`server-${count}.csr`);
      openssl('req', ...key, '-keyout', keyFile, '-out', request, '-subj', `/CN=server ${count}`);
      writeFileSync(at('san'), `subjectAltName=${names.join(',')}\n`);
      const ca = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial'];
      openssl('x509', '-req', '-in', request, ...ca, '-days', '2', '-extfile', at('san'), '-out', certFile);
      return { certFile, keyFile };
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
