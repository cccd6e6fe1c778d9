import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Examples import the package by its name. */
export const fanionAlias = [
  { find: /^fanion$/, replacement: fileURLToPath(new URL('src/bot/index.ts', import.meta.url)) },
  { find: /^fanion\/testing$/, replacement: fileURLToPath(new URL('src/bot/testing/index.ts', import.meta.url)) },
  { find: /^fanion\/simplex-chat$/, replacement: fileURLToPath(new URL('src/bot/compat/index.ts', import.meta.url)) },
];

/** Starts the recorded scenarios first: they wait much and take longest, and the rest runs beside them. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const long = (file: TestSpecification): boolean => file.moduleId.includes('/conformance/');
    return [...sorted.filter(long), ...sorted.filter((file) => !long(file))];
  }
}

/** The suite of `npm test`: quick, deterministic, below five minutes on two cores. */
export default defineConfig({
  resolve: { alias: fanionAlias },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'examples/**/*.test.ts'],
    pool: 'forks',
    // One more than cores: many flows wait for time-outs of the protocol.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    setupFiles: ['test/support/seed.ts'],
    // Seeds of the short forms: fixed, so that a run can be repeated; the environment replaces them.
    env: {
      FANION_FUZZ_SEED: process.env.FANION_FUZZ_SEED ?? '20261120',
      FANION_CRASH_SEED: process.env.FANION_CRASH_SEED ?? '20261120',
    },
    // A busy CI machine gets a second try; the first failure is printed and is a bug to look into.
    retry: process.env.CI === undefined ? 0 : 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    passWithNoTests: false,
  },
});
