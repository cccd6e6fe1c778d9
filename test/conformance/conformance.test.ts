import { describe, test } from 'vitest';
import { slowClock } from './network.js';
import { expectScenario, scenarioOptions } from './scenario.js';

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

/** Messages of 2 s have to be there at the end of this one, however busy the machine is. */
const slow = new Map([['preferences', slowClock(4)]]);

/** `CONFORMANCE=messages,groups npx vitest run test/conformance` runs these scenarios only, whatever they are. */
const asked = process.env['CONFORMANCE']?.split(',') ?? scenarios;

describe('the bot API answers as the official program', () => {
  test.each(asked)('%s', scenarioOptions, (name) => expectScenario(name, slow.get(name)));
});
