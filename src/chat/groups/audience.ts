import type { GroupChatScope, GroupInfo, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { commandFailure } from '../engine/errors.js';
import { ChatV, type ChatVersion } from '../protocol/index.js';
import { getGroup } from './queries.js';
import { groupRecipients, type Recipient } from './recipients.js';
import { atLeast, checkRole, isActive, isCurrent, isCurrentOrPending, isPending } from './roles.js';
import { commandScope, withSupportChat } from './scope.js';
import type { GroupScope } from './view.js';

/** Moderators that know support chats, or reports. */
function moderators(all: readonly Recipient[], version: ChatVersion): Recipient[] {
  return all.filter((m) => atLeast(m.memberRole, 'moderator') && isCurrent(m) && m.version >= version);
}

function checkCurrent({ membership }: GroupInfo): void {
  if (!isCurrent(membership) || !isActive(membership)) throw commandFailure('not current member');
}

/**
 * Who gets what is written in a chat of the group (60, section 8.1): all current members, or the moderators and the
 * member whose support chat it is. `version` of the moderators.
 */
export async function audience(
  tx: Tx,
  group: GroupInfo,
  scope: GroupScope | undefined,
  version: ChatVersion = ChatV.Scopes,
): Promise<Recipient[]> {
  if (scope === undefined) {
    checkCurrent(group);
    return (await groupRecipients(tx, group.groupId)).filter(isCurrent);
  }
  if (scope.type === 'own') {
    const members = moderators(await groupRecipients(tx, group.groupId), version);
    if (members.length === 0) throw commandFailure('no admins support this message');
    return members;
  }
  checkCurrent(group);
  const { member } = scope;
  const all = await groupRecipients(tx, group.groupId);
  const owner = all.filter((m) => m.groupMemberId === member.groupMemberId);
  if (member.memberStatus === 'pending_approval') return owner;
  if (!isCurrentOrPending(member)) throw commandFailure('support member not current or pending');
  return [...owner, ...moderators(all, version).filter((m) => m.groupMemberId !== member.groupMemberId)];
}

/** The role that writing there takes (60, section 3.3). */
export function checkMayWrite(group: GroupInfo, scope: GroupScope | undefined): void {
  if (scope === undefined) checkRole(group, 'author');
  else if (scope.type === 'member') checkRole(group, 'moderator');
  else if (!isPending(group.membership)) checkRole(group, 'observer');
}

/** Where messages go, and to whom. */
export interface Target {
  readonly group: GroupInfo;
  readonly scope: GroupScope | undefined;
  readonly recipients: readonly Recipient[];
}

/** The chat of the group that a command names; a support chat is opened. */
export async function openScope(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  groupId: number,
  chatScope: GroupChatScope | undefined,
): Promise<Pick<Target, 'group' | 'scope'>> {
  const group = await getGroup(tx, user, groupId);
  const scope = await commandScope(tx, user, groupId, chatScope);
  if (scope === undefined) return { group, scope };
  // The own one opens with its first item, and is shown as it was.
  if (scope.type === 'own') return { group, scope };
  return { group, scope: { type: 'member', member: await withSupportChat(tx, scope.member, ctx.clock.now()) } };
}

/** {@link openScope} with its {@link audience}. */
export async function targetOf(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  groupId: number,
  chatScope: GroupChatScope | undefined,
  version?: ChatVersion,
): Promise<Target> {
  const { group, scope } = await openScope(ctx, tx, user, groupId, chatScope);
  return { group, scope, recipients: await audience(tx, group, scope, version) };
}
