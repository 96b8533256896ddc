// Owns the results of policy test as JUnit XML, which CI systems show. Invariant: no text breaks the document.

import type { Trial } from './neighbours.ts';

export interface Result extends Trial {
  readonly found: 'allowed' | 'denied';
  readonly says: string;
}

const escaped = (text: string): string =>
  text.replace(/[^\t\n\r -\uFFFD]/g, '?').replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

export function printJunit(results: readonly Result[]): string {
  const profiles = [...new Set(results.map(({ profile }) => profile))];
  const suites = profiles.map((name) => {
    const own = results.filter(({ profile }) => profile === name);
    const failures = own.filter(({ found, expect }) => found !== expect).length;
    const cases = own.map(({ what, kind, found, expect, says }) => {
      const head = `    <testcase classname="${escaped(name)}" name="${escaped(`${what} is ${expect} (${kind})`)}"`;
      return found === expect ? `${head}/>` : `${head}><failure message="${escaped(says)}"/></testcase>`;
    });
    return [
      `  <testsuite name="${escaped(name)}" tests="${own.length}" failures="${failures}">`,
      ...cases,
      '  </testsuite>',
    ].join('\n');
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${suites.join('\n')}\n</testsuites>\n`;
}
