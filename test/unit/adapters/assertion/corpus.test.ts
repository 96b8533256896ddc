// Owns the corpus of assertions: what a profile takes, and more than a hundred ways to be something else. Each bad one
// differs from a good one in what its line says alone.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAssertions } from '../../../../src/adapters/assertion/assertions.ts';
import { KeySources } from '../../../../src/adapters/assertion/key-source.ts';
import { type AssertionRule, checkAssertion } from '../../../../src/domain/assertion.ts';
import { Problem } from '../../../../src/domain/problem.ts';
import { Secret } from '../../../../src/domain/secret.ts';
import {
  AUDIENCE,
  base64url,
  compact,
  headerOf,
  ISSUER,
  jobClaims,
  jwk,
  maced,
  pem,
  type SigningKey,
  seconds,
  signature,
  signingKey,
} from '../../../harness/issuer.ts';

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const NOW = { at: 5_000_000, wallMs: Date.parse('2026-11-22T10:00:00.250Z') };
const S = seconds(NOW.wallMs);

const dir = mkdtempSync(join(tmpdir(), 'tasklease-corpus-'));
const file = (name: string, content: unknown): string => {
  const path = join(dir, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};

const key = signingKey('RS256');
const ec = signingKey('ES256');
const other = signingKey('RS256', key.kid);
const weak = signingKey('RS256', 'weak', 1024);
const keys = file('keys.json', {
  keys: [
    ...[key, ec, weak].map(jwk),
    { kty: 'oct', kid: 'mac', k: base64url('a shared secret'), alg: 'HS256' },
    { ...jwk(signingKey('RS256')), kid: 'for-encryption', use: 'enc' },
  ],
});

const rule = (changes: Partial<AssertionRule> = {}): AssertionRule => ({
  issuer: ISSUER,
  audience: AUDIENCE,
  algorithms: ['RS256', 'ES256'],
  claims: { repository: ['acme/*'], ref: ['refs/heads/*'] },
  capsTtl: false,
  keys: { jwksFile: keys },
  ...changes,
});

const assertions = openAssertions(new KeySources(() => performance.now()));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function verdict(jwt: string, profile = rule()): Promise<string> {
  try {
    const signed = await assertions.verify(profile, new Secret(Buffer.from(jwt, 'latin1')));
    checkAssertion('deploy', profile, signed, [], NOW);
    return 'accepted';
  } catch (error) {
    if (error instanceof Problem) return error.code;
    throw error;
  }
}

const claims = (changes: Readonly<Record<string, unknown>> = {}) => jobClaims(changes, NOW.wallMs);
const without = (name: string) => {
  const { [name]: _gone, ...rest } = claims() as Record<string, unknown>;
  return rest;
};
/** A good assertion but for these claims, or this header. */
const withClaims = (changes: Readonly<Record<string, unknown>>): string =>
  compact(key, headerOf(key), claims(changes));
const withHeader = (changes: Readonly<Record<string, unknown>>, by: SigningKey = key): string =>
  compact(by, { ...headerOf(by), ...changes }, claims());
const raw = (payload: string): string => compact(key, headerOf(key), payload);
const good = (): string => withClaims({});
const [head, body, mark] = good().split('.') as [string, string, string];
const text = JSON.stringify(claims());

/** The same with another last character, which decodes to the same bytes (RFC 4648 §3.5). */
function alias(part: string): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = letters.indexOf(part.at(-1)!);
  const twin = `${part.slice(0, -1)}${letters[last ^ 1]}`;
  return Buffer.from(twin, 'base64url').equals(Buffer.from(part, 'base64url')) ? twin : `${part}=`;
}

