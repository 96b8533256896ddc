// Owns the session's right to revoke certificates by their serial, which no limit of Vault narrows to a task's own.
// Invariant: it is given only where a profile says revoke: serial.

import type { Profile } from '../domain/profile.ts';
import { wrapped } from './wrapped.ts';

export const BY_SERIAL =
  'Revoke certificates that have no lease, by their serial (profiles with revoke: serial). Vault asks only for the serial: whoever may do this may revoke every certificate of the mount. Better give the role generate_lease: true. Reading the proof, cert/SERIAL, needs no right.';

/** Shipped switched off: no sample profile needs it, and it is wide. */
export const SERIAL_OFF: readonly string[] = [
  ...wrapped(
    'Revoke certificates that have no lease, by their serial (profiles with revoke: serial). Off, because Vault asks only for the serial: whoever may do this may revoke every certificate of the mount. Better give the role generate_lease: true. Else name the mount; reading pki/cert/SERIAL, the proof, needs no right.',
  ),
  'https://developer.hashicorp.com/vault/api-docs/secret/pki#revoke-certificate',
  '',
  ...[
    'path "pki/revoke" {',
    '  capabilities        = ["update"]',
    '  required_parameters = ["serial_number"]',
  ],
  ...['  allowed_parameters = {', '    "serial_number" = []', '  }', '}', ''],
];

/** Where profiles revoke certificates by their serial. */
export const serialMounts = (profiles: readonly Profile[] | null): string[] => [
  ...new Set(
    (profiles ?? [])
      .flatMap(({ secrets }) => secrets)
      .filter(({ revoke }) => revoke === 'serial')
      .map(({ path }) => path.replace(/\/(?:issue|sign|sign-verbatim)\/.*$/, '')),
  ),
];
