import type {
  ApiResponse,
  ChatItemDeletion,
  CIDeleteMode,
  GroupChatScope,
  MsgReaction,
  UpdatedMessage,
  User,
} from '../../api/index.js';
import type { TimedDelete } from '../engine/capability.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, commandFailure } from '../engine/errors.js';
import { isoTime } from '../engine/time.js';
import { getItemOf } from '../items/chat-items.js';
import { updateItemRow } from '../items/queries.js';
import { groupFeatureNames } from '../items/text.js';
import type { ItemRow } from '../items/view.js';
import { canDeleteForAll, findItems } from '../messages/delete.js';
import { canReactTo, checkOwnReaction } from '../messages/reactions.js';
import { editable, editContent } from '../messages/update.js';
import { updateItemContent } from '../messages/updates.js';
import { addVersions } from '../messages/versions.js';
import { linkItemMessage } from '../messaging/send.js';
import { sameJson } from '../util/equal.js';
import { openScope, targetOf } from './audience.js';
import { prohibitedLinks } from './content-rules.js';
import { deleteGroupItems, markGroupItems } from './item-deletion.js';
import { itemAuthor, itemScope, viewGroupItem } from './items.js';
import { hasMentions, messageMentions, sentMentions, storeMentions } from './mentions.js';
import { featureAllowed, featureAllowedFor } from './preferences.js';
import { findGroup, getGroup } from './queries.js';
import { memberReactions, setGroupReaction } from './reaction-rows.js';
import { checkRole } from './roles.js';
import { messageScope } from './scope.js';
import { onlyMessage, sendToGroup } from './send.js';

/** Edits a message that was sent to a group (50, section 5.2). */
export async function updateGroupItem(
  ctx: ChatContext,
  user: User,
  groupId: number,
  chatScope: GroupChatScope | undefined,
  itemId: number,
  live: boolean,
  update: UpdatedMessage,
): Promise<ApiResponse> {
  const msgContent = editContent(update, true);
  return ctx.store.transaction(async (tx) => {
    const start = await getGroup(tx, user, groupId);
    if (chatScope === undefined) checkRole(start, 'author');
    if (prohibitedLinks(start, start.membership, msgContent)) {
      throw commandFailure(`feature not allowed ${groupFeatureNames.simplexLinks}`);
    }
    const row = await getItemOf(tx, { kind: 'group', groupId }, itemId);
    const now = ctx.clock.now();
    const { sharedMsgId, content } = editable(row, now);
    const { group, scope, recipients } = await targetOf(ctx, tx, user, groupId, chatScope);
    const view = (r: ItemRow) => viewGroupItem(ctx, tx, user, group, r, scope);
    const changed = !sameJson(content.msgContent, msgContent);
    if (!changed && row.item_live !== 1) {
      return { type: 'chatItemNotChanged', user, chatItem: await view(row) };
    }
    const mentions = await sentMentions(tx, user, group, msgContent, update.mentions);
    const event = {
      type: 'x.msg.update',
      msgId: sharedMsgId,
      content: msgContent,
      mentions: messageMentions(mentions),
      ttl: row.timed_ttl ?? undefined,
      live: live && row.item_live === 1 ? true : undefined,
      scope: messageScope(group, scope),
    } as const;
    const { messageId } = onlyMessage(await sendToGroup(ctx, tx, user, group, scope, recipients, [{ event }]));
    if (changed) await addVersions(tx, row, content.msgContent, msgContent, now, now);
    let updated = await updateItemContent(ctx, tx, row, { type: 'sndMsgContent', msgContent }, live);
    if (row.has_mentions === 1 || hasMentions(mentions)) {
      await storeMentions(tx, itemId, groupId, mentions);
      updated = await updateItemRow(tx, itemId, { has_mentions: hasMentions(mentions) ? 1 : 0 });
    }
    await linkItemMessage(tx, itemId, messageId);
    return { type: 'chatItemUpdated', user, chatItem: await view(updated) };
  });
}