describe('an assertion is taken', () => {
  test.each(ALGORITHMS)('signed with %s, by a key of the set', async (alg) => {
    const by = signingKey(alg);
    const jwks = file(`${alg}.json`, { keys: [jwk(by)] });
    const profile = rule({ algorithms: [alg], keys: { jwksFile: jwks } });
    expect(await verdict(compact(by, headerOf(by), claims()), profile)).toBe('accepted');
  });

  test.each(ALGORITHMS)('signed with %s, by a public key in PEM', async (alg) => {
    const by = signingKey(alg);
    const profile = rule({ algorithms: [alg], keys: { publicKeyFile: file(`${alg}.pem`, pem(by)) } });
    expect(await verdict(compact(by, headerOf(by), claims()), profile)).toBe('accepted');
  });

  test.each<[string, () => string]>([
    ['without a type', () => compact(key, { alg: 'RS256', kid: key.kid }, claims())],
    ['of type JOSE, as a JWT-SVID may be', () => withHeader({ typ: 'JOSE' })],
    ['of type application/jwt', () => withHeader({ typ: 'application/jwt' })],
    ['with a thumbprint of its certificate', () => withHeader({ x5t: 'abc', 'x5t#S256': 'def' })],
    ['for its audience as a list of one', () => withClaims({ aud: [AUDIENCE] })],
    ['without jti', () => compact(key, headerOf(key), without('jti'))],
    ['without sub', () => compact(key, headerOf(key), without('sub'))],
    [
      'without iat and nbf',
      () => compact(key, headerOf(key), { ...claims(), iat: undefined, nbf: undefined }),
    ],
    ['of a clock 29 s ahead', () => withClaims({ nbf: S + 29, iat: S + 29 })],
    ['that expired 29 s ago', () => withClaims({ exp: S - 29 })],
    ['with nested claims', () => withClaims({ 'kubernetes.io': { pod: { name: 'a' } } })],
    ['whose claim is a list with a good value', () => withClaims({ repository: ['other/x', 'acme/shop'] })],
    ['with letters of other languages', () => withClaims({ name: 'Zoë 王' })],
  ])('%s', async (_what, jwt) => {
    expect(await verdict(jwt())).toBe('accepted');
  });
});

const MALFORMED: readonly (readonly [string, () => string])[] = [
  ['nothing', () => ''],
  ['dots alone', () => '..'],
  ['two parts', () => `${head}.${body}`],
  ['four parts', () => `${good()}.${mark}`],
  ['five parts, as encrypted ones have', () => `${head}.${mark}.${body}.${mark}.${mark}`],
  ['no signature', () => `${head}.${body}.`],
  ['no header', () => `.${body}.${mark}`],
  ['no payload', () => `${head}..${mark}`],
  ['padding', () => `${head}=.${body}.${mark}`],
  ['a blank in front', () => ` ${good()}`],
  ['a line end behind', () => `${good()}\n`],
  ['a line end inside', () => `${head}.${body.slice(0, 40)}\n${body.slice(40)}.${mark}`],
  ['the letters of plain base64', () => `${head}.${body}.${mark.slice(0, -4)}+/+/`],
  ['another spelling of its signature', () => `${head}.${body}.${alias(mark)}`],
  ['another spelling of its payload', () => `${head}.${alias(body)}.${mark}`],
  ['a byte order mark before its claims', () => raw(`\ufeff${text}`)],
  ['a comment in its claims', () => raw(text.replace('{', '{/* */'))],
  ['a comma too many', () => raw(text.replace(/\}$/, ',}'))],
  ['a name twice', () => raw(text.replace('{', `{"aud":"x",`))],
  ['a name twice, once in escapes', () => raw(text.replace('{', `{"\\u0061ud":"x",`))],
  [
    'a name twice in its header',
    () => compact(key, `{"alg":"none","alg":"RS256","kid":"${key.kid}"}`, claims()),
  ],
  ['__proto__ for a claim', () => raw(text.replace('{', '{"__proto__":{"aud":"tasklease"},'))],
  ['a list for claims', () => raw(`[${text}]`)],
  ['a text for claims', () => raw(JSON.stringify(text))],
  ['a number for claims', () => raw('1')],
  ['null for claims', () => raw('null')],
  ['a list for a header', () => compact(key, [headerOf(key)], claims())],
  [
    'claims nested a thousand deep',
    () => raw(text.replace('{', `{"x":${'['.repeat(1000)}${']'.repeat(1000)},`)),
  ],
  [
    'a header nested a thousand deep',
    () => compact(key, `{"alg":"RS256","kid":${'['.repeat(1000)}${']'.repeat(1000)}}`, claims()),
  ],
  [
    'bytes that are no UTF-8',
    () => {
      const bad = Buffer.concat([
        Buffer.from(text.slice(0, -1)),
        Buffer.from(',"x":"'),
        Buffer.from([0xc3, 0x28]),
        Buffer.from('"}'),
      ]);
      const signed = `${head}.${bad.toString('base64url')}`;
      return `${signed}.${signature(key, signed).toString('base64url')}`;
    },
  ],
  ['a serialization in JSON', () => JSON.stringify({ protected: head, payload: body, signature: mark })],
];

