import type { GroupInfo, GroupMember, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { ourChatVersions } from '../protocol/index.js';
import { getMemberById } from './queries.js';
import { insertMember, nameFromMemberId } from './records.js';

/** A member of whom only the id is known: author of a forwarded message, or target of a block. */
export async function insertUnknownMember(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  memberId: string,
  name?: string,
): Promise<GroupMember> {
  const displayName = name === undefined || name === '' ? nameFromMemberId(memberId) : name;
  const id = await insertMember(
    tx,
    user.userId,
    group.groupId,
    {
      memberId,
      role: 'author',
      category: 'pre',
      status: 'unknown',
      who: { type: 'profile', profile: { displayName, fullName: '' } },
      invitedBy: null,
      versions: ourChatVersions,
    },
    ctx.clock.now(),
  );
  return getMemberById(tx, user, id);
}
