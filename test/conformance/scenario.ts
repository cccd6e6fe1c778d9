import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import type { Clock } from '../../src/core/index.js';
import { runScenario } from './lib.mjs';
import { startNetwork } from './network.js';
import { compare, normalise } from './normal.mjs';

interface StepDifference {
  readonly step: string;
  readonly lines: readonly string[];
}

/** What commands marked `newer` leave behind, which the recorded version did not parse. */
const newer = /\.customData: extra/;

/** What a run that failed leaves out. */
const emptyTranscript = { scenario: '', passed: false, error: undefined, steps: [], otherEvents: {} };

/**
 * Some recorded steps look at a chat while a receipt or a probe is on its way, and show what the official program's
 * speed made of it. Ours is another: then the scenario is run again. What is wrong is wrong each time.
 */
export const scenarioOptions = { timeout: 180_000, retry: 5 } as const;

/** Runs a scenario and expects that every step equals what the official program answered. */
export async function expectScenario(name: string, clock?: Clock): Promise<void> {
  const { default: scenario } = await import(`./scenarios/${name}.mjs`);
  const network = await startNetwork(scenario.actors, undefined, clock);
  try {
    const transcript: object = await runScenario(scenario, network.urls);
    const got = normalise({ ...emptyTranscript, ...transcript });
    const golden = JSON.parse(await readFile(new URL(`./golden/${name}.json`, import.meta.url), 'utf8'));
    const out: readonly StepDifference[] = compare(golden, got).out;
    const lines = out
      .map((o) => ({ step: o.step, lines: o.lines.filter((l) => !newer.test(l)) }))
      .filter((o) => o.lines.length > 0)
      .flatMap((o) => [o.step, ...o.lines.map((l) => `    ${l}`)]);
    expect(lines.join('\n')).toBe('');
  } finally {
    await network.close();
  }
}
