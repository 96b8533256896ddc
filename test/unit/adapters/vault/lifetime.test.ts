// Owns what replies without a lease say of their own end: where nothing is known, nothing is said.

import { describe, expect, test, vi } from 'vitest';
import { lifetime } from '../../../../src/adapters/vault/lifetime.ts';
import { validBefore } from '../../../../src/adapters/vault/ssh-certificate.ts';
import type { TimedAsk } from '../../../../src/domain/ask.ts';

const ask = (more: Partial<TimedAsk> = {}): TimedAsk => ({
  secret: 's',
  method: 'read',
  path: 'a/b',
  files: [],
  ...more,
});
const NOW = 1_795_876_909_000;
/** Made by Vault 1.21 with `ttl: 300s`. */
const SIGNED = `ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIAKDCyDrMptnNHLnoW80aQ+tWTCFqhqyhWhqnRj4PNYWAAAAIBhPdMOu+Bn2y29h0C5nDIxE8rhUmNWn8nSAh6QHmAJ6MoQWQ+bav/YAAAABAAAAS3ZhdWx0LXJvb3QtMTlkOTE5MjIzNTZhMTUyYTJjZmNjZTFlNzQxNDcxZDM2Y2VmNjdhMzhmZDYwZDFjMThkNzVjZmUzZGY4NDc0ZgAAAAcAAAADYXBwAAAAAGsK6A8AAAAAawrpWQAAAAAAAAASAAAACnBlcm1pdC1wdHk=`;

describe('the end of', () => {
  test.each<[string, Record<string, unknown>, string | undefined, Partial<TimedAsk>, unknown]>([
    [
      'a stored secret is its owner’s',
      { ttl: 5, rotation_period: 1, last_vault_rotation: 'x' },
      'kv',
      {},
      { ttlMs: null },
    ],
    ['a code is not known', { code: '123456' }, 'totp', {}, { ttlMs: null }],
    [
      'a code with a period is the next change',
      { code: '1' },
      'totp',
      { periodMs: 30_000 },
      { ttlMs: 11_000, follows: true },
    ],
    [
      'a certificate is what it says',
      { certificate: 'C', serial_number: '1', expiration: NOW / 1000 + 60 },
      'pki',
      {},
      { ttlMs: 60_000 },
    ],
    [
      'one that has ended is now',
      { certificate: 'C', serial_number: '1', expiration: 5 },
      'pki',
      {},
      { ttlMs: 0 },
    ],
    [
      'an SSH certificate is its valid before',
      { signed_key: SIGNED, serial_number: '1' },
      'ssh',
      {},
      { ttlMs: 300_000 },
    ],
    [
      'an unreadable one is not known',
      { signed_key: 'ssh-ed25519-cert-v01@openssh.com AAAA' },
      'ssh',
      {},
      { ttlMs: null },
    ],
    [
      'a static role is its rotation',
      { ttl: 12, rotation_period: 60, last_vault_rotation: 'x' },
      'database',
      {},
      { ttlMs: 12_000, follows: true },
    ],
    [
      'a static role on a schedule is its rotation',
      { ttl: 0, rotation_schedule: '* * * * *', last_vault_rotation: 'x' },
      'database',
      {},
      { ttlMs: 0, follows: true },
    ],
    ['a reply with a field called ttl is not known', { ttl: 12 }, 'generic', {}, { ttlMs: null }],
  ])('%s', (_what, data, mount, more, expected) => {
    vi.useFakeTimers({ now: NOW });
    try {
      const got = lifetime(data, mount, ask(more));
      if ('signed_key' in data && got.ttlMs !== null) expect(Math.round(got.ttlMs / 1000)).toBe(300);
      else expect(got).toEqual(expected);
    } finally {
      vi.useRealTimers();
    }
  });
});

test('an SSH certificate without an end has none, and a plain key is no certificate', () => {
  const [type, base64] = SIGNED.split(' ') as [string, string];
  const bytes = Buffer.from(base64, 'base64');
  const end = bytes.indexOf(Buffer.from('6b0ae959', 'hex')) - 4;
  bytes.fill(0xff, end, end + 8);
  expect(validBefore(SIGNED)).toBe(NOW / 1000 + 300);
  expect(validBefore(`${type} ${bytes.toString('base64')}`)).toBeNull();
  expect(validBefore('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBhP')).toBeNull();
});
