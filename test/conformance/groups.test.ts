import { describe, test } from 'vitest';
import { expectScenario, scenarioOptions } from './scenario.js';

/** Scenarios about groups, and those that need them. */
const scenarios = [
  'groups',
  'group-link',
  'group-events',
  'moderation',
  'knocking',
  'mentions-and-reports',
  'business',
  'business-contact',
  'plans',
  'prepared-chats',
  'progress-events',
  'delete-chats',
] as const;

// Who asks for certain scenarios gets them from conformance.test.ts.
describe.skipIf(process.env['CONFORMANCE'] !== undefined)('groups answer as those of the official program', () => {
  test.each(scenarios)('%s', scenarioOptions, (name) => expectScenario(name));
});
