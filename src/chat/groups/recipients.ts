import type {
  GroupInfo,
  GroupMember,
  GroupMemberCategory,
  GroupMemberRole,
  GroupMemberStatus,
} from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';
import { agentConnIdOf, maxAuthErrors } from '../messaging/send.js';
import { ChatV, type ChatVersion, type JsonChatEvent } from '../protocol/index.js';
import { atLeast } from './roles.js';

/** A member as sending sees it: less than a GroupMember, because there may be hundreds. */
export interface Recipient {
  readonly groupMemberId: number;
  readonly memberRole: GroupMemberRole;
  readonly memberCategory: GroupMemberCategory;
  readonly memberStatus: GroupMemberStatus;
  readonly invitedByGroupMemberId: number | undefined;
  /** The newest chat version that it speaks. */
  readonly version: number;
  readonly connection: RecipientConnection | undefined;
}

/** The latest connection of a member, and what decides whether it is used (60, section 5.4). */
export interface RecipientConnection {
  readonly connectionId: number;
  readonly agentConnId: string;
  readonly status: string;
  readonly authErrors: number;
  readonly quotaErrors: number;
}

interface RecipientRow {
  readonly group_member_id: number;
  readonly member_role: string;
  readonly member_category: string;
  readonly member_status: string;
  readonly invited_by_group_member_id: number | null;
  readonly member_max: number;
  readonly connection_id: number | null;
  readonly agent_conn_id: string | null;
  readonly conn_status: string | null;
  readonly auth_err_counter: number | null;
  readonly quota_err_counter: number | null;
  readonly conn_max: number | null;
}

const recipientsOf = prepare<{ groupId: number }, RecipientRow>((db, p) =>
  db
    .selectFrom('group_members')
    .leftJoin('connections', (j) =>
      j.on((e) =>
        e(
          'connections.connection_id',
          '=',
          e
            .selectFrom('connections as c')
            .select((s) => s.fn.max('c.connection_id').as('id'))
            .whereRef('c.group_member_id', '=', 'group_members.group_member_id'),
        ),
      ),
    )
    .select([
      'group_members.group_member_id',
      'group_members.member_role',
      'group_members.member_category',
      'group_members.member_status',
      'group_members.invited_by_group_member_id',
      'group_members.peer_chat_max_version as member_max',
      'connections.connection_id',
      'connections.agent_conn_id',
      'connections.conn_status',
      'connections.auth_err_counter',
      'connections.quota_err_counter',
      'connections.peer_chat_max_version as conn_max',
    ])
    .where('group_members.group_id', '=', p('groupId'))
    .where('group_members.member_category', '!=', 'user')
    .orderBy('group_members.group_member_id'),
);

/** All members but the user: one query, whatever the size of the group. */
export async function groupRecipients(tx: Tx, groupId: number): Promise<Recipient[]> {
  const rows = await recipientsOf.all(tx, { groupId });
  return rows.map((r) => ({
    groupMemberId: r.group_member_id,
    memberRole: r.member_role as GroupMemberRole,
    memberCategory: r.member_category as GroupMemberCategory,
    memberStatus: r.member_status as GroupMemberStatus,
    invitedByGroupMemberId: r.invited_by_group_member_id ?? undefined,
    version: r.conn_max ?? r.member_max,
    connection:
      r.connection_id === null || r.agent_conn_id === null
        ? undefined
        : {
            connectionId: r.connection_id,
            agentConnId: r.agent_conn_id,
            status: r.conn_status ?? '',
            authErrors: r.auth_err_counter ?? 0,
            quotaErrors: r.quota_err_counter ?? 0,
          },
  }));
}

