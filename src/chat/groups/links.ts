import { formatShortLink, parseShortLink } from '../../agent/index.js';
import type { ApiResponse, GroupInfo, GroupMemberRole, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { base64url } from '../../wire/index.js';
import { encodeLinkData } from '../addresses/link-data.js';
import { contactLinkConnection, insertContactLink } from '../addresses/queries.js';
import { shownShortLink } from '../connections/links.js';
import { deleteConnectionRows } from '../connections/queries.js';
import { type CommandTable, forUser, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, storeFailure } from '../engine/errors.js';
import type { GroupHooks } from '../engine/group-hooks.js';
import { getGroup, groupIdByName } from './queries.js';
import { atLeast, checkRole } from './roles.js';
import { type GroupLinkRow, groupLinkView } from './view.js';

/** The link of a group, if it has one. */
export async function findGroupLink(tx: Tx, groupId: number): Promise<GroupLinkRow | undefined> {
  return tx.db.selectFrom('user_contact_links').selectAll().where('group_id', '=', groupId).executeTakeFirst();
}

async function getGroupLink(tx: Tx, group: GroupInfo): Promise<GroupLinkRow> {
  const row = await findGroupLink(tx, group.groupId);
  if (row === undefined) throw storeFailure({ type: 'groupLinkNotFound', groupInfo: group });
  return row;
}

/** Short links of groups say so: same server and key, another type (60, section 7.5.1). */
function groupShortLink(agentLink: string): string {
  const link = parseShortLink(agentLink);
  return link.mode === 'contact' ? formatShortLink({ ...link, type: 'group' }) : agentLink;
}

function checkLinkRole(group: GroupInfo, role: GroupMemberRole): void {
  checkRole(group, 'admin');
  if (role !== 'member' && atLeast(role, 'member')) {
    throw chatFailure({ type: 'groupMemberInitialRole', groupInfo: group, initialRole: role });
  }
}

function linkData(ctx: ChatContext, group: GroupInfo): Uint8Array {
  return encodeLinkData(ctx.compression, { groupProfile: group.groupProfile });
}

async function createLink(ctx: ChatContext, user: User, groupId: number, role: GroupMemberRole): Promise<ApiResponse> {
  return ctx.locks.run(`group:${groupId}`, async () => {
    const group = await ctx.store.read((tx) => getGroup(tx, user, groupId));
    checkLinkRole(group, role);
    if ((await ctx.store.read((tx) => findGroupLink(tx, groupId))) !== undefined) {
      throw storeFailure({ type: 'duplicateGroupLink', groupInfo: group });
    }
    const groupLinkId = base64url(ctx.random.bytes(16));
    await ctx.agent.createConnection({
      userId: Number(user.agentUserId),
      mode: 'contact',
      userLinkData: linkData(ctx, group),
      clientData: JSON.stringify({ groupLinkId }),
      initialKeys: 'linkPQOff',
      stored: (tx, { connId, link }) =>
        insertContactLink(
          tx,
          user,
          { connId, link: { ...link, connShortLink: link.connShortLink && groupShortLink(link.connShortLink) } },
          { auto_accept: 1, group_id: groupId, group_link_id: groupLinkId, group_link_member_role: role },
          ctx.clock.now(),
        ),
    });
    const row = await ctx.store.read((tx) => getGroupLink(tx, group));
    return { type: 'groupLinkCreated', user, groupInfo: group, groupLink: groupLinkView(row) };
  });
}

async function setLinkRole(ctx: ChatContext, user: User, groupId: number, role: GroupMemberRole): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const group = await getGroup(tx, user, groupId);
    const row = await getGroupLink(tx, group);
    checkLinkRole(group, role);
    await tx.db
      .updateTable('user_contact_links')
      .set({ group_link_member_role: role, updated_at: ctx.clock.now() })
      .where('user_contact_link_id', '=', row.user_contact_link_id)
      .execute();
    return {
      type: 'groupLink',
      user,
      groupInfo: group,
      groupLink: groupLinkView({ ...row, group_link_member_role: role }),
    };
  });
}

/** Deletes the link of a group; who joined by it stays. False: there is none. */
export async function deleteGroupLink(ctx: ChatContext, tx: Tx, groupId: number): Promise<boolean> {
  const row = await findGroupLink(tx, groupId);
  if (row === undefined) return false;
  const connection = await contactLinkConnection(tx, row.user_contact_link_id);
  if (connection !== undefined) {
    await ctx.agent.deleteConnectionsAsync(tx, [connection.agent_conn_id]);
    await deleteConnectionRows(tx, [connection.connection_id]);
  }
  await tx.db
    .updateTable('connections')
    .set({ via_user_contact_link: null })
    .where('via_user_contact_link', '=', row.user_contact_link_id)
    .execute();
  await tx.db.deleteFrom('user_contact_links').where('user_contact_link_id', '=', row.user_contact_link_id).execute();
  return true;
}

