import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Examples import the package by its name. */
export const fanionAlias = [
  { find: /^fanion$/, replacement: fileURLToPath(new URL('src/bot/index.ts', import.meta.url)) },
  { find: /^fanion\/testing$/, replacement: fileURLToPath(new URL('src/bot/testing/index.ts', import.meta.url)) },
  { find: /^fanion\/simplex-chat$/, replacement: fileURLToPath(new URL('src/bot/compat/index.ts', import.meta.url)) },
];

/** The suite of `npm test`: quick and deterministic. `scripts/test.mjs` runs the recorded scenarios beside the rest. */
export default defineConfig({
  resolve: { alias: fanionAlias },
  test: {
    projects: [
      // What lies beside its source keeps nothing: files share a process, and what they import.
      { extends: true, test: { name: 'rooms', include: ['src/**/*.test.ts'], isolate: false } },
      { extends: true, test: { name: 'flows', include: ['test/**/*.test.ts', 'examples/**/*.test.ts'] } },
    ],
    pool: 'forks',
    // Twice the cores: many flows wait for time-outs of the protocol.
    maxWorkers: 4,
    setupFiles: ['test/support/seed.ts'],
    // Seeds of the short forms: fixed, so that a run can be repeated; the environment replaces them.
    env: {
      FANION_FUZZ_SEED: process.env.FANION_FUZZ_SEED ?? '20261120',
      FANION_CRASH_SEED: process.env.FANION_CRASH_SEED ?? '20261120',
    },
    // A busy CI machine gets a second try; the first failure is printed and is a bug to look into.
    retry: process.env.CI === undefined ? 0 : 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    passWithNoTests: false,
  },
});
