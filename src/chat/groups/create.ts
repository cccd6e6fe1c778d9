import type { ApiResponse, CIContent, GroupInfo, GroupMember, GroupProfile, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { insertIncognitoProfile, newIncognitoProfile } from '../connections/incognito.js';
import { type CommandTable, checkActiveUser, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { checkName } from '../users/names.js';
import { emitGroupItem, emitGroupItems, type GroupPlace } from './items.js';
import { featureContents } from './preferences.js';
import { getGroup } from './queries.js';
import { freshMemberId, insertGroup, insertMembership } from './records.js';
import type { GroupScope } from './view.js';

async function createGroup(
  ctx: ChatContext,
  user: User,
  incognito: boolean,
  profile: GroupProfile,
): Promise<ApiResponse> {
  checkName(profile.displayName);
  return ctx.store.transaction(async (tx) => {
    const now = ctx.clock.now();
    const groupId = await insertGroup(tx, user.userId, profile, {}, now);
    const incognitoProfileId = await insertIncognitoProfile(tx, user, newIncognitoProfile(ctx, incognito), now);
    await insertMembership(
      tx,
      user,
      groupId,
      {
        memberId: freshMemberId(ctx),
        role: 'owner',
        status: 'creator',
        invitedBy: user.userContactId,
        incognitoProfileId,
      },
      now,
    );
    const group = await getGroup(tx, user, groupId);
    await emitGroupItem(ctx, tx, user, { group }, { type: 'chatBanner' }, { itemTs: 0 });
    await emitOwnGroupStart(ctx, tx, user, group);
    return { type: 'groupCreated', user, groupInfo: group };
  });
}

const groupE2EE = (sent: boolean): CIContent => ({
  type: sent ? 'sndGroupE2EEInfo' : 'rcvGroupE2EEInfo',
  e2eeInfo: { pqEnabled: false },
});

/** The service items of an own group: encryption and features. */
export async function emitOwnGroupStart(ctx: ChatContext, tx: Tx, user: User, group: GroupInfo): Promise<void> {
  await emitGroupItem(ctx, tx, user, { group }, groupE2EE(true));
  const features = featureContents(group.fullGroupPreferences, true);
  await emitGroupItems(
    ctx,
    tx,
    user,
    { group },
    features.map((content) => ({ content })),
  );
}

/** The same of a group that was joined, as from its host: features only when they were not shown before joining. */
export async function emitJoinedGroupStart(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  scope: GroupScope | undefined,
  host: GroupMember,
): Promise<void> {
  const place: GroupPlace = { group, scope, from: host };
  await emitGroupItem(ctx, tx, user, place, groupE2EE(false));
  if (group.preparedGroup !== undefined) return;
  const features = featureContents(group.fullGroupPreferences, false);
  await emitGroupItems(
    ctx,
    tx,
    user,
    place,
    features.map((content) => ({ content })),
  );
}

export const createCommands: CommandTable = {
  APINewGroup: whenRunning(async (ctx, cmd, user) => {
    if (cmd.userId !== undefined) checkActiveUser(user, cmd.userId);
    return createGroup(ctx, user, cmd.incognito, cmd.groupProfile);
  }),
  NewGroup: whenRunning((ctx, cmd, user) => createGroup(ctx, user, cmd.incognito, cmd.groupProfile)),
};
