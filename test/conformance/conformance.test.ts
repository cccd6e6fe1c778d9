import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { runScenario } from './lib.mjs';
import { slowClock, startNetwork } from './network.js';
import { compare, normalise } from './normal.mjs';

interface StepDifference {
  readonly step: string;
  readonly lines: readonly string[];
}

/** Scenarios whose every step equals what the official program answered. */
const scenarios = [
  'users',
  'users-hidden',
  'bot-profile',
  'address',
  'connect-invitation',
  'connect-address',
  'accept-request',
  'start-stop',
  'errors',
  'messages',
  'chat-queries',
  'contents',
  'files',
  'preferences',
  'limits',
  'cli-commands',
] as const;

/** What commands marked `newer` leave behind, which the recorded version did not parse. */
const newer = /\.customData: extra/;

/** Messages of 2 s have to be there at the end of this one, however busy the machine is. */
const slow = new Map([['preferences', slowClock(4)]]);

/** What a run that failed leaves out. */
const emptyTranscript = { scenario: '', passed: false, error: undefined, steps: [], otherEvents: {} };

/** `CONFORMANCE=messages,groups npx vitest run test/conformance` runs others, too. */
const asked = process.env['CONFORMANCE']?.split(',') ?? scenarios;

describe('the bot API answers as the official program', () => {
  test.each(asked)('%s', { timeout: 180_000 }, async (name) => {
    const { default: scenario } = await import(`./scenarios/${name}.mjs`);
    const network = await startNetwork(scenario.actors, undefined, slow.get(name));
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
  });
});
