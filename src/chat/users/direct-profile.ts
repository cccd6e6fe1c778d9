import type { Contact, Profile, User } from '../../api/index.js';
import { sentPreferences } from '../preferences/merge.js';
import { toProfile } from './profiles.js';

/**
 * The profile that a contact gets (50, sections 2.3 and 3.4): the user's or the incognito one, with the full set of
 * preferences. `connecting`: in handshakes and link data; otherwise in later updates.
 */
export function directProfile(
  user: User,
  incognito: Profile | undefined,
  contact: Contact | undefined,
  connecting: boolean,
): Profile {
  return {
    ...(incognito ?? toProfile(user.profile)),
    preferences: sentPreferences(
      {
        preferences: user.profile.preferences,
        incognito: incognito !== undefined,
        overrides: contact?.userPreferences ?? {},
      },
      connecting,
    ),
  };
}

/** The profile that groups get: without contact link and preferences. */
export function memberProfile(user: User, incognito: Profile | undefined): Profile {
  const { displayName, fullName, shortDescr, image, peerType } = incognito ?? toProfile(user.profile);
  return { displayName, fullName, shortDescr, image, peerType };
}
