// Owns what a task assertion has to say: a JWT (RFC 7519) that an orchestrator signed for one task. Invariant: a claim
// that is missing, or is of another kind than the profile expects, fulfils no condition.

import type { Instant, Moment } from './instant.ts';
import { fitsAny } from './pattern.ts';
import { Problem } from './problem.ts';

/** Where the keys come from that an assertion may be signed with. */
export type KeySource =
  | {
      readonly jwksUri: string;
      readonly caFile?: string;
      /** How long keys that were fetched hold while newer ones cannot be had. Milliseconds. */
      readonly maxStaleMs: number;
    }
  | { readonly jwksFile: string }
  /** SubjectPublicKeyInfo in PEM (RFC 7468 §13). */
  | { readonly publicKeyFile: string };

/** JWS algorithms that are taken (RFC 7518 §3.1, RFC 8037); asymmetric ones only: whoever could check a MAC could make one. */
export const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
] as const;

/** `allow.assertion` of a profile. */
export interface AssertionRule {
  readonly issuer: string;
  readonly audience: string;
  /** JWS algorithms (RFC 7518 §3.1, RFC 8037), asymmetric ones only. */
  readonly algorithms: readonly string[];
  /** The header's `typ` (RFC 8725 §3.11); where absent, none or JWT. */
  readonly typ?: string;
  /** Claim, by name or JSON pointer (RFC 6901) → patterns of which its value, or one of its values, fits one. */
  readonly claims: Readonly<Record<string, readonly string[]>>;
  /** `exp` limits the deadline too, and not only when a task may start. */
  readonly capsTtl: boolean;
  /** It is presented once to all agents together, which Vault keeps the book of, and not just to this one. */
  readonly onceInFleet?: boolean;
  readonly keys: KeySource;
}

export type Claims = Readonly<Record<string, unknown>>;

/** An assertion whose signature holds. */
export interface SignedClaims {
  readonly claims: Claims;
  /** SHA-256 of what was signed, in hexadecimal: names an assertion that has no `jti`. */
  readonly digest: string;
}

/** What a grant keeps of its assertion. */
export interface Asserted {
  readonly issuer: string;
  readonly subject: string | null;
  /** The same for every copy of one assertion: it grants once. */
  readonly use: string;
  /** Until then it could be presented again. RFC 3339. */
  readonly expires_at: string;
  /** Those that the profile had a word about. */
  readonly claims: Claims;
}

/** What clocks may differ by. */
const SKEW_MS = 30_000;
/** The last second that RFC 3339 can tell. */
const LATEST = 253_402_300_799;
export const MAX_JTI = 1024;

/**
 * @param named claims that parameters are taken from
 * @throws Problem IDENTITY_REJECTED for what is no good assertion, PROFILE_DENIED for one of another task
 */
