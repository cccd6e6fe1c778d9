import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Examples import the package by its name. */
export const fanionAlias = [
  { find: /^fanion$/, replacement: fileURLToPath(new URL('src/bot/index.ts', import.meta.url)) },
  { find: /^fanion\/testing$/, replacement: fileURLToPath(new URL('src/bot/testing/index.ts', import.meta.url)) },
  { find: /^fanion\/simplex-chat$/, replacement: fileURLToPath(new URL('src/bot/compat/index.ts', import.meta.url)) },
];

/** The suite of `npm test`: quick, deterministic, below five minutes on two cores. */
export default defineConfig({
  resolve: { alias: fanionAlias },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'examples/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    passWithNoTests: false,
  },
});
