import type { CIContent, GroupFeature, GroupMember } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import type { StoredFile } from '../engine/file-hooks.js';
import { updateItemRow } from '../items/queries.js';
import { receiveTimed, type TimedSetting } from '../messages/timed.js';
import type { ChatEventOf, MsgContainer } from '../protocol/index.js';
import { emitContent, hide, hideBlocked, type StoredContent, storeContent } from './content-items.js';
import { memberCanSend, placeContent, prohibitedContent } from './content-rules.js';
import { type ForwardScope, itemForwardScope } from './forward.js';
import type { GroupMessage, GroupMessageTable } from './group-message.js';
import { markGroupItems } from './item-deletion.js';
import { groupItemBySharedId, itemScope } from './items.js';
import { messageError } from './member-loading.js';
import { receivedMentions } from './mentions.js';
import { type Moderation, takeModeration } from './moderations.js';
import { featureAllowed, featureAllowedFor } from './preferences.js';
import { atLeast, isBlocked } from './roles.js';
import type { Placed } from './scope.js';

type New = GroupMessage<ChatEventOf<'x.msg.new'>>;

/** Answers a message of somebody who may not write there; true: it is refused. */
export async function refuseSender(
  ctx: ChatContext,
  tx: Tx,
  m: GroupMessage,
  scope: MsgContainer['scope'],
): Promise<boolean> {
  if (memberCanSend(m.member, scope)) return false;
  await messageError(ctx, tx, m.user, 'member is not allowed to send messages');
  return true;
}

/** The time of disappearing messages of the group; those that are passed on keep their own. */
export function groupTimed(m: Pick<GroupMessage, 'group' | 'forwardedBy'>): TimedSetting | undefined {
  if (m.forwardedBy !== undefined) return { ttl: undefined };
  const { ttl } = m.group.fullGroupPreferences.timedMessages;
  return featureAllowed(m.group, 'timedMessages') ? { ttl } : undefined;
}

/** `x.msg.new` (60, section 8.4). */
async function newMessage(ctx: ChatContext, tx: Tx, m: New): Promise<ForwardScope | undefined> {
  const { user, group, event, msgId } = m;
  if (await refuseSender(ctx, tx, m, event.scope)) return undefined;
  const placed = await placeContent(tx, user, group, m.member, event.scope, ctx.clock.now());
  const { member } = placed;
  if (member.blockedByAdmin) {
    await blockedByAdmin(ctx, tx, m, placed);
    return undefined;
  }
  const feature = prohibitedContent(group, member, placed.scope, event.content, event.file !== undefined, false);
  if (feature !== undefined) {
    await rejected(ctx, tx, m, placed, feature);
    return undefined;
  }
  const moderation =
    msgId === undefined ? undefined : await takeModeration(tx, user, group.groupId, member.memberId, msgId);
  if (moderation !== undefined) {
    await moderated(ctx, tx, m, placed, moderation);
    return undefined;
  }
  await shown(ctx, tx, m, placed);
  return itemForwardScope(group, placed.scope);
}

/** Stores the message with everything in it. */
async function store(
  ctx: ChatContext,
  tx: Tx,
  m: New,
  placed: Placed,
  options: { readonly live: boolean; readonly mentions: boolean },
): Promise<{ readonly stored: StoredContent; readonly file: StoredFile | undefined }> {
  const { user, group, event } = m;
  const file =
    event.file === undefined
      ? undefined
      : await ctx.files?.storeReceived(
          ctx,
          tx,
          user,
          { type: 'group', group, member: placed.member },
          event.file,
          event.content,
        );
  const stored = await storeContent(ctx, tx, m, placed, {
    content: { type: 'rcvMsgContent', msgContent: event.content },
    sharedMsgId: m.msgId,
    timed: receiveTimed(groupTimed(m), event.ttl),
    live: options.live && event.live === true,
    forwarded: event.forward === true ? { type: 'unknown' } : undefined,
    quote: event.quote,
    mentions: options.mentions ? await receivedMentions(tx, user, group, event.content, event.mentions) : undefined,
    file,
  });
  return { stored, file };
}

