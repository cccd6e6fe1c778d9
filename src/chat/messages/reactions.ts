import type { ApiResponse, MsgReaction, User } from '../../api/index.js';
import { getContact } from '../contacts/queries.js';
import type { ChatContext } from '../engine/context.js';
import { commandFailure } from '../engine/errors.js';
import { isoTime } from '../engine/time.js';
import { getItemOf } from '../items/chat-items.js';
import { viewDirectItem } from '../items/create.js';
import { updateItemRow } from '../items/queries.js';
import { type ItemRow, itemMsgContent } from '../items/view.js';
import { sendDirectMessage } from '../messaging/send.js';
import { featureNames } from '../preferences/merge.js';
import { directReactions, maxReactions, reactionColumn, setDirectReaction } from './reaction-rows.js';

/** Messages that are not deleted can be reacted to. */
export function canReactTo(row: ItemRow): boolean {
  return row.item_deleted === 0 && itemMsgContent(row) !== undefined;
}

/** Refuses a reaction that is there (or not there) already, and the fourth. `own`: columns of what the user reacted. */
export function checkOwnReaction(own: readonly string[], reaction: MsgReaction, add: boolean): void {
  if (own.includes(reactionColumn(reaction)) === add) {
    throw commandFailure(`reaction already ${add ? 'added' : 'removed'}`);
  }
  if (add && own.length >= maxReactions) throw commandFailure('too many reactions');
}

/** Reacts to an item of a direct chat, or takes it back (50, section 5.4). */
export async function reactToContact(
  ctx: ChatContext,
  user: User,
  contactId: number,
  itemId: number,
  add: boolean,
  reaction: MsgReaction,
): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const contact = await getContact(tx, user, contactId);
    const row = await getItemOf(tx, { kind: 'direct', contactId }, itemId);
    const sharedMsgId = row.shared_msg_id;
    if (sharedMsgId === null) throw commandFailure('reaction not possible - no shared item ID');
    if (!contact.mergedPreferences.reactions.enabled.forUser) {
      throw commandFailure(`feature not allowed ${featureNames.reactions}`);
    }
    if (!canReactTo(row)) throw commandFailure('reaction not allowed - chat item has no content');
    checkOwnReaction(await directReactions(tx, contactId, sharedMsgId, true), reaction, add);
    await sendDirectMessage(ctx, tx, user, contact, {
      event: { type: 'x.msg.react', msgId: sharedMsgId, reaction, add },
    });
    const now = ctx.clock.now();
    const { userId } = user;
    await setDirectReaction(tx, { contactId, sharedMsgId }, { userId, sent: true, reaction, add, ts: now, now });
    const marked = row.has_reactions === 1 ? row : await updateItemRow(tx, itemId, { has_reactions: 1 });
    const { chatInfo, chatItem } = await viewDirectItem(ctx, tx, contact, marked);
    return {
      type: 'chatItemReaction',
      user,
      added: add,
      reaction: {
        chatInfo,
        chatReaction: { chatDir: { type: 'directSnd' }, chatItem, sentAt: isoTime(now), reaction },
      },
    };
  });
}
