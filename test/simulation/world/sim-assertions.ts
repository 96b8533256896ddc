// Owns the issuers of a simulated world. Invariant: an assertion is signed by the issuer that it begins with, and says
// what comes after; whatever begins with anything else is no assertion.

import {
  type AssertionRule,
  type Claims,
  rejected,
  type SignedClaims,
} from '../../../src/domain/assertion.ts';
import { Secret } from '../../../src/domain/secret.ts';
import type { Assertions } from '../../../src/ports/assertions.ts';

const SIGNED = 'signed:';

export const simAssertion = (claims: Claims): Secret =>
  new Secret(Buffer.from(`${SIGNED}${JSON.stringify(claims)}`));

export class SimAssertions implements Assertions {
  async verify(_rule: AssertionRule, assertion: Secret): Promise<SignedClaims> {
    const text = Buffer.from(assertion.reveal()).toString();
    // As long as a signature takes: others get their turn.
    await Promise.resolve();
    if (!text.startsWith(SIGNED)) throw rejected('its signature does not hold', 'present it as it was given');
    const claims = JSON.parse(text.slice(SIGNED.length)) as Claims;
    return { claims, digest: Buffer.from(text).toString('hex').slice(-64) };
  }
}
