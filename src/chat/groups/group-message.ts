import type { GroupInfo, GroupMember, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import type { JsonChatEvent } from '../protocol/index.js';
import type { ForwardScope } from './forward.js';
import type { MemberEntity } from './member-loading.js';

/** A message of a group member: on its own connection, or passed on by another one. */
export interface GroupMessage<E = JsonChatEvent> {
  readonly user: User;
  readonly group: GroupInfo;
  /** Who wrote it. */
  readonly member: GroupMember;
  readonly event: E;
  readonly msgId: string | undefined;
  /** Our row of the message. */
  readonly messageId: number;
  /** When the relay got it (ms); of forwarded messages as the forwarding member says. */
  readonly brokerTs: number;
  readonly forwardedBy: GroupMember | undefined;
  /** The connection that it came on, when that is the author's. */
  readonly direct: MemberEntity | undefined;
}

/** What a message does; the result says to whom it must be passed on. */
export type GroupMessageHandler<T extends JsonChatEvent['type']> = (
  ctx: ChatContext,
  tx: Tx,
  message: GroupMessage<Extract<JsonChatEvent, { readonly type: T }>>,
  // biome-ignore lint/suspicious/noConfusingVoidType: many messages are not passed on
) => Promise<ForwardScope | undefined | void>;

/** Handlers of messages by type. */
export type GroupMessageTable = { readonly [T in JsonChatEvent['type']]?: GroupMessageHandler<T> };