/** A member that was read already, with its `activeConn` whatever its status. */
export function recipientOf(m: GroupMember): Recipient {
  const c = m.activeConn;
  return {
    groupMemberId: m.groupMemberId,
    memberRole: m.memberRole,
    memberCategory: m.memberCategory,
    memberStatus: m.memberStatus,
    invitedByGroupMemberId: m.invitedByGroupMemberId,
    version: memberVersion(m),
    connection:
      c === undefined
        ? undefined
        : {
            connectionId: c.connId,
            agentConnId: agentConnIdOf(c),
            status: c.connStatus,
            authErrors: c.authErrCounter,
            quotaErrors: c.quotaErrCounter,
          },
  };
}

/** The newest version that a member speaks, by its connection if it has one (60, section 1.4). */
export function memberVersion(m: GroupMember): number {
  return (m.activeConn?.peerChatVRange ?? m.memberChatVRange).maxVersion;
}

/** Whether a feature may be used with the member (60, section 1.4). */
export function supports(m: GroupMember, version: ChatVersion): boolean {
  return memberVersion(m) >= version;
}

/** Quota warnings after which nothing is sent to a connection any more. */
export const maxQuotaErrors = 5;

export type SendAction = 'separate' | 'batched' | 'pending' | 'forwarded' | 'skip';

/** Messages that one member may pass on for another (60, sections 4.3 and 6.4): an inviting member does. */
export const forwardedEvents: ReadonlySet<string> = new Set([
  'x.msg.new',
  'x.msg.file.descr',
  'x.msg.update',
  'x.msg.del',
  'x.msg.react',
  'x.file.cancel',
  'x.info',
  'x.grp.mem.new',
  'x.grp.mem.role',
  'x.grp.mem.restrict',
  'x.grp.mem.del',
  'x.grp.leave',
  'x.grp.del',
  'x.grp.info',
  'x.grp.prefs',
]);

/** Whether the inviting member may be left to pass it on (60, section 4.3). */
export function isForwardable(event: JsonChatEvent): boolean {
  if (event.type === 'x.msg.new') return event.file?.fileInline === undefined;
  return forwardedEvents.has(event.type);
}

/** How messages reach members (60, section 5.3). */
export class SendPlan {
  readonly #byId: ReadonlyMap<number, Recipient>;
  readonly #allForwardable: boolean;
  readonly #anyForward: boolean;
  readonly #inviterId: number | undefined;

  constructor(group: GroupInfo, recipients: readonly Recipient[], events: readonly JsonChatEvent[]) {
    this.#byId = new Map(recipients.map((r) => [r.groupMemberId, r]));
    this.#allForwardable = events.every(isForwardable);
    this.#anyForward = events.some((e) => e.type === 'x.grp.msg.forward');
    this.#inviterId = group.membership.invitedByGroupMemberId;
  }

  action(m: Recipient): SendAction {
    const c = m.connection;
    if (c === undefined) return this.#notConnected(m);
    if (c.authErrors >= maxAuthErrors || c.status === 'deleted' || m.memberStatus === 'rejected') return 'skip';
    if (c.quotaErrors >= maxQuotaErrors) return 'pending';
    if (c.status !== 'snd-ready' && c.status !== 'ready') return this.#notConnected(m);
    // Old admins could not forward a batch.
    return atLeast(m.memberRole, 'admin') && m.version < ChatV.DirectBatch ? 'separate' : 'batched';
  }

  #notConnected(m: Recipient): SendAction {
    switch (m.memberCategory) {
      case 'user':
        return 'skip';
      case 'invitee':
      case 'host':
        return 'pending';
      case 'pre':
        return this.#forwardedBy(m, this.#inviterId);
      default:
        return this.#forwardedBy(m, m.invitedByGroupMemberId);
    }
  }

  #forwardedBy(m: Recipient, inviterId: number | undefined): SendAction {
    const inviter = inviterId === undefined ? undefined : this.#byId.get(inviterId);
    if (
      this.#allForwardable &&
      m.version >= ChatV.GroupForward &&
      inviter !== undefined &&
      inviter.version >= ChatV.GroupForward
    ) {
      return 'forwarded';
    }
    return this.#anyForward ? 'skip' : 'pending';
  }
}
