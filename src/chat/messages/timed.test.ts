import { describe, expect, test } from 'vitest';
import type { FeatureAllowed, Preferences } from '../../api/index.js';
import { mergePreferences } from '../preferences/merge.js';
import { contactTimed, receiveTimed, sendTimed } from './timed.js';

function setting(user: FeatureAllowed, contact: FeatureAllowed, ttl?: number) {
  const overrides: Preferences = { timedMessages: { allow: user, ttl } };
  const merged = mergePreferences(
    { preferences: undefined, incognito: false, overrides },
    { timedMessages: { allow: contact } },
  );
  return contactTimed(merged);
}

describe('disappearing messages', () => {
  test('are off when one side does not allow them, also with a time of their own', () => {
    for (const [user, contact] of [
      ['no', 'yes'],
      ['yes', 'no'],
      ['no', 'no'],
    ] as const) {
      expect(sendTimed(setting(user, contact, 60), 5, false, 0)).toBeUndefined();
      expect(receiveTimed(setting(user, contact, 60), 5)).toBeUndefined();
    }
  });

  test('take the time of the call, then of the chat', () => {
    expect(sendTimed(setting('yes', 'yes', 60), 5, false, 1000)).toEqual({ ttl: 5, deleteAt: 6000 });
    expect(sendTimed(setting('yes', 'always', 60), undefined, false, 1000)).toEqual({ ttl: 60, deleteAt: 61_000 });
    expect(sendTimed(setting('yes', 'yes'), undefined, false, 1000)).toBeUndefined();
  });

  test('start when a live message is done', () => {
    expect(sendTimed(setting('yes', 'yes', 60), undefined, true, 1000)).toEqual({ ttl: 60 });
  });

  test('that are received keep the time of the sender and start when they are read', () => {
    expect(receiveTimed(setting('yes', 'yes', 60), 5)).toEqual({ ttl: 5 });
    expect(receiveTimed(setting('yes', 'yes', 60), undefined)).toBeUndefined();
  });
});
