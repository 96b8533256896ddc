// Owns the conditions of a login to Vault with a task's own assertion (`vault.mode: jwt`). Invariant: no value that a
// policy of Vault may see is more than one path segment, and no login changes what another living task may read: Vault
// keeps mapped claims with the subject, not with the token (docs/concepts/identity, entity aliases).

import { type Asserted, keptClaim, plainText } from './assertion.ts';
import type { Grant } from './grant.ts';
import { isSegment, SEGMENT_RULE } from './ids.ts';
import { Problem } from './problem.ts';

/** Where a task logs in: an auth mount of type jwt and a role of it. */
export interface TaskLogin {
  readonly mount: string;
  readonly role: string;
}

/** `vault` of a profile with mode jwt. */
export interface LoginRule extends TaskLogin {
  /** Claims that the role maps (claim_mappings); absent where the profile does not say. */
  readonly claims?: readonly string[];
}

/** @throws Problem PROFILE_DENIED when a claim that policies may see is no path segment */
export function checkMapped(profile: string, { claims = [] }: LoginRule, asserted: Asserted): void {
  for (const name of claims) {
    const value = keptClaim(asserted, name);
    if (value === undefined || isSegment(plainText(value) ?? '')) continue;
    throw denied(profile, `its claim ${name} is not ${SEGMENT_RULE}`);
  }
  // The alias has it for a name. Vault escapes nothing: these would match others' paths.
  if (/[*+]/.test(asserted.subject ?? '')) throw denied(profile, 'its sub has a wildcard in it');
}

/** @throws Problem PROFILE_DENIED while a living task would be changed by this login */
export function mustNotCollide(rule: LoginRule, asserted: Asserted, others: readonly Grant[]): void {
  const mapped = (of: Asserted) =>
    JSON.stringify((rule.claims ?? Object.keys(asserted.claims)).map((name) => keptClaim(of, name) ?? null));
  const other = others.find(
    (grant) =>
      grant.state !== 'closed' &&
      grant.plan.login?.mount === rule.mount &&
      grant.asserted !== null &&
      grant.asserted.issuer === asserted.issuer &&
      grant.asserted.subject === asserted.subject &&
      mapped(grant.asserted) !== mapped(asserted),
  );
  if (other === undefined) return;
  throw new Problem(
    'PROFILE_DENIED',
    'another task with the same sub and other claims is living, and this login would change what that one may read',
    {
      hint: 'try again when it is closed, or let the role take a user_claim that is unique to each task',
      retryable: true,
    },
  );
}

/** What is wrong with the metadata that Vault gave the token: mapped claims, and the role; null when nothing is. */
export function metadataFault(
  metadata: Readonly<Record<string, string>>,
  rule: TaskLogin,
  asserted: Asserted,
): string | null {
  const known = new Set(Object.values(asserted.claims).map(plainText));
  for (const [name, value] of Object.entries(metadata)) {
    if (name === 'role' && value === rule.role) continue;
    if (!known.has(value)) return `maps ${name}, a claim that the profile does not name`;
    if (!isSegment(value)) return `maps ${name}, whose value is not ${SEGMENT_RULE}`;
  }
  return null;
}

const denied = (profile: string, why: string): Problem =>
  new Problem('PROFILE_DENIED', `profile ${profile} is not for this assertion: ${why}`, {
    hint: 'let the issuer write a value without slashes, blanks and wildcards; Vault does not escape it either',
  });
