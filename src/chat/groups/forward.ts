import type { GroupInfo, GroupMember, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { isoTime } from '../engine/time.js';
import { type ChatMessage, ChatV, type JsonChatEvent } from '../protocol/index.js';
import { getMemberById } from './queries.js';
import { recipientOf, supports } from './recipients.js';
import { atLeast, isCurrent, isCurrentOrPending, isPending } from './roles.js';
import { sendToMembers } from './send.js';
import type { GroupScope } from './view.js';

/** To whom the inviting member passes an event on (60, section 5.7). */
export type ForwardScope =
  | { readonly type: 'all' }
  | { readonly type: 'main' }
  | { readonly type: 'support'; readonly groupMemberId: number };

export const forwardToAll: ForwardScope = { type: 'all' };
export const forwardToMain: ForwardScope = { type: 'main' };

/** The scope of an item. */
export function itemForwardScope(group: GroupInfo, scope: GroupScope | undefined): ForwardScope {
  if (scope === undefined) return forwardToMain;
  const groupMemberId = scope.type === 'own' ? group.membership.groupMemberId : scope.member.groupMemberId;
  return { type: 'support', groupMemberId };
}

/** The scope of an event about a member. */
export function memberForwardScope(target: GroupMember): ForwardScope | undefined {
  if (target.memberStatus === 'pending_approval') return undefined;
  if (isPending(target)) return { type: 'support', groupMemberId: target.groupMemberId };
  return atLeast(target.memberRole, 'moderator') ? forwardToAll : forwardToMain;
}

/** Messages of one member to pass on, by scope, in their order. */
export class Forwards {
  readonly #byScope = new Map<string, { readonly scope: ForwardScope; readonly messages: ChatMessage[] }>();

  add(scope: ForwardScope | undefined, message: ChatMessage): void {
    if (scope === undefined) return;
    const key = scope.type === 'support' ? `support:${scope.groupMemberId}` : scope.type;
    const entry = this.#byScope.get(key);
    if (entry === undefined) this.#byScope.set(key, { scope, messages: [message] });
    else entry.messages.push(message);
  }

  all(): readonly { readonly scope: ForwardScope; readonly messages: readonly ChatMessage[] }[] {
    return [...this.#byScope.values()];
  }
}

/** Members that this one was introduced to, or that were introduced to it, and who are not connected with it yet. */
async function unconnected(tx: Tx, user: User, member: GroupMember): Promise<GroupMember[]> {
  const { rows } = await tx.execute<{ id: number }>(
    `SELECT to_group_member_id AS id FROM group_member_intros
     WHERE re_group_member_id = ? AND intro_chat_protocol_version >= ? AND intro_status NOT IN ('re-con', 'to-con', 'con')
     UNION
     SELECT re_group_member_id FROM group_member_intros
     WHERE to_group_member_id = ? AND intro_chat_protocol_version >= ? AND intro_status NOT IN ('re-con', 'to-con', 'con')
       AND ? = 'invitee'`,
    [member.groupMemberId, ChatV.GroupForward, member.groupMemberId, ChatV.GroupForward, member.memberCategory],
  );
  const members: GroupMember[] = [];
  for (const { id } of rows) members.push(await getMemberById(tx, user, id));
  return members;
}

async function targets(tx: Tx, user: User, member: GroupMember, scope: ForwardScope): Promise<GroupMember[]> {
  const all = await unconnected(tx, user, member);
  if (scope.type === 'all') return all.filter(isCurrentOrPending);
  if (scope.type === 'main') return all.filter(isCurrent);
  const moderators = all.filter((m) => atLeast(m.memberRole, 'moderator') && isCurrent(m) && supports(m, ChatV.Scopes));
  const owner = all.find((m) => m.groupMemberId === scope.groupMemberId);
  return owner === undefined || moderators.includes(owner) ? moderators : [owner, ...moderators];
}

function mayReceive(messages: readonly ChatMessage[], target: GroupMember): boolean {
  return messages.every(({ event }) => {
    // A blocked member is not told, and reports are for moderators.
    if (event.type === 'x.grp.mem.restrict') return event.memberId !== target.memberId;
    if (event.type === 'x.msg.new' && event.content.type === 'report') return atLeast(target.memberRole, 'moderator');
    return true;
  });
}

/** Passes messages of a member on to those that do not have a connection with it. */
export async function forwardMessages(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
  forwards: Forwards,
  brokerTs: number,
): Promise<void> {
  for (const { scope, messages } of forwards.all()) {
    const recipients = (await targets(tx, user, member, scope)).filter((m) => mayReceive(messages, m));
    if (recipients.length === 0) continue;
    const events = messages.map(
      (msg): JsonChatEvent => ({
        type: 'x.grp.msg.forward',
        memberId: member.memberId,
        msg,
        msgTs: isoTime(brokerTs),
      }),
    );
    await sendToMembers(
      ctx,
      tx,
      group,
      recipients.map(recipientOf),
      events.map((event) => ({ event })),
    );
  }
}
