// Owns the last line of a test run, "N passed, N failed", which scripts read.

import type { Reporter, TestModule } from 'vitest/node';

export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    let failed = errors.length;
    let other = 0;
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed += 1;
        else if (state === 'failed') failed += 1;
        else other += 1;
      }
      // A file that could not be loaded has no tests to fail.
      failed += module.errors().length;
    }
    const skipped = other === 0 ? '' : `, ${other} skipped`;
    process.on('exit', () => process.stdout.write(`\n${passed} passed, ${failed} failed${skipped}\n`));
  }
}