const HEADERS: readonly (readonly [string, () => string])[] = [
  ['alg none', () => compact(key, { alg: 'none', typ: 'JWT' }, claims())],
  ['alg none and no signature', () => `${base64url({ alg: 'none' })}.${body}.`],
  ...['None', 'NONE', 'nOnE', ''].map((alg): readonly [string, () => string] => [
    `alg ${JSON.stringify(alg)}`,
    () => withHeader({ alg }),
  ]),
  ['no alg', () => compact(key, { kid: key.kid, typ: 'JWT' }, claims())],
  ['alg as a list', () => withHeader({ alg: ['RS256'] })],
  ['alg null', () => withHeader({ alg: null })],
  ['alg in small letters', () => withHeader({ alg: 'rs256' })],
  ['alg with a blank', () => withHeader({ alg: 'RS256 ' })],
  [
    'HS256 with the public key for a secret, in PEM',
    () => maced(pem(key), { alg: 'HS256', kid: key.kid }, claims()),
  ],
  [
    'HS256 with the public key in DER',
    () =>
      maced(key.publicKey.export({ type: 'spki', format: 'der' }), { alg: 'HS256', kid: key.kid }, claims()),
  ],
  [
    'HS256 with the public key as a JWK',
    () => maced(JSON.stringify(jwk(key)), { alg: 'HS256', kid: key.kid }, claims()),
  ],
  [
    'HS256 with the secret that the set holds',
    () => maced('a shared secret', { alg: 'HS256', kid: 'mac' }, claims()),
  ],
  ['HS384', () => maced(pem(key), { alg: 'HS384', kid: key.kid }, claims())],
  ['HS512', () => maced(pem(key), { alg: 'HS512', kid: key.kid }, claims())],
  [
    'an algorithm that the profile does not list',
    () => {
      const by = { ...key, alg: 'RS512' };
      return compact(by, headerOf(by), claims());
    },
  ],
  [
    'PS256 with a key that is meant for RS256',
    () => {
      const by = { ...key, alg: 'PS256' };
      return compact(by, headerOf(by), claims());
    },
  ],
  ['ES256 in the name of an RSA key', () => withHeader({ kid: key.kid }, ec)],
  ['RS256 in the name of an EC key', () => withHeader({ kid: ec.kid })],
  ['jwk: a key of its own', () => withHeader({ jwk: jwk(other) }, other)],
  ['jku', () => withHeader({ jku: 'https://evil.example/keys' })],
  ['x5u', () => withHeader({ x5u: 'https://evil.example/chain' })],
  ['x5c', () => withHeader({ x5c: ['MIIB'] })],
  ['crit', () => withHeader({ crit: ['exp'], exp: S + 300 })],
  ['crit, empty', () => withHeader({ crit: [] })],
  ['b64', () => withHeader({ b64: false, crit: ['b64'] })],
  ['zip', () => withHeader({ zip: 'DEF' })],
  ['p2c: a bomb of iterations', () => withHeader({ p2c: 2_147_483_647, p2s: 'x' })],
  ['PBES2', () => withHeader({ alg: 'PBES2-HS256+A128KW', p2c: 2_147_483_647 })],
  ['enc', () => withHeader({ enc: 'A256GCM' })],
  ['cty JWT: one inside another', () => withHeader({ cty: 'JWT' })],
  ['epk', () => withHeader({ epk: {} })],
  ['a claim in the header', () => withHeader({ iss: ISSUER })],
  ['a name that nobody knows', () => withHeader({ 'x-role': 'admin' })],
  ['kid as a number', () => withHeader({ kid: 1 })],
  ['kid as an object', () => withHeader({ kid: { a: 1 } })],
  ['kid empty', () => withHeader({ kid: '' })],
  ['kid of 100 kB', () => withHeader({ kid: 'x'.repeat(100_000) })],
  ['kid that is a path', () => withHeader({ kid: '../../../../dev/null' })],
  ['kid that is SQL', () => withHeader({ kid: "' OR 1=1 --" })],
  ['kid that nobody has', () => withHeader({ kid: 'nobody' })],
  ['kid __proto__', () => compact(key, `{"alg":"RS256","kid":"__proto__"}`, claims())],
  ['no kid where two keys could be meant', () => compact(key, { alg: 'RS256', typ: 'JWT' }, claims())],
  ['typ at+jwt: an access token', () => withHeader({ typ: 'at+jwt' })],
  ['typ logout+jwt', () => withHeader({ typ: 'logout+jwt' })],
  ['typ as a list', () => withHeader({ typ: ['JWT'] })],
  ['typ empty', () => withHeader({ typ: '' })],
];

