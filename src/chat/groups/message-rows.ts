import { prepare, type Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { encodeMessage, type OutMessage } from '../messaging/send.js';
import { newSharedMsgId } from '../protocol/index.js';

/** A message that has been stored for a group. */
export interface GroupMessageRow {
  readonly messageId: number;
  readonly sharedMsgId: string;
}

const insertMessage = prepare<
  { event: string; sharedMsgId: string; body: Uint8Array | null; groupId: number; now: number },
  { message_id: number }
>((db, p) =>
  db
    .insertInto('messages')
    .values({
      msg_sent: 1,
      chat_msg_event: p('event'),
      shared_msg_id: p('sharedMsgId'),
      msg_body: p('body'),
      group_id: p('groupId'),
      created_at: p('now'),
    })
    .returning('message_id'),
);

/** Encodes a message and stores its row; with its body only when it will have to be sent again. */
export async function storeGroupMessage(
  ctx: ChatContext,
  tx: Tx,
  groupId: number,
  { event, sharedMsgId = newSharedMsgId(ctx.random) }: Pick<OutMessage, 'event' | 'sharedMsgId'>,
  keepBody: boolean,
): Promise<GroupMessageRow & { readonly body: Uint8Array }> {
  const body = encodeMessage(event, sharedMsgId);
  const row = await insertMessage.first(tx, {
    event: event.type,
    sharedMsgId,
    body: keepBody ? body : null,
    groupId,
    now: ctx.clock.now(),
  });
  if (row === undefined) throw new Error('an insert returned no row');
  return { messageId: row.message_id, sharedMsgId, body };
}
