import { configDefaults, defineConfig } from 'vitest/config';
import base from './vitest.config.ts';

// All chaos scenarios and every crash point; `npm test` runs the most telling of them (test/harness/long.ts).
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/chaos/**/*.test.ts', 'test/crash/**/*.test.ts', 'test/long/**/*.test.ts'],
    exclude: configDefaults.exclude,
    env: { TASKLEASE_LONG: '1' },
  },
});