/** `/_delete item` in a group (60, section 8.2). */
export async function deleteFromGroup(
  ctx: ChatContext,
  user: User,
  groupId: number,
  chatScope: GroupChatScope | undefined,
  itemIds: readonly number[],
  mode: CIDeleteMode,
): Promise<ApiResponse> {
  const result = await ctx.store.transaction(async (tx): Promise<readonly ChatItemDeletion[] | undefined> => {
    const start = await getGroup(tx, user, groupId);
    const rows = await findItems(ctx, tx, { kind: 'group', groupId }, itemIds);
    const now = ctx.clock.now();
    if (mode !== 'broadcast') {
      const { group, scope } = await openScope(ctx, tx, user, groupId, chatScope);
      const remove = mode === 'internal' ? deleteGroupItems : markGroupItems;
      return remove(ctx, tx, user, group, scope, rows, undefined, now);
    }
    const { group, scope, recipients } = await targetOf(ctx, tx, user, groupId, chatScope);
    // A refusal leaves the event about missing items.
    if (!rows.every((r) => canDeleteForAll(r, now))) return undefined;
    checkRole(start, 'observer');
    const events = rows.flatMap((r) =>
      r.shared_msg_id === null
        ? []
        : [
            {
              event: {
                type: 'x.msg.del',
                msgId: r.shared_msg_id,
                scope: messageScope(group, scope),
              } as const,
            },
          ],
    );
    if (events.length > 0) await sendToGroup(ctx, tx, user, group, scope, recipients, events);
    const remove = featureAllowedFor(group, 'fullDelete', group.membership) ? deleteGroupItems : markGroupItems;
    return remove(ctx, tx, user, group, scope, rows, undefined, now);
  });
  if (result === undefined) throw chatFailure({ type: 'invalidChatItemDelete' });
  return { type: 'chatItemsDeleted', user, chatItemDeletions: [...result], byUser: true, timed: false };
}

/** Reacts to an item of a group, or takes it back (60, section 8.5). */
export async function reactInGroup(
  ctx: ChatContext,
  user: User,
  groupId: number,
  chatScope: GroupChatScope | undefined,
  itemId: number,
  add: boolean,
  reaction: MsgReaction,
): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    await getGroup(tx, user, groupId);
    const row = await getItemOf(tx, { kind: 'group', groupId }, itemId);
    const { group, scope, recipients } = await targetOf(ctx, tx, user, groupId, chatScope);
    const sharedMsgId = row.shared_msg_id;
    if (sharedMsgId === null) throw commandFailure('invalid reaction');
    if (!featureAllowed(group, 'reactions')) {
      throw commandFailure(`feature not allowed ${groupFeatureNames.reactions}`);
    }
    if (!canReactTo(row)) throw commandFailure('reaction not allowed - chat item has no content');
    const { memberId: itemMemberId } = await itemAuthor(tx, user, group, row);
    const { groupMemberId } = group.membership;
    const item = { groupId, itemMemberId, sharedMsgId };
    checkOwnReaction(await memberReactions(tx, item, groupMemberId), reaction, add);
    const event = {
      type: 'x.msg.react',
      msgId: sharedMsgId,
      memberId: itemMemberId,
      scope: messageScope(group, scope),
      reaction,
      add,
    } as const;
    onlyMessage(await sendToGroup(ctx, tx, user, group, scope, recipients, [{ event }]));
    const now = ctx.clock.now();
    const { userId } = user;
    await setGroupReaction(tx, item, groupMemberId, { userId, sent: true, reaction, add, ts: now, now });
    const marked = row.has_reactions === 1 ? row : await updateItemRow(tx, itemId, { has_reactions: 1 });
    const { chatInfo, chatItem } = await viewGroupItem(ctx, tx, user, group, marked, scope);
    return {
      type: 'chatItemReaction',
      user,
      added: add,
      reaction: {
        chatInfo,
        chatReaction: { chatDir: { type: 'groupSnd' }, chatItem, sentAt: isoTime(now), reaction },
      },
    };
  });
}

/** A disappearing message of a group disappears. */
export const deleteTimedGroup: TimedDelete = async (ctx, tx, user, row) => {
  const group = row.group_id === null ? undefined : await findGroup(tx, user, row.group_id);
  if (group === undefined) return;
  const scope = await itemScope(tx, user, row);
  const now = ctx.clock.now();
  const chatItemDeletions = await deleteGroupItems(ctx, tx, user, group, scope, [row], undefined, now);
  await ctx.emit(tx, { type: 'chatItemsDeleted', user, chatItemDeletions, byUser: true, timed: true });
};
