// Owns where an assertion's key comes from: a URI, a file with a JWK Set, or a public key in PEM. Invariant: files are
// followed, so that a key that was replaced is the one that counts, and one that is bad leaves the last good one; keys come from the profile's source and no other.

import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { KeySource } from '../../domain/assertion.ts';
import { type FileNews, LastGood, NO_NEWS } from '../../domain/last-good.ts';
import { fetchJson } from './jwks-fetch.ts';
import { RemoteKeys } from './jwks-remote.ts';
import { type Header, keyFor, keySet } from './key-set.ts';

type Remote = Extract<KeySource, { jwksUri: string }>;
type Find = (header: Header) => KeyObject | null;

export class KeySources {
  readonly #remote = new Map<string, RemoteKeys>();
  readonly #files = new Map<string, LastGood<Find>>();
  readonly #authorities = new Map<string, LastGood<Buffer>>();
  readonly #now: () => number;
  readonly #news: FileNews;

  /** @param now milliseconds on a clock that does not jump, and that counts suspend too: keys grow old in it */
  constructor(now: () => number, news: FileNews = NO_NEWS) {
    this.#now = now;
    this.#news = news;
  }

  /** The key for this header; null when the source has none for it. @throws Error that says why there are no keys */
  async key(source: KeySource, header: Header): Promise<KeyObject | null> {
    return 'jwksUri' in source ? this.#remoteOf(source).key(header) : this.#findIn(source)(header);
  }

  /** Reads the source's files as they are now, so that a bad one is told before anybody needs it. */
  look(source: KeySource): void {
    try {
      if (!('jwksUri' in source)) this.#findIn(source);
      else if (source.caFile !== undefined) this.#authority(source.caFile);
    } catch {
      // Told. Who needs it is told again.
    }
  }

  #findIn(source: Exclude<KeySource, Remote>): Find {
    const pem = 'publicKeyFile' in source;
    const key = pem ? `public_key_file ${source.publicKeyFile}` : `jwks_file ${source.jwksFile}`;
    const file = goodOf(this.#files, key, this.#news);
    return file.take(() => (pem ? pemKey(source.publicKeyFile) : jwksOf(source.jwksFile)));
  }

  #authority(file: string): Buffer {
    return goodOf(this.#authorities, `jwks_ca_file ${file}`, this.#news).take(() => certificateIn(file));
  }

  #remoteOf({ jwksUri, caFile, maxStaleMs }: Remote): RemoteKeys {
    const name = JSON.stringify([jwksUri, caFile, maxStaleMs]);
    const known = this.#remote.get(name);
    if (known !== undefined) return known;
    const fetch = async () => fetchJson(jwksUri, caFile === undefined ? undefined : this.#authority(caFile));
    const made = new RemoteKeys({ fetch, maxStaleMs, now: this.#now });
    this.#remote.set(name, made);
    return made;
  }
}

function goodOf<T>(all: Map<string, LastGood<T>>, key: string, news: FileNews): LastGood<T> {
  const good = all.get(key) ?? new LastGood<T>(key, news);
  all.set(key, good);
  return good;
}

function pemKey(file: string): Find {
  const pem = readFileSync(file, 'utf8');
  if (!pem.includes('-----BEGIN PUBLIC KEY-----')) throw new Error(`${file} holds no PEM public key`);
  const key = createPublicKey(pem);
  return () => key;
}

function jwksOf(file: string): Find {
  try {
    const set = keySet(JSON.parse(readFileSync(file, 'utf8')));
    return (header) => keyFor(set, header);
  } catch (error) {
    const why = error instanceof SyntaxError ? 'it is no JSON' : (error as Error).message;
    throw new Error(`${file} cannot be used: ${why}`);
  }
}

function certificateIn(file: string): Buffer {
  const pem = readFileSync(file);
  try {
    new X509Certificate(pem);
  } catch {
    throw new Error(`${file} holds no PEM certificate`);
  }
  return pem;
}
