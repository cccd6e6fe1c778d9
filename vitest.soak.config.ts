import { defineConfig } from 'vitest/config';

/** The suite of `npm run soak`: crash matrices, chaos, fuzzing in their full form. */
export default defineConfig({
  test: {
    include: ['src/**/*.soak.ts', 'test/**/*.soak.ts'],
    pool: 'forks',
    maxWorkers: 1,
    retry: process.env.CI === undefined ? 0 : 1,
    testTimeout: 1_200_000,
    hookTimeout: 120_000,
    passWithNoTests: false,
  },
});
