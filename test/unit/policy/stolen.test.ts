// The page about what a thief could do promises nothing that no test shows.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../../architecture/sources.ts';

const page = readFileSync(join(ROOT, 'vault-policies/STOLEN.md'), 'utf8');
const rows = page.split('\n').filter((line) => /^\| (?:both|child|jwt) \|/.test(line));

test.each(rows)('%s', (row) => {
  const [, file, name] = /\| `(test\/[^`]+\.test\.ts)` › (.+?) \|$/.exec(row) ?? [];
  expect(file, 'names a test').toBeDefined();
  expect(readFileSync(join(ROOT, file!), 'utf8')).toContain(name!.replaceAll("\\'", "'"));
});

test('every kind of theft has its rows', () => {
  expect(page.match(/^## .+$/gm)).toEqual([
    '## A session token',
    '## A task token',
    '## An assertion',
    '## A compromised agent',
  ]);
  expect(rows.length).toBeGreaterThan(15);
});
