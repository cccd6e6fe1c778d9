import type { ApiResponse, FullGroupPreferences, GroupInfo, GroupProfile, User } from '../../api/index.js';
import { errorFields } from '../../core/index.js';
import type { Tx } from '../../store/index.js';
import { type CommandTable, ok, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { ChatV, type JsonChatEvent } from '../protocol/index.js';
import { checkName } from '../users/names.js';
import { emitGroupItem } from './items.js';
import { refreshLinkData } from './links.js';
import type { GroupMessageRow } from './message-rows.js';
import { businessPreferences, changedFeatureContents, fullGroupPreferences } from './preferences.js';
import { sameProfileInfo } from './profile-messages.js';
import { findMemberByMemberId, getGroup, groupIdByName, updateGroupRow } from './queries.js';
import { groupRecipients } from './recipients.js';
import { updateGroupProfile } from './records.js';
import { checkRole, isCurrentOrPending } from './roles.js';
import { onlyMessage, sendToGroup } from './send.js';
import { emitSentEvent } from './sent-events.js';

/** `/_group_profile` (60, section 7.16). */
async function updateProfile(
  ctx: ChatContext,
  user: User,
  groupId: number,
  change: (current: GroupProfile) => GroupProfile,
): Promise<ApiResponse> {
  const { fromGroup, toGroup } = await ctx.store.transaction(async (tx) => {
    const before = await getGroup(tx, user, groupId);
    const profile = change(before.groupProfile);
    checkRole(before, 'owner');
    if (profile.displayName !== before.groupProfile.displayName) checkName(profile.displayName);
    await updateGroupProfile(tx, user, before, profile, ctx.clock.now());
    const after = await getGroup(tx, user, groupId);
    const message = await tell(ctx, tx, user, after, profile);
    if (!sameProfileInfo(before.groupProfile, profile)) {
      const sndGroupEvent = { type: 'groupUpdated', groupProfile: profile } as const;
      await emitSentEvent(ctx, tx, user, { group: after }, { type: 'sndGroupEvent', sndGroupEvent }, message);
    }
    for (const c of changedFeatureContents(before.fullGroupPreferences, after.fullGroupPreferences, true)) {
      await emitGroupItem(ctx, tx, user, { group: after }, c);
    }
    return { fromGroup: before, toGroup: after };
  });
  try {
    await refreshLinkData(ctx, toGroup);
  } catch (error) {
    ctx.logger.warn(errorFields(error), 'the data of a group link could not be written');
  }
  return { type: 'groupUpdated', user, fromGroup, toGroup };
}

/** Members of business chats get the preferences only: the profile there is that of a member. */
async function tell(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  groupProfile: GroupProfile,
): Promise<GroupMessageRow> {
  const recipients = (await groupRecipients(tx, group.groupId)).filter(isCurrentOrPending);
  const send = async (event: JsonChatEvent, to: typeof recipients) =>
    onlyMessage(await sendToGroup(ctx, tx, user, group, undefined, to, [{ event }]));
  const { businessChat } = group;
  if (businessChat === undefined) return send({ type: 'x.grp.info', groupProfile }, recipients);
  const old = recipients.filter((r) => r.version < ChatV.GroupPreferences);
  if (old.length > 0) {
    const business = await findMemberByMemberId(tx, user, group.groupId, businessChat.businessId);
    const { displayName, fullName, shortDescr, image } = business?.memberProfile ?? groupProfile;
    await send(
      { type: 'x.grp.info', groupProfile: { ...groupProfile, displayName, fullName, shortDescr, image } },
      old,
    );
  }
  const groupPreferences = groupProfile.groupPreferences ?? businessPreferences(undefined);
  return send(
    { type: 'x.grp.prefs', groupPreferences },
    recipients.filter((r) => r.version >= ChatV.GroupPreferences),
  );
}

const byName = (ctx: ChatContext, user: User, groupName: string): Promise<number> =>
  ctx.store.read((tx) => groupIdByName(tx, user, groupName));

async function updateByName(
  ctx: ChatContext,
  user: User,
  groupName: string,
  change: (current: GroupProfile) => GroupProfile,
): Promise<ApiResponse> {
  return updateProfile(ctx, user, await byName(ctx, user, groupName), change);
}

/** All preferences of a group with one of them changed. */
async function setPreference(
  ctx: ChatContext,
  user: User,
  groupName: string,
  change: (current: FullGroupPreferences) => Partial<FullGroupPreferences>,
): Promise<ApiResponse> {
  return updateByName(ctx, user, groupName, (p) => {
    const all = fullGroupPreferences(p.groupPreferences);
    return { ...p, groupPreferences: { ...all, ...change(all) } };
  });
}

const dayTtl = 86_400;

export const profileCommands: CommandTable = {
  APIUpdateGroupProfile: whenRunning((ctx, c, user) => updateProfile(ctx, user, c.groupId, () => c.groupProfile)),
  UpdateGroupNames: whenRunning((ctx, { groupName, displayName, shortDescr }, user) =>
    updateByName(ctx, user, groupName, (p) => ({ ...p, displayName, fullName: '', shortDescr })),
  ),
  UpdateGroupDescription: whenRunning((ctx, { groupName, description }, user) =>
    updateByName(ctx, user, groupName, (p) => ({ ...p, description })),
  ),
  ShowGroupProfile: whenRunning(async (ctx, { groupName }, user) =>
    ctx.store.read(async (tx) => {
      const groupInfo = await getGroup(tx, user, await groupIdByName(tx, user, groupName));
      return { type: 'groupProfile', user, groupInfo };
    }),
  ),
  ShowGroupDescription: whenRunning(async (ctx, { groupName }, user) =>
    ctx.store.read(async (tx) => {
      const groupInfo = await getGroup(tx, user, await groupIdByName(tx, user, groupName));
      return { type: 'groupDescription', user, groupInfo };
    }),
  ),
  SetGroupFeatureRole: whenRunning((ctx, { feature, groupName, enable, role }, user) =>
    setPreference(ctx, user, groupName, () => ({ [feature]: { enable, role } })),
  ),
  SetGroupFeature: whenRunning((ctx, { feature, groupName, enable }, user) =>
    setPreference(ctx, user, groupName, () => ({ [feature]: { enable } })),
  ),
  SetGroupTimedMessages: whenRunning((ctx, { groupName, ttl }, user) =>
    setPreference(ctx, user, groupName, () => ({
      timedMessages: ttl === undefined ? { enable: 'off', ttl: dayTtl } : { enable: 'on', ttl },
    })),
  ),
  SetGroupMemberAdmissionReview: whenRunning((ctx, { groupName, review }, user) =>
    updateByName(ctx, user, groupName, (p) => ({ ...p, memberAdmission: { ...p.memberAdmission, review } })),
  ),
  APISetGroupAlias: whenRunning((ctx, { groupId, localAlias }, user) =>
    ctx.store.transaction(async (tx) => {
      await getGroup(tx, user, groupId);
      await updateGroupRow(tx, groupId, { local_alias: localAlias }, ctx.clock.now());
      return { type: 'groupAliasUpdated', user, toGroup: await getGroup(tx, user, groupId) };
    }),
  ),
  APISetGroupCustomData: whenRunning(async (ctx, { groupId, customData }, user) => {
    await ctx.store.transaction(async (tx) => {
      await getGroup(tx, user, groupId);
      const custom_data = customData === undefined ? null : JSON.stringify(customData);
      await updateGroupRow(tx, groupId, { custom_data }, ctx.clock.now());
    });
    return ok(user);
  }),
};
