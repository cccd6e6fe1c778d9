import type { ApiResponse, Profile, User } from '../../api/index.js';
import { type CommandTable, checkActiveUser, whenRunning } from '../engine/commands.js';
import { replaceUserProfile } from './profile.js';
import { toProfile } from './profiles.js';

/** The stored profile as the `userProfile` response shows it. */
function shown(user: User): ApiResponse {
  return { type: 'userProfile', user, profile: toProfile(user.profile) };
}

/** The profile with some fields replaced. */
function changed(user: User, fields: Partial<Profile>): Profile {
  return { ...toProfile(user.profile), ...fields };
}

export const profileCommands: CommandTable = {
  APIUpdateProfile: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return replaceUserProfile(ctx, user, cmd.profile);
  }),
  ShowProfile: whenRunning(async (_ctx, _cmd, user) => shown(user)),
  UpdateProfile: whenRunning((ctx, cmd, user) =>
    replaceUserProfile(
      ctx,
      user,
      changed(user, { displayName: cmd.displayName, fullName: '', shortDescr: cmd.shortDescr }),
    ),
  ),
  UpdateProfileImage: whenRunning((ctx, cmd, user) =>
    replaceUserProfile(ctx, user, changed(user, { image: cmd.image })),
  ),
  ShowProfileImage: whenRunning(async (_ctx, _cmd, user) => ({
    type: 'userProfileImage',
    user,
    profile: toProfile(user.profile),
  })),
  SetBotCommands: whenRunning((ctx, cmd, user) => {
    const preferences = { ...user.profile.preferences, commands: cmd.commands };
    return replaceUserProfile(ctx, user, changed(user, { preferences, peerType: 'bot' }));
  }),
  SetUserFeature: whenRunning((ctx, cmd, user) => {
    const preferences = { ...user.profile.preferences, [cmd.feature]: { allow: cmd.allowed } };
    return replaceUserProfile(ctx, user, changed(user, { preferences }));
  }),
  SetUserTimedMessages: whenRunning((ctx, cmd, user) => {
    const ttl = user.profile.preferences?.timedMessages?.ttl;
    const allow = cmd.enable ? 'yes' : 'no';
    const timedMessages = ttl === undefined ? ({ allow } as const) : ({ allow, ttl } as const);
    const preferences = { ...user.profile.preferences, timedMessages };
    return replaceUserProfile(ctx, user, changed(user, { preferences }));
  }),
};
