// W3C Trace Context, as its specification decides: what is valid is taken, all else counts as not given.

import { expect, test } from 'vitest';
import { idsOf, traceContext } from '../../../src/domain/trace.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const GOOD = `00-${TRACE}-${SPAN}-01`;

test.each([
  [GOOD, GOOD],
  [`00-${TRACE}-${SPAN}-00`, `00-${TRACE}-${SPAN}-00`],
  // Other flags are not ours to pass on; a later version is read as far as this one goes.
  [`00-${TRACE}-${SPAN}-03`, GOOD],
  [`cc-${TRACE}-${SPAN}-01`, GOOD],
  [`cc-${TRACE}-${SPAN}-01-what-comes-later`, GOOD],
])('%s is taken', (given, parent) => {
  expect(traceContext(given)).toEqual({ parent });
});

test.each([
  [undefined],
  [''],
  [['a', 'b']],
  [`00-${TRACE}-${SPAN}`],
  [`00-${TRACE}-${SPAN}-01-more`],
  [`00-${TRACE}-${SPAN}-01 00`],
  [`cc-${TRACE}-${SPAN}-01.later`],
  [`ff-${TRACE}-${SPAN}-01`],
  [`00-${'0'.repeat(32)}-${SPAN}-01`],
  [`00-${TRACE}-${'0'.repeat(16)}-01`],
  [`00-${TRACE.toUpperCase()}-${SPAN}-01`],
  [`00-${TRACE.slice(1)}-${SPAN}-01`],
  // Two headers, as Node joins them.
  [`${GOOD}, ${GOOD}`],
])('%j is not', (given) => {
  expect(traceContext(given, 'a=b')).toBeNull();
});

test.each([
  ['a=b', 'a=b'],
  ['vendor=x, tenant@system=y ,, other=z', 'vendor=x,tenant@system=y,other=z'],
  ['a=b,a=c', null],
  ['A=b', null],
  ['a', null],
  ['a=b=c', null],
  ['', null],
  [`a=${'x'.repeat(600)}`, null],
  [Array.from({ length: 33 }, (_, n) => `a${n}=b`).join(','), null],
])('the state %s comes along as %s, and never costs the parent', (given, state) => {
  expect(traceContext(GOOD, given)).toEqual({ parent: GOOD, ...(state === null ? {} : { state }) });
});

test('its ids', () => {
  expect(idsOf(GOOD)).toEqual({ traceId: TRACE, spanId: SPAN, sampled: true });
  expect(idsOf(`00-${TRACE}-${SPAN}-00`).sampled).toBe(false);
});