async function shown(ctx: ChatContext, tx: Tx, m: New, placed: Placed): Promise<void> {
  const blocked = isBlocked(placed.member);
  const { stored, file } = await store(ctx, tx, m, placed, { live: true, mentions: !blocked });
  await emitContent(ctx, tx, m.user, await hideBlocked(ctx, tx, stored));
  if (file !== undefined && !blocked) await ctx.files?.received(ctx, tx, m.user, file);
}

/** An item that says something instead of the content. */
function storeInstead(ctx: ChatContext, tx: Tx, m: New, placed: Placed, content: CIContent): Promise<StoredContent> {
  return storeContent(ctx, tx, m, placed, {
    content,
    sharedMsgId: m.msgId,
    timed: receiveTimed(groupTimed(m), m.event.ttl),
  });
}

async function blockedByAdmin(ctx: ChatContext, tx: Tx, m: New, placed: Placed): Promise<void> {
  const hidden = featureAllowed(m.group, 'fullDelete')
    ? await hide(ctx, tx, await storeInstead(ctx, tx, m, placed, { type: 'rcvBlocked' }), 'blockedByAdmin', m.brokerTs)
    : await hideBlocked(ctx, tx, (await store(ctx, tx, m, placed, { live: false, mentions: true })).stored);
  await emitContent(ctx, tx, m.user, hidden);
}

async function rejected(ctx: ChatContext, tx: Tx, m: New, placed: Placed, groupFeature: GroupFeature): Promise<void> {
  const content: CIContent = { type: 'rcvGroupFeatureRejected', groupFeature };
  const stored = await storeContent(ctx, tx, m, placed, { content, sharedMsgId: m.msgId });
  await emitContent(ctx, tx, m.user, await hideBlocked(ctx, tx, stored));
}

/** The message was moderated before it came. */
async function moderated(
  ctx: ChatContext,
  tx: Tx,
  m: New,
  placed: Placed,
  { moderator, moderatedAt }: Moderation,
): Promise<void> {
  const { user, group } = m;
  const { member } = placed;
  if (!atLeast(moderator.memberRole, 'moderator') || !atLeast(moderator.memberRole, member.memberRole)) {
    await shown(ctx, tx, m, placed);
    return;
  }
  if (featureAllowedFor(group, 'fullDelete', moderator)) {
    const stored = await storeInstead(ctx, tx, m, placed, { type: 'rcvModerated' });
    await emitContent(ctx, tx, user, await setModerated(ctx, tx, stored, moderator, moderatedAt));
    return;
  }
  const { stored } = await store(ctx, tx, m, placed, { live: false, mentions: true });
  const chatItemDeletions = await markGroupItems(
    ctx,
    tx,
    user,
    placed.group,
    placed.scope,
    [stored.row],
    moderator,
    moderatedAt,
  );
  await ctx.emit(tx, { type: 'chatItemsDeleted', user, chatItemDeletions, byUser: false, timed: false });
}

async function setModerated(
  ctx: ChatContext,
  tx: Tx,
  stored: StoredContent,
  moderator: GroupMember,
  deletedTs: number,
): Promise<StoredContent> {
  const row = await updateItemRow(tx, stored.row.chat_item_id, {
    item_deleted: 1,
    item_deleted_ts: deletedTs,
    item_deleted_by_group_member_id: moderator.groupMemberId,
    updated_at: ctx.clock.now(),
  });
  return { ...stored, row, quoted: moderator };
}

export const contentMessages: GroupMessageTable = {
  'x.msg.new': newMessage,
  'x.msg.file.descr': async (ctx, tx, m) => {
    const { user, group, member, event } = m;
    const scope = await fileScope(tx, m, event.msgId);
    await ctx.files?.groupDescription(ctx, tx, user, group, member, event.msgId, event.fileDescr);
    return scope;
  },
  'x.file.cancel': async (ctx, tx, m) => {
    const { user, group, member, event } = m;
    const scope = await fileScope(tx, m, event.msgId);
    await ctx.files?.groupCancel(ctx, tx, user, group, member, event.msgId);
    return scope;
  },
};

/** Messages about a file go where the message with the file went. */
async function fileScope(tx: Tx, { user, group, member }: GroupMessage, msgId: string) {
  const row = await groupItemBySharedId(tx, group, member.memberId, msgId);
  return row === undefined ? undefined : itemForwardScope(group, await itemScope(tx, user, row));
}
