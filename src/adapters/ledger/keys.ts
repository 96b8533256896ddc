// Owns the ledger's keys on disk: the one that signs, those that signed before, the one that hides ids. Invariant: a key
// is replaced only by one that it signed itself; if it cannot (it is gone), the ledger says so for ever.

import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LedgerBody, PublicKey } from '../../domain/record.ts';
import { openSigner, type Signer } from './signer.ts';

const SIGNING = 'signing-key.pem';
const HMAC = 'hmac.key';
/** Public: the ledger's id and every key it was ever signed with, as a JWK set with a little more. */
export const KEYS = 'keys.json';

interface KnownKey extends PublicKey {
  readonly since: string;
  /** By the key before it; null for the first, and where that one was gone. */
  readonly signed: string | null;
  /** The chain says so. */
  readonly recorded: boolean;
}

interface KeyFile {
  readonly ledger: string;
  readonly keys: readonly KnownKey[];
}

export interface LedgerKeys {
  /** The ledger's own id. */
  readonly id: string;
  readonly hmacKey: Uint8Array;
  readonly signer: Signer;
  /** What the chain has to say of its keys and does not yet. */
  readonly due: LedgerBody | null;
  /** It is on record now. */
  recorded(): void;
  /** When the key was made; milliseconds since 1970. */
  readonly since: number;
  /** The signing key was not there, or was another than the ledger knows. */
  readonly lost: boolean;
}

/**
 * @param dir the ledger's directory, 0700
 * @param maxAgeMs an older key is replaced by a new one
 * @throws Error when a file cannot be read or written
 */
export function openKeys(dir: string, maxAgeMs: number, now: number): LedgerKeys {
  const known = readKeyFile(dir);
  const before = readSigner(dir);
  const current = known?.keys.at(-1);
  const lost = known !== null && before?.key.kid !== current?.kid;
  if (known !== null && before !== null && !lost && now - Date.parse(current!.since) < maxAgeMs) {
    return opened(dir, known, before, false);
  }
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' });
  const signer = openSigner(pem as string);
  const id = known?.ledger ?? randomUUID();
  // One that this ledger does not know may be anybody's.
  const sealer = known === null || lost ? null : before;
  const signed = sealer?.sign('tasklease-key', { ledger: id, key: signer.key }) ?? null;
  const added = { ...signer.key, since: new Date(now).toISOString(), signed, recorded: false };
  const file = { ledger: id, keys: [...(known?.keys ?? []), added] };
  // In this order: a key that signs is known.
  replace(dir, KEYS, keyText(file), 0o644);
  replace(dir, SIGNING, pem as string, 0o600);
  return opened(dir, file, signer, lost);
}

function opened(dir: string, file: KeyFile, signer: Signer, lost: boolean): LedgerKeys {
  const current = file.keys.at(-1)!;
  const key = signer.key;
  const first = file.keys.length === 1;
  return {
    id: file.ledger,
    hmacKey: hmacKey(dir),
    signer,
    due: current.recorded
      ? null
      : first
        ? { type: 'ledger.opened', fact: { ledger: file.ledger, key } }
        : { type: 'key.rotated', fact: { key, signed: current.signed } },
    recorded() {
      const keys = file.keys.map((each) => ({ ...each, recorded: true }));
      replace(dir, KEYS, keyText({ ...file, keys }), 0o644);
    },
    since: Date.parse(current.since),
    lost,
  };
}

/** The public keys of a ledger, oldest first; null where there is no such file. @throws Error */
export function readKeyFile(dir: string): KeyFile | null {
  const path = join(dir, KEYS);
  if (!existsSync(path)) return null;
  return JSON.parse(readFileSync(path, 'utf8')) as KeyFile;
}

/** For an export that is made beside the agent; null where there is none. @throws Error */
export function readSigner(dir: string): Signer | null {
  const path = join(dir, SIGNING);
  return existsSync(path) ? openSigner(readFileSync(path)) : null;
}

/** The key that hides ids: whoever has it can tell whether an id is meant. */
export function hmacKey(dir: string): Uint8Array {
  const path = join(dir, HMAC);
  if (!existsSync(path)) replace(dir, HMAC, `${randomBytes(32).toString('hex')}\n`, 0o600);
  return Buffer.from(readFileSync(path, 'utf8').trim(), 'hex');
}

const keyText = (file: KeyFile): string => `${JSON.stringify(file, null, 2)}\n`;

function replace(dir: string, name: string, text: string, mode: number): void {
  const draft = join(dir, `.${name}.new`);
  writeFileSync(draft, text, { mode, flush: true });
  renameSync(draft, join(dir, name));
}
