// Owns what several requests come to together: their values, or the failure that asks for the most patience.

import { expect, test } from 'vitest';
import { Problem } from '../../../src/domain/problem.ts';
import { throwSlowest } from '../../../src/engine/failures.ts';
import { VaultFailure } from '../../../src/ports/vault.ts';

const busy = (retryAfterMs?: number) =>
  new VaultFailure(
    'later',
    new Problem('VAULT_UNREACHABLE', 'busy', retryAfterMs === undefined ? {} : { retryAfterMs }),
  );

test('all well: the values, in order', async () => {
  expect(throwSlowest(await Promise.allSettled([1, Promise.resolve(2), 3]))).toEqual([1, 2, 3]);
  expect(throwSlowest([])).toEqual([]);
});

test('the longest Retry-After wins over others, and over failures that name none', async () => {
  const long = busy(9000);
  const all = [
    Promise.reject(busy()),
    Promise.reject(busy(2000)),
    Promise.reject(long),
    1,
    Promise.reject(new Error('x')),
  ];
  const results = await Promise.allSettled(all);
  expect(() => throwSlowest(results)).toThrow(long);
});

test('a failure that is none of Vault is thrown as it is', async () => {
  const odd = new Error('odd');
  const results = await Promise.allSettled([1, Promise.reject(odd)]);
  expect(() => throwSlowest(results)).toThrow(odd);
});
