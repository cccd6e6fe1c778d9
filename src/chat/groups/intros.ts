import type { GroupInfo, GroupMember, User } from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { storeInternalFailure } from '../engine/errors.js';
import { ChatV, type JsonChatEvent, type MsgScope, ourChatVersions } from '../protocol/index.js';
import { memberInfo, memberRestrictions } from './member-info.js';
import { listMembers } from './queries.js';
import { recipientOf, supports } from './recipients.js';
import { atLeast, isCurrent } from './roles.js';
import { sendToMembers, shuffle } from './send.js';
import { sendBatch, sendOnConnection, sendToMember } from './send-member.js';

/** `re`: the member that was there; `to`: the new one, whose host we are. */
export interface Intro {
  readonly group_member_intro_id: number;
  readonly intro_status: string;
}

const introOf = prepare<{ re: number; to: number }, Intro>((db, p) =>
  db
    .selectFrom('group_member_intros')
    .select(['group_member_intro_id', 'intro_status'])
    .where('re_group_member_id', '=', p('re'))
    .where('to_group_member_id', '=', p('to')),
);

/** The introduction of `re` to `to`; the other way round is another one (60, section 7.6). */
export function findIntro(tx: Tx, re: number, to: number): Promise<Intro | undefined> {
  return introOf.first(tx, { re, to });
}

/** `new`, `sent`, `rcv`, `fwd`, `re-con`, `to-con` or `con` (60, section 7.6): their order is the caller's business. */
export async function setIntroStatus(tx: Tx, introId: number, status: string, now: number): Promise<void> {
  await tx.db
    .updateTable('group_member_intros')
    .set({ intro_status: status, updated_at: now })
    .where('group_member_intro_id', '=', introId)
    .execute();
}

/** The link that the new member made for the other one; status `rcv` until it is passed on. */
export async function saveIntroInvitation(
  tx: Tx,
  introId: number,
  invitation: { readonly groupConnReq: string; readonly directConnReq?: string | undefined },
  now: number,
): Promise<void> {
  await tx.db
    .updateTable('group_member_intros')
    .set({
      group_queue_info: invitation.groupConnReq,
      direct_queue_info: invitation.directConnReq ?? null,
      intro_status: 'rcv',
      updated_at: now,
    })
    .where('group_member_intro_id', '=', introId)
    .execute();
}

/** Members that the new member has been introduced to, or that were introduced to it. */
async function introducedIds(tx: Tx, groupMemberId: number): Promise<Set<number>> {
  const { rows } = await tx.execute<{ id: number }>(
    `SELECT re_group_member_id AS id FROM group_member_intros WHERE to_group_member_id = ?
     UNION SELECT to_group_member_id FROM group_member_intros WHERE re_group_member_id = ?`,
    [groupMemberId, groupMemberId],
  );
  return new Set(rows.map((r) => r.id));
}

/** Introduces a new member of ours to members, and them to it (60, section 7.6). */
export async function introduceMember(
  ctx: ChatContext,
  tx: Tx,
  group: GroupInfo,
  member: GroupMember,
  members: readonly GroupMember[],
  scope: MsgScope | undefined,
): Promise<void> {
  const { connection } = recipientOf(member);
  if (connection === undefined) throw storeInternalFailure('member connection not active');
  const others = members.filter((m) => m.groupMemberId !== member.groupMemberId);
  const event: JsonChatEvent = { type: 'x.grp.mem.new', memberInfo: memberInfo(member), scope };
  await sendToMembers(ctx, tx, group, others.map(recipientOf), [{ event }]);
  const known = await introducedIds(tx, member.groupMemberId);
  const now = ctx.clock.now();
  const intros: { readonly introId: number; readonly re: GroupMember }[] = [];
  for (const re of others) {
    if (!isCurrent(re) || known.has(re.groupMemberId)) continue;
    const row = await tx.db
      .insertInto('group_member_intros')
      .values({
        re_group_member_id: re.groupMemberId,
        to_group_member_id: member.groupMemberId,
        intro_status: 'new',
        intro_chat_protocol_version: ourChatVersions.max,
        created_at: now,
        updated_at: now,
      })
      .returning('group_member_intro_id')
      .executeTakeFirstOrThrow();
    intros.push({ introId: row.group_member_intro_id, re });
  }
  const ordered = ordering.flatMap((part) =>
    shuffle(
      ctx.random,
      intros.filter((i) => part(i.re)),
    ),
  );
  const introduction = (re: GroupMember): JsonChatEvent => ({
    type: 'x.grp.mem.intro',
    memberInfo: memberInfo(re),
    memberRestrictions: memberRestrictions(re),
  });
  if (supports(member, ChatV.GroupBatch)) {
    await sendBatch(
      ctx,
      tx,
      group.groupId,
      connection,
      ordered.map((i) => introduction(i.re)),
    );
    return;
  }
  for (const { introId, re } of ordered) {
    await sendOnConnection(ctx, tx, group.groupId, connection, introduction(re));
    await setIntroStatus(tx, introId, 'sent', now);
  }
}

const isAdmin = (m: GroupMember): boolean => atLeast(m.memberRole, 'admin');
const hasImage = (m: GroupMember): boolean => m.memberProfile.image !== undefined;
/** Admins first, and those with an image before the others. */
const ordering: readonly ((m: GroupMember) => boolean)[] = [
  (m) => isAdmin(m) && hasImage(m),
  (m) => isAdmin(m) && !hasImage(m),
  (m) => !isAdmin(m) && hasImage(m),
  (m) => !isAdmin(m) && !hasImage(m),
];

/** To all current members: the usual case, without review. */
export async function introduceToAll(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
): Promise<void> {
  const members = await listMembers(tx, user, group.groupId);
  await introduceMember(ctx, tx, group, member, members.filter(isCurrent), undefined);
}

/** To those that do not know the member yet: after its admission. */
export async function introduceToRemaining(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
): Promise<void> {
  const known = await introducedIds(tx, member.groupMemberId);
  const members = await listMembers(tx, user, group.groupId);
  const others = members.filter((m) => isCurrent(m) && !known.has(m.groupMemberId));
  await introduceMember(ctx, tx, group, member, others, undefined);
}

const pendingReviewText = 'Please wait for group moderators to review your request to join the group.';

/** A member that waits for review: only moderators get to know it (60, section 7.7). */
export async function introduceToModerators(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
): Promise<void> {
  await sendToMember(
    ctx,
    tx,
    member,
    supports(member, ChatV.Scopes)
      ? {
          type: 'x.grp.link.acpt',
          acceptance: 'pending_review',
          role: member.memberRole,
          memberId: member.memberId,
        }
      : { type: 'x.msg.new', content: { type: 'text', text: pendingReviewText } },
  );
  const members = await listMembers(tx, user, group.groupId);
  const moderators = members.filter(
    (m) => atLeast(m.memberRole, 'moderator') && isCurrent(m) && supports(m, ChatV.Scopes),
  );
  await introduceMember(ctx, tx, group, member, moderators, { type: 'member', memberId: member.memberId });
}
