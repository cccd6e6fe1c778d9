import type { ApiResponse, Contact, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { contactConnections, deleteConnectionRows, pendingConnection } from '../connections/queries.js';
import { pendingConnectionView } from '../connections/view.js';
import type { ChatContext } from '../engine/context.js';
import { storeFailure } from '../engine/errors.js';
import type { ItemRow } from '../items/view.js';
import { sendDirectMessages } from '../messaging/send.js';
import { freeUnusedName } from '../users/names.js';
import { deleteUnusedProfile } from '../users/profiles.js';
import { getContact, setContactStatus, updateContactRow } from './queries.js';

/** Deletes what a direct chat holds. */
export async function clearDirectChat(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contactId: number,
  keepBanner: boolean,
): Promise<void> {
  await ctx.files?.removeOfItems(ctx, tx, user, await itemsWithFiles(tx, contactId));
  await tx.db.deleteFrom('chat_item_reactions').where('contact_id', '=', contactId).execute();
  const items = tx.db.deleteFrom('chat_items').where('contact_id', '=', contactId);
  await (keepBanner ? items.where('item_content_tag', '!=', 'chatBanner') : items).execute();
}

async function itemsWithFiles(tx: Tx, contactId: number): Promise<ItemRow[]> {
  return tx.db
    .selectFrom('chat_items')
    .selectAll()
    .where('contact_id', '=', contactId)
    .where('has_file', '=', 1)
    .execute();
}

/** Tells the contact that it is deleted, when it can be told, and deletes its connections in the agent. */
async function leave(ctx: ChatContext, tx: Tx, user: User, contact: Contact, notify: boolean): Promise<void> {
  const status = contact.activeConn?.connStatus;
  const tell = notify && (status === 'ready' || status === 'snd-ready') && contact.contactStatus === 'active';
  if (tell) {
    // Whether it can be sent does not matter for the deletion.
    await tx
      .savepoint(async () => {
        await sendDirectMessages(ctx, tx, user, contact, [{ event: { type: 'x.direct.del' } }]);
      })
      .catch(() => {});
  }
  const rows = await contactConnections(tx, contact.contactId);
  const agentIds = rows.filter((r) => r.conn_status !== 'deleted').map((r) => r.agent_conn_id);
  if (agentIds.length > 0) await ctx.agent.deleteConnectionsAsync(tx, agentIds, tell);
}

/** Deletes the rows of a contact's connections and the incognito profiles that only they had. */
async function deleteContactConnections(tx: Tx, contactId: number): Promise<void> {
  const rows = await contactConnections(tx, contactId);
  await deleteConnectionRows(
    tx,
    rows.map((r) => r.connection_id),
  );
  for (const row of rows) {
    if (row.custom_user_profile_id !== null) await deleteUnusedProfile(tx, row.custom_user_profile_id);
  }
}

/** Deletes the record of a contact, its request, profile and name; the latter two stay with members that have them. */
export async function deleteContact(
  tx: Tx,
  user: User,
  contact: Contact,
  options: { readonly keepName?: boolean } = {},
): Promise<void> {
  const { contactId } = contact;
  if (contactId === user.userContactId) {
    throw storeFailure({ type: 'prohibitedDeleteUser', userId: user.userId, contactId });
  }
  await tx.db.updateTable('group_members').set({ contact_id: null }).where('contact_id', '=', contactId).execute();
  await tx.db.deleteFrom('contact_requests').where('contact_id', '=', contactId).execute();
  await tx.db.deleteFrom('chat_tags_chats').where('contact_id', '=', contactId).execute();
  await tx.db.deleteFrom('chat_item_reactions').where('contact_id', '=', contactId).execute();
  await tx.db.deleteFrom('chat_items').where('contact_id', '=', contactId).execute();
  await tx.db.deleteFrom('contacts').where('contact_id', '=', contactId).execute();
  await deleteUnusedProfile(tx, contact.profile.profileId);
  if (options.keepName !== true) await freeUnusedName(tx, user.userId, contact.localDisplayName);
}

/** `/_delete @id`: the contact with everything. */
export async function deleteContactFully(
  ctx: ChatContext,
  user: User,
  contactId: number,
  notify: boolean,
): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const contact = await getContact(tx, user, contactId);
    if (contactId === user.userContactId) {
      throw storeFailure({ type: 'prohibitedDeleteUser', userId: user.userId, contactId });
    }
    await clearDirectChat(ctx, tx, user, contactId, false);
    await leave(ctx, tx, user, contact, notify);
    await rejectPendingRequest(ctx, tx, contact);
    await deleteContactConnections(tx, contactId);
    await deleteContact(tx, user, contact);
    return { type: 'contactDeleted', user, contact };
  });
}

/** A contact that is only a request yet: the agent forgets the invitation too. */
async function rejectPendingRequest(ctx: ChatContext, tx: Tx, contact: Contact): Promise<void> {
  if (contact.activeConn !== undefined) return;
  const request = await tx.db
    .selectFrom('contact_requests')
    .select('agent_invitation_id')
    .where('contact_id', '=', contact.contactId)
    .executeTakeFirst();
  if (request !== undefined) await ctx.agent.rejectContact(tx, request.agent_invitation_id);
}

/** `/_delete @id entity`: the conversation stays. */
export async function deleteContactEntity(
  ctx: ChatContext,
  user: User,
  contactId: number,
  notify: boolean,
): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const contact = await getContact(tx, user, contactId);
    await ctx.files?.cancelOfItems(ctx, tx, user, await itemsWithFiles(tx, contactId));
    await leave(ctx, tx, user, contact, notify);
    await deleteContactConnections(tx, contactId);
    await setContactStatus(tx, contactId, 'deletedByUser', ctx.clock.now());
    return { type: 'contactDeleted', user, contact: await getContact(tx, user, contactId) };
  });
}

/** `/_delete @id messages`: the contact stays, its chat is hidden until there is a new item. */
export async function deleteContactMessages(ctx: ChatContext, user: User, contactId: number): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const contact = await getContact(tx, user, contactId);
    await clearDirectChat(ctx, tx, user, contactId, true);
    await updateContactRow(tx, contactId, { chat_deleted: 1 }, ctx.clock.now());
    return { type: 'contactDeleted', user, contact: { ...contact, chatDeleted: true } };
  });
}

/** `/_delete :id`. */
export async function deletePendingConnection(ctx: ChatContext, user: User, connId: number): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const row = await pendingConnection(tx, user, connId);
    await ctx.agent.deleteConnectionsAsync(tx, [row.agent_conn_id]);
    await deleteConnectionRows(tx, [connId]);
    if (row.custom_user_profile_id !== null) await deleteUnusedProfile(tx, row.custom_user_profile_id);
    return { type: 'contactConnectionDeleted', user, connection: pendingConnectionView(row) };
  });
}
