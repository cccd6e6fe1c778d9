import type { GroupInfo, GroupMember, MsgContent, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { isoTime } from '../engine/time.js';
import { itemExtras } from '../items/queries.js';
import { contentText } from '../items/text.js';
import { type ItemRow, itemMsgContent } from '../items/view.js';
import { type ChatMessage, ChatV, type JsonChatEvent, type MsgContainer, ourChatVersions } from '../protocol/index.js';
import { memberVersions } from './member-info.js';
import { messageMentions, withPresentNames } from './mentions.js';
import { membersWithoutConnection } from './queries.js';
import { recipientOf, supports } from './recipients.js';
import { sendBatch } from './send-member.js';

/** Items that a new member gets. */
const historySize = 100;

/** Sends a new member what was said before it came, and the welcome message (60, section 7.9). */
export async function sendHistory(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
): Promise<void> {
  const { connection } = recipientOf(member);
  if (connection === undefined || !supports(member, ChatV.GroupBatch)) return;
  const events: JsonChatEvent[] = [];
  for (const row of await historyItems(tx, group.groupId, member.groupMemberId)) {
    events.push(...(await forwardedItem(ctx, tx, user, group, row)));
  }
  const { description } = group.groupProfile;
  if (description !== undefined && supports(member, ChatV.GroupWelcomeWithHistory) && !(await hasWelcome(tx, member))) {
    events.push({ type: 'x.msg.new', content: { type: 'text', text: description } });
  }
  if (events.length > 0) await sendBatch(ctx, tx, group.groupId, connection, events);
}

/** The newest messages that the member has not got, oldest first. */
async function historyItems(tx: Tx, groupId: number, groupMemberId: number): Promise<ItemRow[]> {
  const { rows } = await tx.execute<ItemRow>(
    `SELECT i.* FROM chat_items i
     WHERE i.group_id = ? AND i.include_in_history = 1 AND i.item_deleted = 0
       AND NOT EXISTS (SELECT 1 FROM group_snd_item_statuses s
                       WHERE s.chat_item_id = i.chat_item_id AND s.group_member_id = ?)
     ORDER BY i.item_ts DESC, i.chat_item_id DESC LIMIT ?`,
    [groupId, groupMemberId, historySize],
  );
  return rows.reverse();
}

/** The member joined with link data that held the welcome message. */
async function hasWelcome(tx: Tx, member: GroupMember): Promise<boolean> {
  const row = await tx.db
    .selectFrom('group_members')
    .select('member_welcome_shared_msg_id')
    .where('group_member_id', '=', member.groupMemberId)
    .executeTakeFirst();
  return row !== undefined && row.member_welcome_shared_msg_id !== null;
}

async function forwardedItem(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  row: ItemRow,
): Promise<JsonChatEvent[]> {
  const content = itemMsgContent(row);
  const sharedMsgId = row.shared_msg_id;
  if (content === undefined || sharedMsgId === null) return [];
  const sender = await authorOf(tx, user, group, row);
  if (sender === undefined || sender.blockedByAdmin) return [];
  const file = row.has_file === 0 ? undefined : await ctx.files?.history(ctx, tx, row);
  if (file === undefined && !hasText(content)) return [];
  const { mentions } = await itemExtras(tx, row);
  const present = withPresentNames(content, mentions);
  const container: MsgContainer = {
    content: present.content,
    mentions: messageMentions(present.mentions),
    quote: quoteOf(row, sender),
    ttl: row.timed_ttl ?? undefined,
    file: file?.invitation,
  };
  const versions = row.item_sent !== 0 ? ourChatVersions : memberVersions(sender);
  const messages: ChatMessage[] = [
    { versions, msgId: sharedMsgId, event: { type: 'x.msg.new', ...container } },
    ...(file?.parts ?? []).map((fileDescr) => ({
      versions,
      msgId: undefined,
      event: { type: 'x.msg.file.descr' as const, msgId: sharedMsgId, fileDescr },
    })),
  ];
  return messages.map((msg) => ({
    type: 'x.grp.msg.forward',
    memberId: sender.memberId,
    msg,
    msgTs: isoTime(row.item_ts),
  }));
}

async function authorOf(tx: Tx, user: User, group: GroupInfo, row: ItemRow): Promise<GroupMember | undefined> {
  if (row.item_sent !== 0 || row.group_member_id === null) return group.membership;
  return (await membersWithoutConnection(tx, user, [row.group_member_id])).get(row.group_member_id);
}

function hasText(content: MsgContent): boolean {
  return content.type === 'voice' || content.type === 'report' || contentText(content) !== '';
}

function quoteOf(row: ItemRow, sender: GroupMember): MsgContainer['quote'] {
  if (row.quoted_sent_at === null || row.quoted_content === null) return undefined;
  return {
    msgRef: {
      msgId: row.quoted_shared_msg_id ?? undefined,
      sentAt: isoTime(row.quoted_sent_at),
      sent: row.quoted_member_id === sender.memberId,
      memberId: row.quoted_member_id ?? undefined,
    },
    content: JSON.parse(row.quoted_content) as MsgContent,
  };
}
