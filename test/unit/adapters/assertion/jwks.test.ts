// Owns what becomes of keys that are had by a URI, from a real server on loopback that is well, down or hostile.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openAssertions } from '../../../../src/adapters/assertion/assertions.ts';
import { KeySources } from '../../../../src/adapters/assertion/key-source.ts';
import type { AssertionRule } from '../../../../src/domain/assertion.ts';
import { Secret } from '../../../../src/domain/secret.ts';
import { AUDIENCE, assertionOf, ISSUER, jwk, type SigningKey, signingKey } from '../../../harness/issuer.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const first = signingKey('ES256', 'first');
const second = signingKey('ES256', 'second');
const HOUR_MS = 3_600_000;

const opened: Server[] = [];
afterEach(() => {
  for (const server of opened.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(handler: Handler): Promise<string> {
  const server = createServer(handler);
  opened.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const serving =
  (...keys: readonly SigningKey[]): Handler =>
  (_request, response) =>
    response.end(JSON.stringify({ keys: keys.map(jwk) }));

/** An issuer whose answer can be changed, and an agent whose clock can be. */
async function issuer(handler: Handler) {
  const seen = { requests: 0, now: 0, handler };
  const uri = await listen((request, response) => {
    seen.requests += 1;
    seen.handler(request, response);
  });
  const assertions = openAssertions(new KeySources(() => seen.now));
  const rule: AssertionRule = {
    issuer: ISSUER,
    audience: AUDIENCE,
    algorithms: ['ES256'],
    claims: {},
    capsTtl: false,
    keys: { jwksUri: `${uri}/keys`, maxStaleMs: 24 * HOUR_MS },
  };
  const present = (key: SigningKey) =>
    assertions.verify(rule, new Secret(Buffer.from(assertionOf(key)))).then(
      () => 'taken',
      (error: Error & { retryable?: boolean }) =>
        `${error.message}${error.retryable === true ? ', for now' : ''}`,
    );
  return { seen, present };
}

const down: Handler = (request) => request.socket.destroy();

test('keys are fetched once and serve ten minutes', async () => {
  const { seen, present } = await issuer(serving(first));
  expect(await Promise.all([present(first), present(first), present(first)])).toEqual([
    'taken',
    'taken',
    'taken',
  ]);
  seen.now += 599_000;
  expect(await present(first)).toBe('taken');
  expect(seen.requests).toBe(1);
  seen.now += 2000;
  expect(await present(first)).toBe('taken');
  expect(seen.requests).toBe(2);
});

test('a key that is new at the issuer is found at once', async () => {
  const { seen, present } = await issuer(serving(first));
  await present(first);
  seen.handler = serving(first, second);
  seen.now += 31_000;
  expect(await present(second)).toBe('taken');
  expect(seen.requests).toBe(2);
});

test('ten thousand made-up key ids cost the issuer one request in 30 s', async () => {
  const { seen, present } = await issuer(serving(first));
  await present(first);
  seen.now += 31_000;
  for (let i = 0; i < 10_000; i += 500) {
    const flood = Array.from({ length: 500 }, (_, n) => present({ ...second, kid: `made-up-${i + n}` }));
    expect(new Set(await Promise.all(flood))).toEqual(
      new Set(['the assertion is refused: its issuer has no such key']),
    );
  }
  expect(seen.requests).toBe(2);
  expect(await present(first)).toBe('taken');
});

test('a key that the issuer has withdrawn is good no longer than ten minutes', async () => {
  const { seen, present } = await issuer(serving(first));
  await present(first);
  seen.handler = serving(second);
  seen.now += 601_000;
  expect(await present(first)).toContain('no such key');
});

test('the last good keys hold while the issuer is down, for the stated time and no longer', async () => {
  const { seen, present } = await issuer(serving(first));
  await present(first);
  seen.handler = down;
  seen.now += 23 * HOUR_MS;
  expect(await present(first)).toBe('taken');
  seen.now += HOUR_MS + 1000;
  expect(await present(first)).toMatch(/too old, for now$/);
  seen.handler = serving(first);
  seen.now += 31_000;
  expect(await present(first)).toBe('taken');
});

test('an issuer that is down is asked every 30 s at most, and nobody waits for it in between', async () => {
  const { seen, present } = await issuer(down);
  for (let i = 0; i < 20; i += 1) expect(await present(first)).toMatch(/cannot be had.*, for now$/);
  expect(seen.requests).toBe(1);
  seen.now += 30_000;
  seen.handler = serving(first);
  expect(await present(first)).toBe('taken');
});

const endless: Handler = (_request, response) => {
  const block = Buffer.alloc(65_536, 0x20);
  const more = () => {
    while (response.write(block));
    response.once('drain', more);
  };
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '10737418240' });
  more();
};

test.each<[string, Handler, RegExp]>([
  ['a body of 10 GB', endless, /longer than 256 KiB/],
  ['a page', (_request, response) => response.end('<html><body>Sign in</body></html>'), /no JSON/],
  [
    'a redirect',
    (_request, response) => response.writeHead(302, { location: '/elsewhere' }).end(),
    /answered 302/,
  ],
  ['an error', (_request, response) => response.writeHead(500).end('{"keys":[]}'), /answered 500/],
  ['no body', (_request, response) => response.end(), /no JSON/],
  [
    'half a body',
    (_request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{"keys":[');
      setTimeout(() => response.destroy(), 20);
    },
    /broke off|aborted|hang up/,
  ],
  ['a list', (_request, response) => response.end('[]'), /no JWK Set/],
  ['keys that are no list', (_request, response) => response.end('{"keys":{}}'), /no JWK Set/],
  [
    '101 keys',
    (_request, response) => response.end(JSON.stringify({ keys: Array(101).fill(jwk(first)) })),
    /more than 100/,
  ],
  [
    'a header of 64 kB',
    (_request, response) => response.writeHead(200, { 'x-long': 'x'.repeat(65_536) }).end('{}'),
    /./,
  ],
])('an issuer that answers with %s has given no keys, and harms nothing', async (_what, handler, why) => {
  const { seen, present } = await issuer(handler);
  const before = process.memoryUsage().rss;
  expect(await present(first)).toMatch(why);
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
  seen.handler = serving(first);
  seen.now += 30_000;
  expect(await present(first)).toBe('taken');
});

test('a redirect is not followed', async () => {
  let followed = 0;
  const elsewhere = await listen((request, response) => {
    followed += 1;
    serving(first)(request, response);
  });
  const { present } = await issuer((_request, response) =>
    response.writeHead(307, { location: elsewhere }).end(),
  );
  expect(await present(first)).toContain('answered 307');
  expect(followed).toBe(0);
});

test('an issuer that sends a byte now and then is given up after 5 s', async () => {
  const { present } = await issuer((_request, response) => {
    const drip = setInterval(() => response.write(' '), 50);
    response.on('close', () => clearInterval(drip));
  });
  expect(await present(first)).toMatch(/within 5 s, for now$/);
});

test('keys that nobody can use are passed over: private ones, symmetric ones, kinds to come', async () => {
  const strange = [
    { ...first.privateKey.export({ format: 'jwk' }), kid: 'first', alg: 'ES256' },
    { kty: 'oct', kid: 'first', k: 'AAAA' },
    { kty: 'AKP', kid: 'first', alg: 'ML-DSA-44', pub: 'AAAA' },
    { kty: 'EC', kid: 'first', crv: 'P-256', x: 'AAAA', y: 'AAAA', alg: 'ES384' },
    null,
    'key',
    [],
  ];
  const { present } = await issuer((_request, response) =>
    response.end(JSON.stringify({ keys: [...strange, jwk(second)] })),
  );
  expect(await present(second)).toBe('taken');
  expect(await present(first)).toContain('no such key');
});

test('a file of keys that is bad leaves the last good one, is told once, and again when it is right', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tasklease-keys-'));
  const file = join(dir, 'keys.json');
  const told: string[] = [];
  const news = {
    fault: (key: string, sentence: string) => void told.push(`${key}: ${sentence}`.replaceAll(dir, '')),
    mended: (key: string) => void told.push(`${key} mended`.replaceAll(dir, '')),
  };
  const sources = new KeySources(() => 0, news);
  const keys = { jwksFile: file };
  const found = async ({ kid }: { kid: string }) =>
    (await sources.key(keys, { alg: 'ES256', kid })) !== null ? 'found' : 'none';
  const text = (...all: readonly SigningKey[]) => JSON.stringify({ keys: all.map(jwk) });
  try {
    sources.look(keys);
    expect(told).toEqual([expect.stringContaining('jwks_file /keys.json: ')]);
    await expect(sources.key(keys, { alg: 'ES256', kid: 'first' })).rejects.toThrow('keys.json');
    writeFileSync(file, text(first));
    expect(await found({ kid: 'first' })).toBe('found');
    for (const bad of [text(second).slice(0, 40), '{"keys":7}']) {
      writeFileSync(file, bad);
      sources.look(keys);
      expect([await found({ kid: 'first' }), await found({ kid: 'second' })]).toEqual(['found', 'none']);
    }
    writeFileSync(file, text(second));
    expect([await found({ kid: 'first' }), await found({ kid: 'second' })]).toEqual(['none', 'found']);
    expect(told.slice(1)).toEqual([
      'jwks_file /keys.json mended',
      'jwks_file /keys.json: /keys.json cannot be used: it is no JSON',
      'jwks_file /keys.json: /keys.json cannot be used: it gave no JWK Set',
      'jwks_file /keys.json mended',
    ]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
