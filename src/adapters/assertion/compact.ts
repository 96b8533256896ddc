// Owns the reading of a JWS in compact serialization (RFC 7515) before its signature is looked at. Invariant: there is
// one way to read what passes: canonical base64url, no name twice, no header that brings keys or changes the rules.

import { createHash } from 'node:crypto';
import { type Claims, rejected } from '../../domain/assertion.ts';
import { parseStrict } from '../../schema/strict-json.ts';

export interface Compact {
  readonly header: { readonly alg: string; readonly kid?: string; readonly typ?: string };
  readonly claims: Claims;
  /** SHA-256 of what is signed: signatures of one text may differ (ECDSA). */
  readonly digest: string;
}

/** RFC 7515 §4.1. A thumbprint says which key, as `kid` does, and is no key; whatever else is there is refused. */
const HEADERS: ReadonlySet<string> = new Set(['alg', 'kid', 'typ', 'x5t', 'x5t#S256']);
const MAX_HEADER_TEXT = 256;
/** Where an issuer is asked for more, it is asked for a name. */
const DEPTH = 16;

/** @throws Problem IDENTITY_REJECTED */
export function readCompact(text: string): Compact {
  const parts = text.split('.');
  if (parts.length !== 3) throw rejected('it is no signed JWT', 'present a JWS with two dots in it');
  const [header, payload, signature] = parts as [string, string, string];
  decoded(signature);
  return {
    header: checkHeader(objectOf(header)),
    claims: objectOf(payload),
    digest: createHash('sha256').update(`${header}.${payload}`).digest('hex'),
  };
}

function checkHeader(header: Claims): Compact['header'] {
  for (const name of Object.keys(header)) {
    if (HEADERS.has(name)) continue;
    throw rejected(
      `its header has ${JSON.stringify(name.slice(0, 64))}`,
      `let the issuer sign with ${[...HEADERS].join(', ')} alone`,
    );
  }
  for (const [name, value] of Object.entries(header)) {
    if (typeof value === 'string' && value.length > 0 && value.length <= MAX_HEADER_TEXT) continue;
    throw rejected(`its header's ${name} is no short text`, 'let the issuer write a text');
  }
  if (header.alg === undefined) throw rejected('its header has no alg', 'let the issuer say how it signs');
  return header as unknown as Compact['header'];
}

/** RFC 7515 §2: base64url without padding. Of the texts that decode to the same bytes only one is taken. */
function decoded(part: string): Buffer {
  const bytes = Buffer.from(part, 'base64url');
  if (part !== '' && bytes.toString('base64url') === part) return bytes;
  throw rejected('it is not canonical base64url', 'present it as the issuer gave it');
}

function objectOf(part: string): Claims {
  const bytes = decoded(part);
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    value = parseStrict(text, { depth: DEPTH });
  } catch {
    throw rejected('a part of it is no JSON object with unique names', 'let the issuer write plain JSON');
  }
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Claims;
  throw rejected('a part of it is no JSON object', 'let the issuer write a header and claims');
}
