import type { MsgReaction } from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';

/** Own, or anybody's, reactions to one item. */
export const maxReactions = 3;

/** A reaction as a column: equal reactions are equal texts. */
export function reactionColumn(reaction: MsgReaction): string {
  return JSON.stringify(sorted(reaction));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => [k, sorted(v)]),
  );
}

const ofContact = prepare<{ contactId: number; sharedMsgId: string; sent: number }, { reaction: string }>((db, p) =>
  db
    .selectFrom('chat_item_reactions')
    .select('reaction')
    .where('contact_id', '=', p('contactId'))
    .where('shared_msg_id', '=', p('sharedMsgId'))
    .where('reaction_sent', '=', p('sent')),
);

const anyOfContact = prepare<{ contactId: number; sharedMsgId: string }, { reaction: string }>((db, p) =>
  db
    .selectFrom('chat_item_reactions')
    .select('reaction')
    .where('contact_id', '=', p('contactId'))
    .where('shared_msg_id', '=', p('sharedMsgId'))
    .limit(1),
);

/** Reactions (as columns) of one side of a direct chat to an item. */
export async function directReactions(
  tx: Tx,
  contactId: number,
  sharedMsgId: string,
  sent: boolean,
): Promise<string[]> {
  return (await ofContact.all(tx, { contactId, sharedMsgId, sent: sent ? 1 : 0 })).map((r) => r.reaction);
}

/** Whether reactions came before their item. */
export async function hasDirectReactions(tx: Tx, contactId: number, sharedMsgId: string): Promise<boolean> {
  return (await anyOfContact.first(tx, { contactId, sharedMsgId })) !== undefined;
}

/** The columns that name an item and who reacts to it. */
interface ReactionKey {
  readonly shared_msg_id: string;
  readonly contact_id?: number;
  readonly group_id?: number;
  readonly group_member_id?: number;
  readonly item_member_id?: string;
}

/** A reaction that is added or removed. */
export interface ReactionChange {
  readonly userId: number;
  readonly sent: boolean;
  readonly reaction: MsgReaction;
  readonly add: boolean;
  /** When it was made (ms). */
  readonly ts: number;
  readonly now: number;
}

/** Adds or removes a reaction. */
export async function changeReaction(tx: Tx, key: ReactionKey, r: ReactionChange): Promise<void> {
  const reaction = reactionColumn(r.reaction);
  const sent = r.sent ? 1 : 0;
  if (r.add) {
    await tx.db
      .insertInto('chat_item_reactions')
      .values({ ...key, user_id: r.userId, reaction, reaction_sent: sent, reaction_ts: r.ts, created_at: r.now })
      .execute();
    return;
  }
  await tx.db
    .deleteFrom('chat_item_reactions')
    .where((eb) => eb.and({ ...key, reaction, reaction_sent: sent }))
    .execute();
}

/** Adds or removes a reaction of one side of a direct chat. */
export function setDirectReaction(
  tx: Tx,
  item: { readonly contactId: number; readonly sharedMsgId: string },
  change: ReactionChange,
): Promise<void> {
  return changeReaction(tx, { contact_id: item.contactId, shared_msg_id: item.sharedMsgId }, change);
}
