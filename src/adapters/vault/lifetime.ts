// Owns what a reply without a lease says of the secret's own end. Invariant: what is not known is null, never guessed.

import type { TimedAsk } from '../../domain/ask.ts';
import { validBefore } from './ssh-certificate.ts';

type Lifetime = { readonly ttlMs: number | null; readonly follows?: boolean };

export function lifetime(
  data: Readonly<Record<string, unknown>>,
  mount: string | undefined,
  ask: TimedAsk,
): Lifetime {
  // TOTP: the code changes whenever the period has passed since 1970 (RFC 6238).
  if (ask.periodMs !== undefined) return { ttlMs: ask.periodMs - (Date.now() % ask.periodMs), follows: true };
  // What is stored is the owner's: its fields mean nothing here.
  if (mount === 'kv') return { ttlMs: null };
  const { certificate, serial_number: serial, expiration, signed_key: signed, ttl } = data;
  if (typeof certificate === 'string' && typeof serial === 'string' && typeof expiration === 'number') {
    return { ttlMs: until(expiration) };
  }
  if (typeof signed === 'string') {
    const end = validBefore(signed);
    return { ttlMs: end === null ? null : until(end) };
  }
  // Static roles and their like (database/static-creds, ldap/static-cred): rotated by Vault when `ttl` has passed.
  const rotated = 'rotation_period' in data || 'rotation_schedule' in data;
  if (rotated && 'last_vault_rotation' in data && typeof ttl === 'number') {
    return { ttlMs: Math.max(0, ttl * 1000), follows: true };
  }
  return { ttlMs: null };
}

const until = (unixSeconds: number): number => Math.max(0, unixSeconds * 1000 - Date.now());