async function deleteLink(ctx: ChatContext, user: User, groupId: number): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const group = await getGroup(tx, user, groupId);
    if (!(await deleteGroupLink(ctx, tx, groupId))) throw storeFailure({ type: 'groupLinkNotFound', groupInfo: group });
    return { type: 'groupLinkDeleted', user, groupInfo: group };
  });
}

async function showLink(ctx: ChatContext, user: User, groupId: number): Promise<ApiResponse> {
  return ctx.store.read(async (tx) => {
    const group = await getGroup(tx, user, groupId);
    return { type: 'groupLink', user, groupInfo: group, groupLink: groupLinkView(await getGroupLink(tx, group)) };
  });
}

/** Writes the group's profile behind its link. Outside of transactions. */
async function writeLinkData(ctx: ChatContext, group: GroupInfo, row: GroupLinkRow): Promise<GroupLinkRow> {
  const connection = await ctx.store.read((tx) => contactLinkConnection(tx, row.user_contact_link_id));
  if (connection === undefined) throw storeFailure({ type: 'groupLinkNotFound', groupInfo: group });
  const clientData = JSON.stringify({ groupLinkId: row.group_link_id });
  const written = await ctx.agent.setConnShortLink(
    connection.agent_conn_id,
    'contact',
    linkData(ctx, group),
    clientData,
  );
  const columns = {
    conn_short_link: shownShortLink(groupShortLink(written)),
    short_link_data_set: 1,
    short_link_large_data_set: 1,
  };
  await ctx.store.transaction(async (tx) => {
    await tx.db
      .updateTable('user_contact_links')
      .set({ ...columns, updated_at: ctx.clock.now() })
      .where('user_contact_link_id', '=', row.user_contact_link_id)
      .execute();
  });
  return { ...row, ...columns };
}

async function addShortLink(ctx: ChatContext, user: User, groupId: number): Promise<ApiResponse> {
  return ctx.locks.run(`group:${groupId}`, async () => {
    const { group, row } = await ctx.store.read(async (tx) => {
      const g = await getGroup(tx, user, groupId);
      return { group: g, row: await getGroupLink(tx, g) };
    });
    const groupLink = groupLinkView(await writeLinkData(ctx, group, row));
    return { type: 'groupLink', user, groupInfo: group, groupLink };
  });
}

/** After a change of the group's profile: its link shows it, if it has link data. */
export async function refreshLinkData(ctx: ChatContext, group: GroupInfo): Promise<void> {
  const row = await ctx.store.read((tx) => findGroupLink(tx, group.groupId));
  if (row !== undefined && row.short_link_data_set !== 0) await writeLinkData(ctx, group, row);
}

/** The own group with a short link; the same link is also known with the type of an address. */
export const ownByShortLink: GroupHooks['ownByShortLink'] = async (tx, user, shortLink) => {
  const row = await tx.db
    .selectFrom('user_contact_links')
    .selectAll()
    .where('user_id', '=', user.userId)
    .where('group_id', 'is not', null)
    .where('conn_short_link', '=', shortLink)
    .executeTakeFirst();
  if (row === undefined || row.group_id === null) return undefined;
  return { fullLink: row.conn_full_link, groupInfo: await getGroup(tx, user, row.group_id) };
};

export const ownByFullLink: GroupHooks['ownByFullLink'] = async (tx, user, fullLink) => {
  const row = await tx.db
    .selectFrom('user_contact_links')
    .select('group_id')
    .where('user_id', '=', user.userId)
    .where('group_id', 'is not', null)
    .where('conn_full_link', '=', fullLink)
    .executeTakeFirst();
  return row === undefined || row.group_id === null ? undefined : getGroup(tx, user, row.group_id);
};

const byName = (ctx: ChatContext, user: User, name: string): Promise<number> =>
  ctx.store.read((tx) => groupIdByName(tx, user, name));

export const linkCommands: CommandTable = {
  APICreateGroupLink: whenRunning((ctx, cmd, user) => createLink(ctx, user, cmd.groupId, cmd.memberRole)),
  CreateGroupLink: whenRunning(async (ctx, cmd, user) =>
    createLink(ctx, user, await byName(ctx, user, cmd.groupName), cmd.memberRole),
  ),
  APIGroupLinkMemberRole: whenRunning((ctx, cmd, user) => setLinkRole(ctx, user, cmd.groupId, cmd.memberRole)),
  GroupLinkMemberRole: whenRunning(async (ctx, cmd, user) =>
    setLinkRole(ctx, user, await byName(ctx, user, cmd.groupName), cmd.memberRole),
  ),
  APIDeleteGroupLink: whenRunning((ctx, cmd, user) => deleteLink(ctx, user, cmd.groupId)),
  DeleteGroupLink: whenRunning(async (ctx, cmd, user) => deleteLink(ctx, user, await byName(ctx, user, cmd.groupName))),
  APIGetGroupLink: forUser((ctx, cmd, user) => showLink(ctx, user, cmd.groupId)),
  ShowGroupLink: forUser(async (ctx, cmd, user) => showLink(ctx, user, await byName(ctx, user, cmd.groupName))),
  APIAddGroupShortLink: whenRunning((ctx, cmd, user) => addShortLink(ctx, user, cmd.groupId)),
};