const SIGNATURES: readonly (readonly [string, () => string])[] = [
  ['by another key of the same name', () => compact(other, headerOf(other), claims())],
  ['by an RSA key of 1024 bits', () => compact(weak, headerOf(weak), claims())],
  ['by a key that is for encryption', () => withHeader({ kid: 'for-encryption' })],
  ['over another payload', () => `${head}.${base64url(claims({ ref: 'refs/heads/evil' }))}.${mark}`],
  ['over another header', () => `${base64url({ alg: 'RS256', kid: key.kid })}.${body}.${mark}`],
  ['cut short', () => `${head}.${body}.${mark.slice(0, -8)}`],
  ['with bytes behind it', () => `${head}.${body}.${mark}AAAA`],
  [
    'with one bit changed',
    () => {
      const bytes = Buffer.from(mark, 'base64url');
      bytes[7]! ^= 1;
      return `${head}.${body}.${bytes.toString('base64url')}`;
    },
  ],
  ['of zeros', () => `${head}.${body}.${Buffer.alloc(256).toString('base64url')}`],
  [
    'of an EC key, r and s being 0',
    () => {
      const signed = `${base64url(headerOf(ec))}.${body}`;
      return `${signed}.${Buffer.alloc(64).toString('base64url')}`;
    },
  ],
  [
    'of an EC key, in DER',
    () => {
      const signed = `${base64url(headerOf(ec))}.${body}`;
      const raw64 = signature(ec, signed);
      const der = Buffer.concat([
        Buffer.from([0x30, 68, 2, 32]),
        raw64.subarray(0, 32),
        Buffer.from([2, 32]),
        raw64.subarray(32),
      ]);
      return `${signed}.${der.toString('base64url')}`;
    },
  ],
  [
    'of another algorithm by the same key',
    () => {
      const signed = `${base64url({ alg: 'RS256', kid: key.kid })}.${body}`;
      return `${signed}.${signature({ ...key, alg: 'RS384' }, signed).toString('base64url')}`;
    },
  ],
];

const CLAIMS: readonly (readonly [string, () => string])[] = [
  ['another issuer', () => withClaims({ iss: 'https://evil.example' })],
  ['the issuer with a slash', () => withClaims({ iss: `${ISSUER}/` })],
  ['the issuer in capitals', () => withClaims({ iss: ISSUER.toUpperCase() })],
  ['the issuer as a list', () => withClaims({ iss: [ISSUER] })],
  ['no issuer', () => compact(key, headerOf(key), without('iss'))],
  ['another audience', () => withClaims({ aud: 'vault' })],
  ['two audiences', () => withClaims({ aud: [AUDIENCE, 'vault'] })],
  ['its audience twice', () => withClaims({ aud: [AUDIENCE, AUDIENCE] })],
  ['no audience', () => compact(key, headerOf(key), without('aud'))],
  ['an empty list of audiences', () => withClaims({ aud: [] })],
  ['its audience in a list in a list', () => withClaims({ aud: [[AUDIENCE]] })],
  ['its audience as an object', () => withClaims({ aud: { 0: AUDIENCE, length: 1 } })],
  ['the audience with a blank', () => withClaims({ aud: `${AUDIENCE} ` })],
  ['no exp', () => compact(key, headerOf(key), without('exp'))],
  ['exp 30 s and more ago', () => withClaims({ exp: S - 30 })],
  ['exp in 1970', () => withClaims({ exp: 0 })],
  ['exp negative', () => withClaims({ exp: -1 })],
  ['exp as a text', () => withClaims({ exp: String(S + 300) })],
  ['exp as a fraction', () => withClaims({ exp: S + 300.5 })],
  ['exp of 1e400', () => raw(text.replace(/"exp":\d+/, '"exp":1e400'))],
  ['exp of 1e16', () => raw(text.replace(/"exp":\d+/, '"exp":1e16'))],
  ['exp in milliseconds, far beyond the year 9999', () => withClaims({ exp: NOW.wallMs + 300_000 })],
  ['exp null', () => withClaims({ exp: null })],
  ['exp true', () => withClaims({ exp: true })],
  ['exp as a list', () => withClaims({ exp: [S + 300] })],
  ['nbf 31 s ahead', () => withClaims({ nbf: S + 31 })],
  ['nbf ten years ahead', () => withClaims({ nbf: S + 315_360_000, exp: S + 315_360_300 })],
  ['nbf as a text', () => withClaims({ nbf: '0' })],
  ['nbf as a fraction', () => withClaims({ nbf: 0.5 })],
  ['nbf null', () => withClaims({ nbf: null })],
  ['iat 31 s ahead', () => withClaims({ iat: S + 31 })],
  ['iat as a text', () => withClaims({ iat: 'now' })],
  ['iat as a fraction', () => withClaims({ iat: S - 0.5 })],
  ['jti as a number', () => withClaims({ jti: 1 })],
  ['jti empty', () => withClaims({ jti: '' })],
  ['jti null', () => withClaims({ jti: null })],
  ['jti of 10 kB', () => withClaims({ jti: 'x'.repeat(10_000) })],
  ['sub as an object', () => withClaims({ sub: {} })],
];

