import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // What waits for minutes: npm run test:chaos, npm run test:kubernetes.
    exclude: [...configDefaults.exclude, 'test/long/**', 'test/kubernetes/**'],
    // test:quick starts no server, so it must not wait for a Vault to be built.
    globalSetup: process.env.npm_lifecycle_event === 'test:quick' ? [] : ['test/harness/global-setup.ts'],
    reporters: ['default', './test/harness/tally-reporter.ts'],
    // Upper bounds for a slow machine; no test measures speed.
    testTimeout: 180_000,
    hookTimeout: 300_000,
    // A process a file: the tests start servers and signal processes.
    pool: 'forks',
    maxWorkers: 2,
  },
});
