import type { GroupMember, User } from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';
import { findMemberById } from './queries.js';

/** A message was moderated before it came (60, section 8.3). */
export interface Moderation {
  readonly moderator: GroupMember;
  /** ms */
  readonly moderatedAt: number;
}

interface ModerationRow {
  readonly chat_item_moderation_id: number;
  readonly moderator_member_id: number;
  readonly moderated_at: number;
}

const find = prepare<{ groupId: number; memberId: string; sharedMsgId: string }, ModerationRow>((db, p) =>
  db
    .selectFrom('chat_item_moderations')
    .select(['chat_item_moderation_id', 'moderator_member_id', 'moderated_at'])
    .where('group_id', '=', p('groupId'))
    .where('item_member_id', '=', p('memberId'))
    .where('shared_msg_id', '=', p('sharedMsgId')),
);

/** Kept until the message comes ({@link takeModeration}). `moderatedAt` and `now` in ms. */
export async function storeModeration(
  tx: Tx,
  groupId: number,
  m: {
    readonly moderator: GroupMember;
    readonly itemMemberId: string;
    readonly sharedMsgId: string;
    readonly messageId: number;
    readonly moderatedAt: number;
    readonly now: number;
  },
): Promise<void> {
  await tx.db
    .insertInto('chat_item_moderations')
    .values({
      group_id: groupId,
      moderator_member_id: m.moderator.groupMemberId,
      item_member_id: m.itemMemberId,
      shared_msg_id: m.sharedMsgId,
      created_by_msg_id: m.messageId,
      moderated_at: m.moderatedAt,
      created_at: m.now,
    })
    .execute();
}

/** The moderation that waits for this message; it is used up. */
export async function takeModeration(
  tx: Tx,
  user: User,
  groupId: number,
  itemMemberId: string,
  sharedMsgId: string,
): Promise<Moderation | undefined> {
  const row = await find.first(tx, { groupId, memberId: itemMemberId, sharedMsgId });
  if (row === undefined) return undefined;
  await tx.db
    .deleteFrom('chat_item_moderations')
    .where('chat_item_moderation_id', '=', row.chat_item_moderation_id)
    .execute();
  const moderator = await findMemberById(tx, user, row.moderator_member_id);
  return moderator === undefined ? undefined : { moderator, moderatedAt: row.moderated_at };
}
