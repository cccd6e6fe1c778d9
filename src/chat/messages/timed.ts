import type { ContactUserPreferences } from '../../api/index.js';

/** Seconds after which an item disappears, and when that is (ms), once it is known. */
export interface Timed {
  readonly ttl: number;
  readonly deleteAt?: number | undefined;
}

/** Whether messages may disappear in a chat, and after how long when nothing is said. */
export interface TimedSetting {
  readonly ttl: number | undefined;
}

/** The setting of a direct chat: undefined when it is off for one side (50, section 5.8). */
export function contactTimed(merged: ContactUserPreferences): TimedSetting | undefined {
  const { enabled, userPreference } = merged.timedMessages;
  return enabled.forUser && enabled.forContact ? { ttl: userPreference.preference.ttl } : undefined;
}

/** Of a message to send: the time of the call, else of the chat. Live messages start when they are done. */
export function sendTimed(
  setting: TimedSetting | undefined,
  ttl: number | undefined,
  live: boolean,
  now: number,
): Timed | undefined {
  const seconds = setting === undefined ? undefined : (ttl ?? setting.ttl);
  if (seconds === undefined) return undefined;
  return live ? { ttl: seconds } : { ttl: seconds, deleteAt: now + seconds * 1000 };
}

/** Of a received message: its own time, if the feature is on. It starts when the item is read. */
export function receiveTimed(setting: TimedSetting | undefined, ttl: number | undefined): Timed | undefined {
  return setting === undefined || ttl === undefined ? undefined : { ttl };
}
