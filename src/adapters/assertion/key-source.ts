// Owns where an assertion's key comes from: a URI, a file with a JWK Set, or a public key in PEM. Invariant: files are
// followed, so that a key that was replaced is the one that counts; keys come from the profile's source and no other.

import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { KeySource } from '../../domain/assertion.ts';
import { fetchJson } from './jwks-fetch.ts';
import { RemoteKeys } from './jwks-remote.ts';
import { type Header, keyFor, keySet } from './key-set.ts';

export class KeySources {
  readonly #remote = new Map<string, RemoteKeys>();
  readonly #now: () => number;

  /** @param now milliseconds on a clock that does not jump, and that counts suspend too: keys grow old in it */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The key for this header; null when the source has none for it. @throws Error that says why there are no keys */
  async key(source: KeySource, header: Header): Promise<KeyObject | null> {
    if ('publicKeyFile' in source) return pemKey(source.publicKeyFile);
    if ('jwksFile' in source) return keyFor(jwksOf(source.jwksFile), header);
    return this.#remoteOf(source).key(header);
  }

  #remoteOf({ jwksUri, caFile, maxStaleMs }: Extract<KeySource, { jwksUri: string }>): RemoteKeys {
    const name = JSON.stringify([jwksUri, caFile, maxStaleMs]);
    const known = this.#remote.get(name);
    if (known !== undefined) return known;
    const made = new RemoteKeys({ fetch: () => fetchJson(jwksUri, caFile), maxStaleMs, now: this.#now });
    this.#remote.set(name, made);
    return made;
  }
}

function pemKey(file: string): KeyObject {
  const pem = readFileSync(file, 'utf8');
  if (!pem.includes('-----BEGIN PUBLIC KEY-----')) throw new Error(`${file} holds no PEM public key`);
  return createPublicKey(pem);
}

function jwksOf(file: string): ReturnType<typeof keySet> {
  try {
    return keySet(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    const why = error instanceof SyntaxError ? 'it is no JSON' : (error as Error).message;
    throw new Error(`${file} cannot be used: ${why}`);
  }
}
