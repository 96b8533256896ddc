// The port to the issuers of task assertions: whether one is signed with a key of theirs.

import type { AssertionRule, SignedClaims } from '../domain/assertion.ts';
import type { Secret } from '../domain/secret.ts';

export interface Assertions {
  /**
   * What is signed, if it is signed as the profile expects; what it says is not looked at.
   * @throws Problem IDENTITY_REJECTED; retryable when the issuer's keys cannot be had
   */
  verify(rule: AssertionRule, assertion: Secret): Promise<SignedClaims>;
}
