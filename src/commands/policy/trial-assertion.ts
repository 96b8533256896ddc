// Owns assertions as an orchestrator would sign them, for the login of a profile's task at a throw-away Vault. Invariant:
// the key is made for that Vault and is never written; the claims are those that the task of the trials would have.

import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import type { Profile } from '../../domain/profile.ts';
import { mappedClaims } from '../../policy/task-policy.ts';
import { sampleValues } from './trial-token.ts';

export interface Issuer {
  /** PEM, for jwt_validation_pubkeys. */
  readonly publicKey: string;
  /** @param role as `policy render` makes it */
  assertion(profile: Profile, role: Role): string;
}

type Role = Readonly<Record<string, unknown>>;

const MINUTES_S = 300;

export function openIssuer(): Issuer {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    assertion(profile, role) {
      const head = `${part({ alg: 'ES256', typ: 'JWT' })}.${part(claimsOf(profile, role))}`;
      const signature = sign('sha256', Buffer.from(head), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      return `${head}.${signature.toString('base64url')}`;
    },
  };
}

/** The role without what it binds of the claims that decide paths: the trials choose these. */
export function looseRole(profile: Profile, role: Role): Role {
  const bound = (role.bound_claims ?? {}) as Record<string, unknown>;
  const chosen = new Set(claimValues(profile).map(([claim]) => claim));
  const rest = Object.entries(bound).filter(([claim]) => !chosen.has(claim));
  return { ...role, bound_claims: Object.fromEntries(rest) };
}

function claimsOf(profile: Profile, role: Role): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000);
  const claims: Record<string, unknown> = {
    sub: `policy-test-${profile.name}`,
    jti: randomUUID(),
    aud: profile.allow.assertion!.audience,
    iat: now,
    nbf: now - 5,
    exp: now + MINUTES_S,
  };
  for (const [claim, value] of Object.entries((role.bound_claims ?? {}) as Record<string, unknown>)) {
    const [first] = [value].flat();
    put(claims, claim, typeof first === 'string' ? first.replaceAll('*', 'x') : first);
  }
  for (const claim of Object.keys((role.claim_mappings ?? {}) as object)) put(claims, claim, 'x', false);
  for (const [claim, value] of claimValues(profile)) put(claims, claim, value);
  return claims;
}

/** Claims that policies look at, with the values of the task of the trials. */
const claimValues = (profile: Profile): [claim: string, value: string][] => {
  const values = sampleValues(profile);
  return [...mappedClaims(profile).keys()].flatMap((param): [string, string][] => {
    const value = values[`params.${param}`];
    return value === undefined ? [] : [[profile.params[param]!.claim!, value]];
  });
};

/** A name, or a JSON pointer into objects. */
function put(claims: Record<string, unknown>, claim: string, value: unknown, over = true): void {
  const parts = claim.startsWith('/') ? claim.slice(1).split('/') : [claim];
  let at = claims;
  for (const part of parts.slice(0, -1)) {
    at[part] ??= {};
    at = at[part] as Record<string, unknown>;
  }
  const last = parts.at(-1)!;
  if (over || at[last] === undefined) at[last] = value;
}
