// Owns what a signed approval has to say: a JWT (RFC 7519) of an approver about one request. Invariant: it is good for
// the request whose digest it names, which no other request has, and counts once there.

import {
  ALGORITHMS,
  type AssertionRule,
  checkTimes,
  MAX_JTI,
  optionalText,
  type SignedClaims,
} from './assertion.ts';
import type { Grant } from './grant.ts';
import type { Moment } from './instant.ts';
import { Problem } from './problem.ts';

/** What it must be signed like: with this key, in any way that is not a MAC. */
export const signedBy = (publicKeyFile: string): AssertionRule => ({
  issuer: '',
  audience: '',
  algorithms: ALGORITHMS,
  claims: {},
  capsTtl: false,
  keys: { publicKeyFile },
});

/** Whose approval it is (`sub`). @throws Problem APPROVAL_DENIED, IDENTITY_REJECTED for claims that are none */
export function approverOf(
  { claims }: SignedClaims,
  { approval, asserted, task }: Grant,
  now: Moment,
): string {
  checkTimes(claims, now);
  const signer = optionalText(claims, 'sub', MAX_JTI);
  if (signer === null || optionalText(claims, 'jti', MAX_JTI) === null) {
    throw unfit('it lacks sub or jti', 'let it say who approves, and give it an id');
  }
  if (claims.digest !== approval!.digest) {
    throw unfit('it is for another request', `let it name the digest of ${task} as GET shows it`);
  }
  if (signer === asserted?.subject)
    throw unfit('its signer asked for the task', 'let somebody else approve it');
  return signer;
}

export const unfit = (why: string, hint: string): Problem =>
  new Problem('APPROVAL_DENIED', `the signed approval is refused: ${why}`, { hint });
