// Holds the README's framework tables to the tests they name: an auditor who follows one finds it.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './sources.ts';

const section = readFileSync(join(ROOT, 'README.md'), 'utf8').split('### Frameworks')[1]!.split('\n## ')[0]!;
const rows = section.split('\n').filter((line) => /^\| (?!-)/.test(line) && !/shown by/.test(line));

test.each(rows.map((row) => row.split('|').map((cell) => cell.trim())))(
  '%s%s names a control and tests that exist',
  (_, item, control, shown) => {
    expect(item!.length).toBeGreaterThan(4);
    expect(control!.length).toBeGreaterThan(10);
    const named = [...shown!.matchAll(/`([^`]+)`/g)].map(([, path]) => path!);
    expect(named.length).toBeGreaterThan(0);
    for (const path of named) {
      expect(path).toMatch(/^test\/.*\.test\.ts$/);
      expect(existsSync(join(ROOT, path)), path).toBe(true);
      expect(readFileSync(join(ROOT, path), 'utf8')).toMatch(/\b(?:test|describe|scenarios?)\b/);
    }
  },
);

test('each framework is there whole', () => {
  const has = (pattern: RegExp, count: number) =>
    expect(
      rows.filter((row) => pattern.test(row)),
      String(pattern),
    ).toHaveLength(count);
  has(/^\| NHI\d+ /, 10);
  has(/^\| ASI\d\d /, 10);
  has(/PR\.AA-05 \(PR\.AC-4 in 1\.1\)/, 1);
  has(/^\| [1-7] /, 7);
});
