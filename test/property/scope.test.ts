// Owns the laws of scope: no start, whatever it says, makes a plan ask Vault for more than its profile wrote,
// and no template ever leaves its segment.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isSegment, isTaskId } from '../../src/domain/ids.ts';
import { Problem } from '../../src/domain/problem.ts';
import { settle } from '../../src/domain/task-spec.ts';
import { renderSegments } from '../../src/domain/template.ts';
import { at, caller, instant, PROFILE, profile } from '../unit/domain/samples.ts';

const nasty = fc.constantFrom(
  '.',
  '..',
  '/',
  '%2e',
  '%2F',
  '?',
  '#',
  '*',
  '+',
  '\n',
  '\r',
  '\0',
  ' ',
  '\\',
  '{{',
  '}}',
);
/** Mostly texts near the edge of what a segment may be. */
const values = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.stringMatching(/^[A-Za-z0-9._~@:=,-]{1,20}$/),
  fc
    .array(fc.oneof(nasty, fc.stringMatching(/^[a-z]{0,3}$/)), { maxLength: 5 })
    .map((parts) => parts.join('')),
);
/** Templates of a path: segments of text and slots, with dots beside the slots. */
const templates = fc
  .array(
    fc
      .array(
        fc.oneof(
          fc.constantFrom('{{a}}', '{{b}}', '{{ a }}', '.', '-', '_'),
          fc.stringMatching(/^[a-z]{1,4}$/),
        ),
        {
          minLength: 1,
          maxLength: 4,
        },
      )
      .map((parts) => parts.join(''))
      .filter((segment) => segment !== '.' && !segment.includes('..')),
    { minLength: 1, maxLength: 5 },
  )
  .map((segments) => segments.join('/'));

/** The result, or null when it was refused with SIGNAL_INVALID. */
function orRefused<T>(make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    if (error instanceof Problem && error.code === 'SIGNAL_INVALID') return null;
    throw error;
  }
}

describe('templates', () => {
  test('a rendered path has the segments of its template, and nothing that Vault or a URL reads otherwise', () => {
    fc.assert(
      fc.property(templates, values, values, (template, a, b) => {
        const rendered = orRefused(() => renderSegments(template, (name) => (name === 'a' ? a : b)));
        if (rendered === null) {
          const used = [
            ...(/\{\{ ?a ?\}\}/.test(template) ? [a] : []),
            ...(template.includes('{{b}}') ? [b] : []),
          ];
          expect(used.some((value) => !isSegment(value))).toBe(true);
          return;
        }
        const segments = rendered.split('/');
        expect(segments.length).toBe(template.split('/').length);
        expect(rendered).toMatch(/^[A-Za-z0-9._~@:=,/-]+$/);
        expect(segments.some((segment) => segment === '.' || segment === '..' || segment === '')).toBe(false);
        // What a URL parser makes of it is the same path: nothing is collapsed, decoded or cut off.
        expect(new URL(`http://vault/v1/${rendered}`).pathname).toBe(`/v1/${rendered}`);
      }),
      { numRuns: 4000 },
    );
  });

  test('a value with a slash, a wildcard, an escape or a blank is always refused', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 6 }), nasty, fc.string({ maxLength: 6 }), (head, bad, tail) => {
        if (bad === '.' && isSegment(head + bad + tail)) return;
        expect(orRefused(() => renderSegments('kv/{{a}}', () => head + bad + tail))).toBeNull();
      }),
      { numRuns: 2000 },
    );
  });
});

describe('plans', () => {
  const rules = profile({
    params: {
      env: { pattern: '[\\s\\S]*', optional: false },
      free: { pattern: '[\\s\\S]*', optional: true },
    },
    entityAlias: 'e-{{params.env}}',
    secrets: [
      { name: 'db', path: 'database/creds/report-{{params.env}}', method: 'read', files: [] },
      { name: 'kv', path: 'secret/data/{{task.id}}/{{params.env}}', method: 'read', files: [] },
    ],
  });
  const taskIds = fc.oneof(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/), values).filter(isTaskId);
  const starts = fc.record(
    {
      params: fc.oneof(
        { weight: 3, arbitrary: fc.record({ env: values, free: values }, { requiredKeys: ['env'] }) },
        fc.dictionary(fc.oneof(fc.constantFrom('env', 'x', '__proto__'), fc.string()), values),
      ),
      durationMs: fc.integer({ min: -1000, max: 8_000_000 }),
      event: fc.record({ type: values, id: values }),
    },
    { requiredKeys: ['params'] },
  );

  test('granted is a subset of the profile: its policies, its mounts, its max', () => {
    let granted = 0;
    fc.assert(
      fc.property(taskIds, starts, (task, signal) => {
        const settled = orRefused(() =>
          settle(task, rules, { profile: PROFILE, ...signal }, caller(), at(0)),
        );
        if (settled === null) return;
        granted += 1;
        expect(settled.plan.policies).toEqual(rules.policies);
        // As it is in the path, and nothing that Vault would read otherwise in a policy or take for another name.
        expect(settled.plan.entityAlias).toBe(`e-${settled.params.env}`);
        expect(settled.plan.entityAlias).toMatch(/^[a-z0-9._~@:=,-]{1,255}$/);
        const [db, kv] = settled.plan.asks;
        expect(settled.plan.asks.length).toBe(2);
        expect(db!.path).toMatch(/^database\/creds\/report-[^/]+$/);
        expect(kv!.path).toMatch(/^secret\/data\/[^/]+\/[^/]+$/);
        expect(settled.expiresAt).toBeGreaterThan(instant(0));
        expect(settled.expiresAt - instant(0)).toBeLessThanOrEqual(rules.ttl.maxMs);
        expect(settled.deadline - settled.expiresAt).toBe(rules.ttl.graceMs);
        expect(Object.keys(settled.params).every((name) => Object.hasOwn(rules.params, name))).toBe(true);
      }),
      { numRuns: 3000 },
    );
    expect(granted).toBeGreaterThan(50);
  });
});
