// Holds a secret to what it promises: it is not told by accident, and each owner wipes its own bytes.

import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { Secret } from '../../../src/domain/secret.ts';

const text = (secret: Secret): string => Buffer.from(secret.reveal()).toString();

test.each([
  ['a Buffer', () => Buffer.from('eyJ.a.b')],
  ['a Uint8Array', () => new TextEncoder().encode('eyJ.a.b')],
])('a copy outlives the one it was made of, whose bytes were %s', (_name, bytes) => {
  const first = new Secret(bytes());
  const copy = first.copy();
  first[Symbol.dispose]();
  expect(text(copy)).toBe('eyJ.a.b');
  expect(text(first)).toBe('\0'.repeat(7));
});

test('is nowhere told as text, JSON or by an inspection', () => {
  const secret = new Secret(Buffer.from('canary'));
  expect(`${secret} ${JSON.stringify({ secret })} ${inspect(secret)}`).not.toContain('canary');
});
