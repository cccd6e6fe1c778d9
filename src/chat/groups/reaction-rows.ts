import { prepare, type Tx } from '../../store/index.js';
import { changeReaction, type ReactionChange } from '../messages/reaction-rows.js';

/** An item of a group by its author and shared id. */
export interface ReactedItem {
  readonly groupId: number;
  readonly itemMemberId: string;
  readonly sharedMsgId: string;
}

const ofMember = prepare<ReactedItem & { memberId: number }, { reaction: string }>((db, p) =>
  db
    .selectFrom('chat_item_reactions')
    .select('reaction')
    .where('group_id', '=', p('groupId'))
    .where('shared_msg_id', '=', p('sharedMsgId'))
    .where('item_member_id', '=', p('itemMemberId'))
    .where('group_member_id', '=', p('memberId')),
);
const anyOf = prepare<ReactedItem, { reaction: string }>((db, p) =>
  db
    .selectFrom('chat_item_reactions')
    .select('reaction')
    .where('group_id', '=', p('groupId'))
    .where('shared_msg_id', '=', p('sharedMsgId'))
    .where('item_member_id', '=', p('itemMemberId'))
    .limit(1),
);

/** What a member, or the user by the membership, has reacted to an item; as columns. */
export async function memberReactions(tx: Tx, item: ReactedItem, groupMemberId: number): Promise<string[]> {
  return (await ofMember.all(tx, { ...item, memberId: groupMemberId })).map((r) => r.reaction);
}

/** Whether reactions came before their item. */
export async function hasGroupReactions(tx: Tx, item: ReactedItem): Promise<boolean> {
  return (await anyOf.first(tx, item)) !== undefined;
}

/** Adds or removes a reaction of a member, or of the user by the membership. */
export function setGroupReaction(
  tx: Tx,
  item: ReactedItem,
  groupMemberId: number,
  change: ReactionChange,
): Promise<void> {
  const key = {
    group_id: item.groupId,
    group_member_id: groupMemberId,
    item_member_id: item.itemMemberId,
    shared_msg_id: item.sharedMsgId,
  };
  return changeReaction(tx, key, change);
}
