import type {
  ContactUserPreference,
  ContactUserPreferences,
  FeatureAllowed,
  FullPreferences,
  PrefEnabled,
  Preferences,
  SimplePreference,
} from '../../api/index.js';

/** Features of direct chats in the order in which their items are made (50, section 3.1). */
export const shownFeatures = ['timedMessages', 'fullDelete', 'reactions', 'voice', 'calls'] as const;
const allFeatures = ['timedMessages', 'fullDelete', 'reactions', 'voice', 'files', 'calls', 'sessions'] as const;
export type DirectFeature = (typeof allFeatures)[number];
export type ShownFeature = (typeof shownFeatures)[number];

const defaults: Readonly<Record<DirectFeature, SimplePreference>> = {
  timedMessages: { allow: 'yes' },
  fullDelete: { allow: 'no' },
  reactions: { allow: 'yes' },
  voice: { allow: 'yes' },
  files: { allow: 'always' },
  calls: { allow: 'yes' },
  sessions: { allow: 'no' },
};

/** The names that error messages and items use. */
export const featureNames: Readonly<Record<DirectFeature, string>> = {
  timedMessages: 'Disappearing messages',
  fullDelete: 'Full deletion',
  reactions: 'Message reactions',
  voice: 'Voice messages',
  files: 'Files and media',
  calls: 'Audio/video calls',
  sessions: 'Chat sessions',
};

/** What the profile says about a feature, or its default. */
function preferenceOf(preferences: Preferences | undefined, feature: DirectFeature): SimplePreference {
  return preferences?.[feature] ?? defaults[feature];
}

/** `User.fullPreferences`: every preference, commands included. */
export function fullPreferences(preferences: Preferences | undefined): FullPreferences {
  return {
    timedMessages: preferenceOf(preferences, 'timedMessages'),
    fullDelete: preferenceOf(preferences, 'fullDelete'),
    reactions: preferenceOf(preferences, 'reactions'),
    voice: preferenceOf(preferences, 'voice'),
    files: preferenceOf(preferences, 'files'),
    calls: preferenceOf(preferences, 'calls'),
    sessions: preferenceOf(preferences, 'sessions'),
    commands: preferences?.commands ?? [],
  };
}

/** Who may use a feature (50, section 3.2). Timed messages are the one symmetric feature. */
export function preferenceEnabled(asymmetric: boolean, user: FeatureAllowed, contact: FeatureAllowed): PrefEnabled {
  if (user === 'no') return { forUser: contact === 'always' && asymmetric, forContact: false };
  if (contact === 'no') return { forUser: false, forContact: user === 'always' && asymmetric };
  return { forUser: true, forContact: true };
}

/** What merging needs to know about the user's side of a contact. */
export interface UserSide {
  /** Preferences of the user's profile. */
  readonly preferences: Preferences | undefined;
  /** The connection uses a random profile: the user's preferences do not apply. */
  readonly incognito: boolean;
  /** Overrides for this contact. */
  readonly overrides: Preferences;
}

/** `Contact.mergedPreferences` (50, section 3.3). */
export function mergePreferences(side: UserSide, contact: Preferences | undefined): ContactUserPreferences {
  const merged = (feature: DirectFeature): ContactUserPreference => {
    const contactPreference = preferenceOf(contact, feature);
    const override = side.overrides[feature];
    const preference = override ?? withoutTtl(preferenceOf(side.incognito ? undefined : side.preferences, feature));
    return {
      enabled: preferenceEnabled(feature !== 'timedMessages', preference.allow, contactPreference.allow),
      userPreference: { type: side.incognito || override !== undefined ? 'contact' : 'user', preference },
      contactPreference,
    };
  };
  return {
    timedMessages: merged('timedMessages'),
    fullDelete: merged('fullDelete'),
    reactions: merged('reactions'),
    voice: merged('voice'),
    files: merged('files'),
    calls: merged('calls'),
    sessions: merged('sessions'),
    commands: contact?.commands,
  };
}

function withoutTtl(p: SimplePreference): SimplePreference {
  return p.ttl === undefined ? p : { allow: p.allow };
}

/**
 * The preferences that travel in the user's profile (50, section 3.4): all features and the commands. `connecting`:
 * the ttl of the user's profile is the fallback of timed messages; in later updates only the override's is sent.
 */
export function sentPreferences(side: UserSide, connecting: boolean): Preferences {
  const own = side.incognito ? undefined : side.preferences;
  const sent = (feature: DirectFeature): SimplePreference =>
    side.overrides[feature] ?? withoutTtl(preferenceOf(own, feature));
  const timed = sent('timedMessages');
  const ttl = timed.ttl ?? (connecting ? side.preferences?.timedMessages?.ttl : undefined);
  return {
    timedMessages: ttl === undefined ? { allow: timed.allow } : { allow: timed.allow, ttl },
    fullDelete: sent('fullDelete'),
    reactions: sent('reactions'),
    voice: sent('voice'),
    files: sent('files'),
    calls: sent('calls'),
    sessions: sent('sessions'),
    commands: side.overrides.commands ?? own?.commands ?? [],
  };
}

/** Overrides of a new contact (50, section 3.5): the longer of both times, when both sides allow timed messages. */
export function initialOverrides(user: Preferences | undefined, contact: Preferences | undefined): Preferences {
  const own = preferenceOf(user, 'timedMessages');
  const theirs = contact?.timedMessages;
  if (own.allow === 'no' || theirs === undefined || theirs.allow === 'no') return {};
  const ttl = Math.max(own.ttl ?? 0, theirs.ttl ?? 0);
  return ttl === 0 ? {} : { timedMessages: { allow: own.allow, ttl } };
}

/** Overrides after a received profile: our time of timed messages follows the contact's (50, section 3.5). */
export function overridesAfter(
  user: Preferences | undefined,
  overrides: Preferences,
  contact: Preferences | undefined,
): Preferences {
  const own = preferenceOf(user, 'timedMessages');
  const received = contact?.timedMessages?.ttl;
  const override = overrides.timedMessages;
  if (received === override?.ttl) return overrides;
  if (override !== undefined) return { ...overrides, timedMessages: withTtl(override.allow, received) };
  if (received === own.ttl) return overrides;
  return { ...overrides, timedMessages: withTtl(own.allow, received) };
}

function withTtl(allow: FeatureAllowed, ttl: number | undefined): SimplePreference {
  return ttl === undefined ? { allow } : { allow, ttl };
}

/** Seconds after which new messages of this chat disappear; undefined: they stay. */
export function chatTtl(merged: ContactUserPreferences): number | undefined {
  const timed = merged.timedMessages;
  return timed.enabled.forUser && timed.enabled.forContact ? timed.userPreference.preference.ttl : undefined;
}
