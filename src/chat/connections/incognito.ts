import type { Profile, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { getProfile, insertProfile, toProfile } from '../users/profiles.js';
import { randomProfile } from '../users/random-profile.js';

/** A random profile for one connection, not stored yet. */
export function newIncognitoProfile(ctx: ChatContext, incognito: boolean): Profile | undefined {
  return incognito ? randomProfile(ctx.random) : undefined;
}

/** Stores the profile of an incognito connection; its id, or null. */
export async function insertIncognitoProfile(
  tx: Tx,
  user: User,
  profile: Profile | undefined,
  now: number,
): Promise<number | null> {
  return profile === undefined ? null : insertProfile(tx, user.userId, profile, now, true);
}

/** The incognito profile of a connection, if it has one. */
export async function incognitoProfile(tx: Tx, profileId: number | null | undefined): Promise<Profile | undefined> {
  if (profileId === null || profileId === undefined) return undefined;
  const profile = await getProfile(tx, profileId);
  return profile === undefined ? undefined : toProfile(profile);
}
