// Owns the check of task assertions: JWTs (RFC 7519) signed by their issuer. Invariant: nothing that an assertion brings
// along decides how it is checked: algorithms, keys and type are the profile's (RFC 8725).

import type { KeyObject } from 'node:crypto';
import { compactVerify } from 'jose';
import { type AssertionRule, rejected, type SignedClaims } from '../../domain/assertion.ts';
import { Problem } from '../../domain/problem.ts';
import type { Assertions } from '../../ports/assertions.ts';
import { type Compact, readCompact } from './compact.ts';
import type { KeySources } from './key-source.ts';

export function openAssertions(sources: KeySources): Assertions {
  return {
    async verify(rule, assertion): Promise<SignedClaims> {
      const bytes = assertion.reveal();
      const { header, claims, digest } = readCompact(Buffer.from(bytes).toString('latin1'));
      checkType(rule, header);
      if (!rule.algorithms.includes(header.alg)) {
        throw rejected('it is signed in another way', `the profile takes ${rule.algorithms.join(', ')}`);
      }
      const key = await keyOf(sources, rule, header);
      if (key === null) {
        throw rejected('its issuer has no such key', 'get a new one; keys are looked up again after 30 s');
      }
      try {
        await compactVerify(bytes, key, { algorithms: [header.alg] });
      } catch {
        throw rejected('its signature does not hold', 'present it as the issuer gave it');
      }
      return { claims, digest };
    },
  };
}

/** RFC 8725 §3.11. Without a type of the profile's own, what plain JWTs and JWT-SVIDs say (RFC 7519 §5.1). */
function checkType({ typ: wanted }: AssertionRule, { typ }: Compact['header']): void {
  const is = typ?.toLowerCase().replace(/^application\//, '');
  const good = wanted === undefined ? [undefined, 'jwt', 'jose'].includes(is) : is === wanted.toLowerCase();
  if (!good) throw rejected('it is a JWT for another purpose', `the profile takes typ ${wanted ?? 'JWT'}`);
}

async function keyOf(
  sources: KeySources,
  { keys, issuer }: AssertionRule,
  header: Compact['header'],
): Promise<KeyObject | null> {
  try {
    return await sources.key(keys, header);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Problem('IDENTITY_REJECTED', `the keys of ${issuer} cannot be had: ${why}`, {
      retryable: true,
      hint: 'see that the agent can reach allow.assertion.jwks_uri, or read the file; then try again',
      cause: error,
    });
  }
}