export function checkAssertion(
  profile: string,
  rule: AssertionRule,
  { claims, digest }: SignedClaims,
  named: readonly string[],
  now: Moment,
): Asserted {
  if (claims.iss !== rule.issuer)
    throw rejected('it is from another issuer', `present one of ${rule.issuer}`);
  const audience = Array.isArray(claims.aud) && claims.aud.length === 1 ? claims.aud[0] : claims.aud;
  if (audience !== rule.audience) {
    throw rejected(
      'it is not for this audience alone',
      `ask the issuer for one whose only aud is ${rule.audience}`,
    );
  }
  checkTimes(claims, now);
  const jti = optionalText(claims, 'jti', MAX_JTI);
  const subject = optionalText(claims, 'sub', MAX_JTI);
  checkBound(profile, rule.claims, (name) => claimAt(claims, name));
  const kept = [...Object.keys(rule.claims), ...named].flatMap((name) => {
    const value = claimAt(claims, name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    issuer: rule.issuer,
    subject,
    use: JSON.stringify(jti === null ? [rule.issuer, null, digest] : [rule.issuer, jti]),
    expires_at: new Date((claims.exp as number) * 1000).toISOString(),
    claims: Object.fromEntries(kept),
  };
}

/** @throws Problem PROFILE_DENIED that names the claim */
function checkBound(profile: string, bound: AssertionRule['claims'], read: (name: string) => unknown): void {
  for (const [name, patterns] of Object.entries(bound)) {
    const value = read(name);
    const values = (Array.isArray(value) ? value : [value]).map(plainText);
    if (values.some((text) => text !== null && fitsAny(text, patterns))) continue;
    const is = value === undefined ? 'is missing' : 'has another value';
    throw new Problem(
      'PROFILE_DENIED',
      `profile ${profile} is not for this assertion: its claim ${name} ${is}`,
      {
        hint: `compare allow.assertion.claims in ${profile}.yaml with what the issuer says`,
      },
    );
  }
}

/** A claim that is on record. */
export const keptClaim = ({ claims }: Asserted, name: string): unknown => own(claims, name);

/**
 * Whether a grant may live on under this profile with what is on record of its assertion.
 * @throws Problem PROFILE_DENIED
 */
export function recheck(profile: string, rule: AssertionRule | undefined, asserted: Asserted | null): void {
  if (rule === undefined) return;
  if (asserted === null || asserted.issuer !== rule.issuer) {
    throw new Problem(
      'PROFILE_DENIED',
      `profile ${profile} asks for an assertion that this task did not bring`,
    );
  }
  checkBound(profile, rule.claims, (name) => keptClaim(asserted, name));
}

/**
 * Until when a task may live by its assertion.
 * @param expires when it expires, on the boot clock as it was understood at the start; null without an assertion
 * @throws Problem IDENTITY_REJECTED
 */
export function assertedUntil(
  rule: AssertionRule | undefined,
  expires: Instant | null,
  now: Moment,
): Instant {
  const until = cappedBy(rule, expires);
  if (until - now.at >= 1000) return until;
  throw rejected('it has expired', 'get a new one for this task, and compare the clocks');
}

/** The same for a task that lives: where that has passed, it is over, and not refused. */
export const cappedBy = (rule: AssertionRule | undefined, expires: Instant | null): Instant =>
  rule?.capsTtl !== true || expires === null ? Number.MAX_SAFE_INTEGER : expires;

/** @throws Problem IDENTITY_REJECTED unless it is valid now (RFC 7519 §4.1.4 to 4.1.6) */
export function checkTimes(claims: Claims, now: Moment): void {
  const exp = numericDate(claims, 'exp');
  if (exp === null) throw rejected('it has no exp', 'let the issuer say when it expires');
  if (now.wallMs >= exp * 1000 + SKEW_MS) {
    throw rejected('it has expired', 'get a new one for this task, and compare the clocks');
  }
  for (const name of ['nbf', 'iat']) {
    const from = numericDate(claims, name);
    if (from === null || now.wallMs + SKEW_MS >= from * 1000) continue;
    throw rejected(`it is not valid yet by its ${name}`, 'compare the clocks of issuer and agent');
  }
}

/** Seconds since 1970 (RFC 7519 §2, NumericDate), whole ones only; null when absent. */
function numericDate(claims: Claims, name: string): number | null {
  const value = own(claims, name);
  if (value === undefined) return null;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= LATEST) return value;
  throw rejected(`its ${name} is no whole number of seconds`, 'let the issuer write a NumericDate');
}

/** @throws Problem IDENTITY_REJECTED for what is no text */
export function optionalText(claims: Claims, name: string, max: number): string | null {
  const value = own(claims, name);
  if (value === undefined) return null;
  if (typeof value === 'string' && value.length > 0 && value.length <= max) return value;
  throw rejected(`its ${name} is no text of 1 to ${max} characters`, 'let the issuer write a short text');
}

/** A claim by its name, or by the JSON pointer (RFC 6901) that leads to it. */
function claimAt(claims: Claims, name: string): unknown {
  if (!name.startsWith('/')) return own(claims, name);
  let value: unknown = claims;
  for (const token of name.slice(1).split('/')) {
    value = own(value, token.replaceAll('~1', '/').replaceAll('~0', '~'));
  }
  return value;
}

function own(value: unknown, name: string): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, name) ? (value as Claims)[name] : undefined;
}

/** A claim's value as patterns see it; null for what has no one text. */
export function plainText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  return Number.isSafeInteger(value) ? String(value) : null;
}

const REFUSED = 'the assertion is refused: ';

export const rejected = (why: string, hint: string): Problem =>
  new Problem('IDENTITY_REJECTED', `${REFUSED}${why}`, { hint });

/** Why it was `rejected`; null for any other problem. */
export const whyRejected = ({ code, message }: Problem): string | null =>
  code === 'IDENTITY_REJECTED' && message.startsWith(REFUSED) ? message.slice(REFUSED.length) : null;
