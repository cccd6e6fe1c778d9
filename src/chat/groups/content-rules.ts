import type { GroupFeature, GroupInfo, GroupMember, MsgContent, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { storeFailure } from '../engine/errors.js';
import { formatText } from '../items/format.js';
import { contentText } from '../items/text.js';
import { hasSimplexLink } from '../markdown/index.js';
import type { MsgScope } from '../protocol/index.js';
import { featureAllowed, featureAllowedFor } from './preferences.js';
import { findMemberByMemberId } from './queries.js';
import { atLeast, isPending } from './roles.js';
import { ownScope, type Placed, placeEvent, withSupportChat } from './scope.js';
import type { GroupScope } from './view.js';

/**
 * The feature that forbids this content (60, section 8.1). `sending`: the user writes it; otherwise the user receives
 * it from `author`.
 */
export function prohibitedContent(
  group: GroupInfo,
  author: GroupMember,
  scope: GroupScope | undefined,
  content: MsgContent,
  hasFile: boolean,
  sending: boolean,
): GroupFeature | undefined {
  if (content.type === 'voice' && !voiceAllowed(group, author, scope)) return 'voice';
  if (scope !== undefined) return undefined;
  if (hasFile && content.type !== 'voice' && !featureAllowedFor(group, 'files', author)) return 'files';
  if (content.type === 'report') {
    const moderates = atLeast(group.membership.memberRole, 'moderator');
    if (!featureAllowed(group, 'reports') || moderates === sending) return 'reports';
  }
  return prohibitedLinks(group, author, content) ? 'simplexLinks' : undefined;
}

/** Newer moderators may talk to members that are not let in yet. */
function voiceAllowed(group: GroupInfo, author: GroupMember, scope: GroupScope | undefined): boolean {
  return (
    featureAllowedFor(group, 'voice', author) ||
    (scope !== undefined && author.memberCategory !== 'user' && atLeast(author.memberRole, 'moderator'))
  );
}

/** The text has a connection link, which the author's role may not send. */
export function prohibitedLinks(group: GroupInfo, author: GroupMember, content: MsgContent): boolean {
  return !featureAllowedFor(group, 'simplexLinks', author) && hasSimplexLink(formatText(contentText(content)));
}

/** Whether a member may write to this chat (60, section 3.3); support chats belong to one member and the moderators. */
export function memberCanSend(author: GroupMember, scope: MsgScope | undefined): boolean {
  if (scope === undefined) return author.memberRole !== 'observer' || isPending(author);
  return scope.memberId === author.memberId || atLeast(author.memberRole, 'moderator');
}

/** Where received content belongs (60, section 2.9): the scope in it counts unless somebody is pending. */
export async function placeContent(
  tx: Tx,
  user: User,
  group: GroupInfo,
  author: GroupMember,
  scope: MsgScope | undefined,
  now: number,
): Promise<Placed> {
  if (scope === undefined || isPending(group.membership) || isPending(author)) {
    return placeEvent(tx, group, author, now);
  }
  if (scope.memberId === group.membership.memberId) return { ...(await ownScope(tx, group, now)), member: author };
  if (scope.memberId === author.memberId) {
    const member = await withSupportChat(tx, author, now);
    return { group, member: author, scope: { type: 'member', member } };
  }
  const owner = await findMemberByMemberId(tx, user, group.groupId, scope.memberId);
  if (owner === undefined) throw storeFailure({ type: 'groupMemberNotFoundByMemberId', memberId: scope.memberId });
  return { group, member: author, scope: { type: 'member', member: await withSupportChat(tx, owner, now) } };
}
