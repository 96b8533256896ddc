// Owns the reading of public keys and of copies of signed heads, which an auditor keeps apart from the ledger.

import { readFileSync } from 'node:fs';
import { SourceFault } from '../../adapters/ledger/source.ts';
import { beginOf } from '../../audit/frame.ts';
import type { PublicKey } from '../../domain/record.ts';
import { publicKey } from '../../schema/ledger-record.ts';

/** Of a JWK set, of the ledger's keys.json, or of the first line of an export. @throws SourceFault */
export function keysIn(path: string): PublicKey[] {
  const text = textOf(path);
  const begin = beginOf(text.split('\n', 1)[0]!);
  try {
    const { keys } = begin ?? (JSON.parse(text) as { keys: unknown[] });
    return keys.map((key) => {
      const { kty, crv, x, kid } = key as PublicKey;
      return publicKey.parse({ kty, crv, x, kid });
    });
  } catch {
    throw new SourceFault(`${path} holds no keys: give what "tasklease audit keys" printed`);
  }
}

/** The last line of a file of heads, as ledger.heads_file has them or stdout printed them. @throws SourceFault */
export function headIn(path: string): string {
  const last = textOf(path).trimEnd().split('\n').at(-1)!;
  const jws = last.startsWith('{') ? (JSON.parse(last) as { jws?: string }).jws : last;
  if (jws !== undefined && jws.split('.').length === 3) return jws;
  throw new SourceFault(`${path} holds no signed head: give a copy as ledger.heads_file makes them`);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new SourceFault(
      `${path} cannot be read (${(error as NodeJS.ErrnoException).code}): check the path`,
    );
  }
}
