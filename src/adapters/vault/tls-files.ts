// Owns the files that a connection to Vault is made with: CA, certificate and key. Invariant: they are read together, and
// taken only when each is whole and the key is the certificate's.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';

export interface TlsFiles {
  readonly caFile?: string;
  readonly clientCertFile?: string;
  readonly clientKeyFile?: string;
}

export interface TlsMaterial {
  readonly minVersion: 'TLSv1.2';
  readonly rejectUnauthorized: true;
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

/** One of them cannot be used as it is: a sentence for the operator. */
export class FileFault extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'FileFault';
  }
}

/** @throws FileFault that says in a few words which file is wrong, and how */
export function readTls({ caFile, clientCertFile, clientKeyFile }: TlsFiles): TlsMaterial {
  const tls = {
    minVersion: 'TLSv1.2' as const,
    rejectUnauthorized: true as const,
    ca: certificates(caFile),
    cert: certificates(clientCertFile),
    key: privateKey(clientKeyFile),
  };
  try {
    createSecureContext(tls);
  } catch (error) {
    throw new FileFault(`${clientKeyFile} is not the key of ${clientCertFile} (${codeOf(error)})`);
  }
  return tls;
}

const BEGIN = /-----BEGIN CERTIFICATE-----/g;
const BLOCK = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

function certificates(file: string | undefined): Buffer | undefined {
  if (file === undefined) return undefined;
  const bytes = read(file);
  const text = bytes.toString('latin1');
  const blocks = text.match(BLOCK) ?? [];
  // What is still being written has begun one more than it has ended.
  if (blocks.length === 0 || blocks.length !== text.match(BEGIN)!.length)
    throw new FileFault(`${file} holds no whole PEM certificate, or one that is cut off`);
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch (error) {
      throw new FileFault(`${file} holds what is no certificate (${codeOf(error)})`);
    }
  }
  return bytes;
}

function privateKey(file: string | undefined): Buffer | undefined {
  if (file === undefined) return undefined;
  const bytes = read(file);
  try {
    createPrivateKey(bytes);
  } catch (error) {
    throw new FileFault(`${file} holds no private key in PEM (${codeOf(error)})`);
  }
  return bytes;
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const code = codeOf(error);
    throw Object.assign(new FileFault(`${file} cannot be read (${code})`), { code, path: file });
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'unknown error';
