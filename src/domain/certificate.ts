// Owns what a certificate without a lease is known by in place of a lease id: its mount and its serial. Invariant: no
// Vault path holds a "#", so it is never taken for a lease.

export interface Certificate {
  readonly mount: string;
  /** As Vault writes it: `3d:2c:07`. */
  readonly serial: string;
}

const ISSUES = /^(.+?)\/(?:issuer\/[^/]+\/)?(?:issue|sign|sign-verbatim)(?:\/[^/]+)?$/;

/** The mount of a path of the PKI engine that issues certificates; null for any other path. */
export const certificateMount = (path: string): string | null => ISSUES.exec(path)?.[1] ?? null;

export const certificateId = ({ mount, serial }: Certificate): string => `${mount}#${serial}`;

/** Null for the id of a lease. */
export function certificateOf(id: string): Certificate | null {
  const at = id.indexOf('#');
  return at === -1 ? null : { mount: id.slice(0, at), serial: id.slice(at + 1) };
}
