// Owns the shape of `allow.assertion` in a profile, and its step to the domain's rule.

import * as z from 'zod';
import { ALGORITHMS, type AssertionRule, type KeySource } from '../domain/assertion.ts';
import { absolutePath, duration } from './scalars.ts';

const DAY_MS = 86_400_000;
const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|localhost|\[::1\])$/;

const jwksUri = z
  .string()
  .refine(
    (text) => URL.canParse(text) && ['https:', 'http:'].includes(new URL(text).protocol),
    'must be a URL such as https://ci.example/keys',
  )
  .refine((text) => {
    const { protocol, hostname } = new URL(text);
    return protocol === 'https:' || LOOPBACK.test(hostname);
  }, 'must be https: whoever can change what comes over http signs for everybody')
  .refine((text) => {
    const { username, password, hash } = new URL(text);
    return username === '' && password === '' && hash === '';
  }, 'must not hold a user, a password or a fragment');

const text = z.string().min(1, 'must not be empty').max(1024);

/** A claim by name, or the JSON pointer (RFC 6901) to one. */
export const claimName = z
  .string({ error: 'must be the name of a claim' })
  .min(1, 'must be the name of a claim')
  .max(256)
  .regex(
    /^(?:[^/]|(?:\/(?:[^~/]|~[01])+)+$)/,
    'must be a name, or a JSON pointer such as /kubernetes.io/namespace',
  );

const scalar = z.union([z.string(), z.boolean(), z.int()], {
  error: 'must be a text where * stops at / and ** does not, a whole number, true or false',
});

/** One or several. */
const patterns = z.preprocess(
  (value) => (Array.isArray(value) ? value : [value]),
  z.array(scalar.transform(String)).min(1, 'needs at least one value'),
);

const SOURCES = ['jwks_uri', 'jwks_file', 'public_key_file'] as const;

export const assertionRule = z
  .strictObject({
    issuer: text,
    jwks_uri: jwksUri.optional(),
    jwks_ca_file: absolutePath.optional(),
    jwks_max_stale: duration(0, 30 * DAY_MS).optional(),
    jwks_file: absolutePath.optional(),
    public_key_file: absolutePath.optional(),
    audience: text,
    algorithms: z
      .array(
        z.enum(ALGORITHMS, {
          error: `must be one of ${ALGORITHMS.join(', ')}: signed with a key that only the issuer has`,
        }),
      )
      .min(1, 'needs at least one algorithm')
      .default(['RS256', 'ES256', 'EdDSA']),
    typ: text.optional(),
    claims: z.record(claimName, patterns).default({}),
    caps_ttl: z.boolean().default(false),
    single_use: z
      .enum(['agent', 'vault'], { error: 'must be agent, or vault for once across all agents' })
      .default('agent'),
  })
  .refine((rule) => SOURCES.filter((key) => rule[key] !== undefined).length === 1, {
    path: ['jwks_uri'],
    message: 'is where the keys come from: give it, or jwks_file, or public_key_file, and one of them only',
  })
  .refine((rule) => rule.jwks_uri !== undefined || rule.jwks_ca_file === undefined, {
    path: ['jwks_ca_file'],
    message: 'belongs to jwks_uri',
  })
  .refine((rule) => rule.jwks_uri !== undefined || rule.jwks_max_stale === undefined, {
    path: ['jwks_max_stale'],
    message: 'belongs to jwks_uri',
  });

export function toAssertionRule(file: z.infer<typeof assertionRule>): AssertionRule {
  const { issuer, audience, algorithms, claims, typ } = file;
  return {
    issuer,
    audience,
    algorithms,
    claims,
    ...(typ === undefined ? {} : { typ }),
    capsTtl: file.caps_ttl,
    ...(file.single_use === 'vault' ? { onceInFleet: true } : {}),
    keys: keySource(file),
  };
}

function keySource(file: z.infer<typeof assertionRule>): KeySource {
  if (file.jwks_file !== undefined) return { jwksFile: file.jwks_file };
  if (file.public_key_file !== undefined) return { publicKeyFile: file.public_key_file };
  return {
    jwksUri: file.jwks_uri!,
    ...(file.jwks_ca_file === undefined ? {} : { caFile: file.jwks_ca_file }),
    maxStaleMs: file.jwks_max_stale ?? DAY_MS,
  };
}
