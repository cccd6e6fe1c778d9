import type { ConnectionEntity, GroupInfo, GroupMember, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { type ConnectionRow, connectionView } from '../connections/view.js';
import { updatePeerVersions } from '../contacts/versions.js';
import type { ChatContext } from '../engine/context.js';
import { storeInternalFailure } from '../engine/errors.js';
import type { ChatVersionRange } from '../protocol/index.js';
import { getGroup, getMemberById, updateMemberRow } from './queries.js';

/** A member's connection with all that it belongs to. */
export interface MemberEntity {
  readonly user: User;
  readonly group: GroupInfo;
  readonly member: GroupMember;
  readonly connection: ConnectionRow;
}

/** All that an event on a member's connection needs. The member has this connection, even if there is a newer one. */
export async function loadMember(tx: Tx, user: User, connection: ConnectionRow): Promise<MemberEntity> {
  if (connection.group_member_id === null) throw storeInternalFailure('connection without member');
  const stored = await getMemberById(tx, user, connection.group_member_id);
  const group = await getGroup(tx, user, stored.groupId);
  return { user, group, member: withConnection(stored, connection), connection };
}

/** The member with this connection, whatever else it has. */
export function withConnection(member: GroupMember, connection: ConnectionRow): GroupMember {
  return { ...member, activeConn: connectionView(connection) };
}

/** The entity as it is when the member's peer speaks these versions. */
export async function withVersions(
  ctx: ChatContext,
  tx: Tx,
  entity: MemberEntity,
  versions: ChatVersionRange,
): Promise<MemberEntity> {
  const connection = await updatePeerVersions(ctx, tx, entity.connection, versions);
  const { minVersion, maxVersion } = entity.member.memberChatVRange;
  let { member } = entity;
  if (versions.min !== minVersion || versions.max !== maxVersion) {
    await updateMemberRow(
      tx,
      member.groupMemberId,
      { peer_chat_min_version: versions.min, peer_chat_max_version: versions.max },
      ctx.clock.now(),
    );
    member = { ...member, memberChatVRange: { minVersion: versions.min, maxVersion: versions.max } };
  }
  if (connection !== entity.connection) member = withConnection(member, connection);
  return { ...entity, member, connection };
}

/** The connection as events and errors about it name it. */
export function memberConnectionEntity(e: MemberEntity): ConnectionEntity {
  return {
    type: 'rcvGroupMsgConnection',
    entityConnection: connectionView(e.connection),
    groupInfo: e.group,
    groupMember: e.member,
  };
}

/** The peer did what it may not do. */
export async function messageError(ctx: ChatContext, tx: Tx, user: User, errorMessage: string): Promise<void> {
  await ctx.emit(tx, { type: 'messageError', user, severity: 'error', errorMessage });
}

/** As {@link messageError}, for what is ignored and need not be the peer's fault. */
export async function messageWarning(ctx: ChatContext, tx: Tx, user: User, errorMessage: string): Promise<void> {
  await ctx.emit(tx, { type: 'messageError', user, severity: 'warning', errorMessage });
}