const OTHER_TASKS: readonly (readonly [string, () => string])[] = [
  ['another repository', () => withClaims({ repository: 'evil/shop' })],
  ['a repository below the right one', () => withClaims({ repository: 'acme/shop/fork' })],
  ['a repository with the right one inside', () => withClaims({ repository: 'evil/acme/shop' })],
  ['the right repository and a line more', () => withClaims({ repository: 'acme/shop\nevil/x' })],
  ['a tag for a branch', () => withClaims({ ref: 'refs/tags/v1' })],
  ['a branch with a slash', () => withClaims({ ref: 'refs/heads/a/b' })],
  ['no repository', () => compact(key, headerOf(key), without('repository'))],
  ['a repository that is an object', () => withClaims({ repository: { name: 'acme/shop' } })],
  ['a repository that is null', () => withClaims({ repository: null })],
  ['an empty list of repositories', () => withClaims({ repository: [] })],
  ['a list of lists of repositories', () => withClaims({ repository: [['acme/shop']] })],
];

describe('an assertion is refused', () => {
  beforeAll(async () => {
    // Without this, every line below could be refused for a fault of the corpus itself.
    expect(await verdict(good())).toBe('accepted');
  });

  test.each(MALFORMED)('that has %s', async (_what, jwt) => {
    expect(await verdict(jwt())).toBe('IDENTITY_REJECTED');
  });

  test.each(HEADERS)('whose header has %s', async (_what, jwt) => {
    const both = rule({
      keys: {
        jwksFile: file('two.json', {
          keys: [
            jwk(key),
            jwk(ec),
            { ...jwk(other), kid: 'second' },
            { kty: 'oct', kid: 'mac', k: base64url('a shared secret') },
          ],
        }),
      },
    });
    expect(await verdict(jwt(), both)).toBe('IDENTITY_REJECTED');
  });

  test.each(SIGNATURES)('whose signature is %s', async (_what, jwt) => {
    expect(await verdict(jwt())).toBe('IDENTITY_REJECTED');
  });

  test.each(CLAIMS)('that has %s', async (_what, jwt) => {
    expect(await verdict(jwt())).toBe('IDENTITY_REJECTED');
  });

  test.each(OTHER_TASKS)('for a task of another kind: %s', async (_what, jwt) => {
    expect(await verdict(jwt())).toBe('PROFILE_DENIED');
  });

  test('when a public key in PEM is of another kind than the algorithm says', async () => {
    const profile = rule({ keys: { publicKeyFile: file('ec.pem', pem(ec)) } });
    expect(await verdict(good(), profile)).toBe('IDENTITY_REJECTED');
  });

  test('when the profile asks for a type and it has none, or another', async () => {
    const profile = rule({ typ: 'task+jwt' });
    expect(await verdict(withHeader({ typ: 'task+jwt' }), profile)).toBe('accepted');
    expect(await verdict(withHeader({ typ: 'application/task+jwt' }), profile)).toBe('accepted');
    expect(await verdict(good(), profile)).toBe('IDENTITY_REJECTED');
    expect(await verdict(compact(key, { alg: 'RS256', kid: key.kid }, claims()), profile)).toBe(
      'IDENTITY_REJECTED',
    );
  });

  test('in every one of more than a hundred ways', () => {
    const all = [MALFORMED, HEADERS, SIGNATURES, CLAIMS, OTHER_TASKS].flat();
    expect(new Set(all.map(([what]) => what)).size).toBeGreaterThan(130);
  });
});
