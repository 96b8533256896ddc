// Owns a certificate authority and the certificates that servers of the tests show, made by openssl.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { program } from '../harness/servers/program.ts';
import { mustRun } from '../harness/servers/run.ts';

export type Certificates = { readonly ca: string; readonly certificate: string; readonly key: string };

/** An authority and one certificate of it for 127.0.0.1, in PEM. */
export async function certificates(): Promise<Certificates> {
  const openssl = program('openssl', 'openssl');
  const dir = await mkdtemp(join(tmpdir(), 'tasklease-ca-'));
  try {
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const authority = ['req', '-x509', ...curve, '-subj', '/CN=test authority', '-days', '2'];
    await mustRun(openssl, [...authority, '-keyout', 'ca.key', '-out', 'ca.pem'], { cwd: dir });
    await mustRun(openssl, ['req', ...curve, '-subj', '/CN=127.0.0.1', '-keyout', 'key', '-out', 'csr'], {
      cwd: dir,
    });
    await writeFile(join(dir, 'ext'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
    const sign = [
      'x509',
      '-req',
      '-in',
      'csr',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '2',
    ];
    await mustRun(openssl, [...sign, '-extfile', 'ext', '-out', 'crt'], { cwd: dir });
    const [ca, certificate, key] = await Promise.all(
      ['ca.pem', 'crt', 'key'].map((name) => readFile(join(dir, name), 'utf8')),
    );
    return { ca: ca!, certificate: certificate!, key: key! };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
