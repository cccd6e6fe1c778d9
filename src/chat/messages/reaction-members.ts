import type { MemberReaction } from '../../api/index.js';
import { type CommandTable, checkActiveUser, whenRunning } from '../engine/commands.js';
import { isoTime } from '../engine/time.js';
import { getMember } from '../groups/queries.js';
import { getItemOf } from '../items/chat-items.js';
import { reactionColumn } from './reaction-rows.js';

/** Who reacted to a message of a group. */
export const reactionMembersCommands: CommandTable = {
  APIGetReactionMembers: whenRunning(async (ctx, { userId, groupId, chatItemId, reaction }, user) => {
    checkActiveUser(user, userId);
    return ctx.store.read(async (tx) => {
      const row = await getItemOf(tx, { kind: 'group', groupId }, chatItemId);
      const rows = await tx.db
        .selectFrom('chat_item_reactions')
        .select(['group_member_id', 'reaction_ts'])
        .where('group_id', '=', groupId)
        .where('shared_msg_id', '=', row.shared_msg_id ?? '')
        .where('reaction', '=', reactionColumn(reaction))
        .orderBy('chat_item_reaction_id')
        .execute();
      const memberReactions: MemberReaction[] = [];
      for (const r of rows) {
        if (r.group_member_id === null) continue;
        const groupMember = await getMember(tx, user, groupId, r.group_member_id);
        memberReactions.push({ groupMember, reactionTs: isoTime(r.reaction_ts) });
      }
      return { type: 'reactionMembers', user, memberReactions };
    });
  }),
};
