import { describe, expect, test } from 'vitest';
import type { FeatureAllowed } from '../../api/index.js';
import { initialOverrides, mergePreferences, overridesAfter, preferenceEnabled, sentPreferences } from './merge.js';

describe('who may use a feature', () => {
  const both = { forUser: true, forContact: true };
  const none = { forUser: false, forContact: false };
  test.each<[FeatureAllowed, FeatureAllowed, object, object]>([
    ['always', 'always', both, both],
    ['always', 'yes', both, both],
    ['always', 'no', { forUser: false, forContact: true }, none],
    ['yes', 'always', both, both],
    ['yes', 'yes', both, both],
    ['yes', 'no', none, none],
    ['no', 'always', { forUser: true, forContact: false }, none],
    ['no', 'yes', none, none],
    ['no', 'no', none, none],
  ])('we say %s, the contact says %s', (user, contact, asymmetric, symmetric) => {
    expect(preferenceEnabled(true, user, contact)).toEqual(asymmetric);
    expect(preferenceEnabled(false, user, contact)).toEqual(symmetric);
  });
});

test('an override counts before the profile, and the profile does not count in incognito connections', () => {
  const profile = { voice: { allow: 'no' } } as const;
  const overridden = mergePreferences(
    { preferences: profile, incognito: false, overrides: { voice: { allow: 'always' } } },
    undefined,
  );
  expect(overridden.voice.userPreference).toEqual({ type: 'contact', preference: { allow: 'always' } });
  const plain = mergePreferences({ preferences: profile, incognito: false, overrides: {} }, undefined);
  expect(plain.voice.userPreference).toEqual({ type: 'user', preference: { allow: 'no' } });
  const incognito = mergePreferences({ preferences: profile, incognito: true, overrides: {} }, undefined);
  expect(incognito.voice.userPreference).toEqual({ type: 'contact', preference: { allow: 'yes' } });
});

test('the time of disappearing messages of the profile is sent when connecting, later only that of the contact', () => {
  const side = { preferences: { timedMessages: { allow: 'yes', ttl: 60 } }, incognito: false, overrides: {} } as const;
  expect(sentPreferences(side, true).timedMessages).toEqual({ allow: 'yes', ttl: 60 });
  expect(sentPreferences(side, false).timedMessages).toEqual({ allow: 'yes' });
  expect(
    sentPreferences({ ...side, overrides: { timedMessages: { allow: 'no', ttl: 5 } } }, true).timedMessages,
  ).toEqual({ allow: 'no', ttl: 5 });
});

test('our time of disappearing messages follows that of the contact', () => {
  const user = { timedMessages: { allow: 'yes', ttl: 60 } } as const;
  expect(initialOverrides(user, { timedMessages: { allow: 'yes', ttl: 3600 } })).toEqual({
    timedMessages: { allow: 'yes', ttl: 3600 },
  });
  expect(initialOverrides(user, { timedMessages: { allow: 'no' } })).toEqual({});
  expect(initialOverrides(undefined, { timedMessages: { allow: 'yes' } })).toEqual({});
  const changed = overridesAfter(user, {}, { timedMessages: { allow: 'yes', ttl: 5 } });
  expect(changed).toEqual({ timedMessages: { allow: 'yes', ttl: 5 } });
  expect(overridesAfter(user, changed, {})).toEqual({ timedMessages: { allow: 'yes' } });
});
