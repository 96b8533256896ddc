// Owns the shape of the source files: names, the opening comment, size, and what the product never says.

import { describe, expect, test } from 'vitest';
import { sources } from './sources.ts';

const files = sources();
const tests = sources('test');
const MAX_LINES = 260;

describe('source files', () => {
  test('are named in kebab-case', () => {
    const odd = [...files, ...tests]
      .map(({ path }) => path)
      .filter(
        (path) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*(\.(test|bench|d))?\.ts$/.test(path),
      );
    expect(odd).toEqual([]);
  });

  test('open with a comment that says what they own', () => {
    const silent = [...files, ...tests]
      .filter(({ text }) => !/^(#![^\n]*\n)?(\/\/ \S|\/\*\*? ?\S?)/.test(text))
      .map(({ path }) => path);
    expect(silent).toEqual([]);
  });

  test(`have at most ${MAX_LINES} lines`, () => {
    expect(
      files.filter(({ lines }) => lines > MAX_LINES).map(({ path, lines }) => `${path}: ${lines}`),
    ).toEqual([]);
  });

  test('have no banner comments', () => {
    expect(files.filter(({ text }) => /^\s*\/\/\s*[-=*#]{4,}/m.test(text)).map(({ path }) => path)).toEqual(
      [],
    );
  });
});

describe('tests', () => {
  test('none is skipped, focused or left for later', () => {
    const word = ['skip', 'only', 'todo', 'skipIf', 'runIf', 'fails'].join('|');
    const call = new RegExp(`\\b(?:test|it|describe)(?:\\.\\w+)*\\.(?:${word})\\b`);
    expect(tests.filter(({ text }) => call.test(text)).map(({ path }) => path)).toEqual([]);
  });
});
