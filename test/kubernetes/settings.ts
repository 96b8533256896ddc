// `npm run test:kubernetes`: outside `npm test`, since it builds Kubernetes once and then takes minutes.
import { defineConfig } from 'vitest/config';
import base from '../../vitest.config.ts';

export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/kubernetes/**/*.test.ts'],
    exclude: [],
    globalSetup: ['test/harness/global-setup.ts', 'test/kubernetes/harness/global-setup.ts'],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // One machine at a time.
    fileParallelism: false,
  },
});
