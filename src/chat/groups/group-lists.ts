import type { ApiResponse, GroupInfo, GroupMember, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { contactIdByName } from '../contacts/queries.js';
import { type CommandTable, checkActiveUser, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { getGroup, groupIdByName, listGroups, listMembers, summaryMemberCount } from './queries.js';

async function withMembers(
  tx: Tx,
  user: User,
  groupId: number,
): Promise<{ readonly groupInfo: GroupInfo; readonly members: readonly GroupMember[] }> {
  return { groupInfo: await getGroup(tx, user, groupId), members: await listMembers(tx, user, groupId) };
}

async function members(ctx: ChatContext, user: User, id: (tx: Tx) => Promise<number>): Promise<ApiResponse> {
  return ctx.store.read(async (tx) => ({
    type: 'groupMembers',
    user,
    group: await withMembers(tx, user, await id(tx)),
  }));
}

async function info(ctx: ChatContext, user: User, id: (tx: Tx) => Promise<number>): Promise<ApiResponse> {
  return ctx.store.read(async (tx) => {
    const groupInfo = await getGroup(tx, user, await id(tx));
    return { type: 'groupInfo', user, groupInfo, groupSummary: await summary(tx, groupInfo) };
  });
}

async function summary(tx: Tx, group: GroupInfo): Promise<{ readonly currentMembers: number }> {
  return { currentMembers: await summaryMemberCount(tx, group.groupId) };
}

/** All groups, or those that a contact is in, or whose profile says this. */
async function list(
  ctx: ChatContext,
  user: User,
  contactId: (tx: Tx) => Promise<number | undefined>,
  search: string | undefined,
): Promise<ApiResponse> {
  return ctx.store.read(async (tx) => {
    // The contact must exist; as in the official program it does not narrow the list.
    await contactId(tx);
    const wanted = search?.toLowerCase() ?? '';
    const found = (await listGroups(tx, user)).filter((g) => profileHas(g, wanted));
    const groups = [];
    for (const groupInfo of found) {
      groups.push({ ...groupInfo, groupInfo, groupSummary: await summary(tx, groupInfo) });
    }
    return { type: 'groupsList', user, groups };
  });
}

function profileHas({ groupProfile: p }: GroupInfo, text: string): boolean {
  return [p.displayName, p.fullName, p.shortDescr, p.description].some((s) => s?.toLowerCase().includes(text) === true);
}

export const listCommands: CommandTable = {
  APIListMembers: whenRunning((ctx, c, user) => members(ctx, user, async () => c.groupId)),
  ListMembers: whenRunning((ctx, c, user) => members(ctx, user, (tx) => groupIdByName(tx, user, c.groupName))),
  ListMemberSupportChats: whenRunning((ctx, c, user) =>
    ctx.store.read(async (tx) => {
      const group = await withMembers(tx, user, await groupIdByName(tx, user, c.groupName));
      const supported = group.members.filter((m) => m.supportChat !== undefined);
      return { type: 'memberSupportChats', user, groupInfo: group.groupInfo, members: supported };
    }),
  ),
  APIListGroups: whenRunning(async (ctx, c, user) => {
    checkActiveUser(user, c.userId);
    return list(ctx, user, async () => c.contactId_, c.search);
  }),
  ListGroups: whenRunning((ctx, { contactName, search }, user) =>
    list(
      ctx,
      user,
      async (tx) => (contactName === undefined ? undefined : contactIdByName(tx, user, contactName)),
      search,
    ),
  ),
  APIGroupInfo: whenRunning((ctx, c, user) => info(ctx, user, async () => c.groupId)),
  ShowGroupInfo: whenRunning((ctx, c, user) => info(ctx, user, (tx) => groupIdByName(tx, user, c.groupName))),
};
