import type { Selectable } from 'kysely';
import type { Connection, ConnStatus, ConnType, PendingContactConnection } from '../../api/index.js';
import { base64url, utf8Bytes } from '../../wire/index.js';
import { isoTime } from '../engine/time.js';
import type { ConnectionsTable } from '../schema/index.js';

export type ConnectionRow = Selectable<ConnectionsTable>;

/** How the API shows an id of the agent: its text encoded once more. */
export function agentIdView(id: string): string {
  return base64url(utf8Bytes(id));
}

/** The security code is only shown once it was verified. */
export function connectionView(row: ConnectionRow): Connection {
  return {
    connId: row.connection_id,
    agentConnId: agentIdView(row.agent_conn_id),
    connChatVersion: row.conn_chat_version,
    peerChatVRange: { minVersion: row.peer_chat_min_version, maxVersion: row.peer_chat_max_version },
    connLevel: row.conn_level,
    viaContact: row.via_contact ?? undefined,
    viaUserContactLink: row.via_user_contact_link ?? undefined,
    viaGroupLink: row.via_group_link !== 0,
    groupLinkId: row.group_link_id ?? undefined,
    xContactId: row.xcontact_id ?? undefined,
    customUserProfileId: row.custom_user_profile_id ?? undefined,
    connType: connTypeOf(row),
    connStatus: connStatusOf(row),
    contactConnInitiated: row.contact_conn_initiated !== 0,
    localAlias: row.local_alias,
    entityId: entityId(row),
    connectionCode:
      row.security_code === null || row.security_code_verified_at === null
        ? undefined
        : { securityCode: row.security_code, verifiedAt: isoTime(row.security_code_verified_at) },
    pqSupport: row.pq_support !== 0,
    pqEncryption: row.pq_encryption !== 0,
    pqSndEnabled: row.pq_snd_enabled === null ? undefined : row.pq_snd_enabled !== 0,
    pqRcvEnabled: row.pq_rcv_enabled === null ? undefined : row.pq_rcv_enabled !== 0,
    authErrCounter: row.auth_err_counter,
    quotaErrCounter: row.quota_err_counter,
    createdAt: isoTime(row.created_at),
  };
}

/** The column holds what {@link ConnType} lists: rows are only written with it. */
export function connTypeOf(row: ConnectionRow): ConnType {
  return row.conn_type as ConnType;
}

/** The column holds what {@link ConnStatus} lists: rows are only written with it. */
function connStatusOf(row: ConnectionRow): ConnStatus {
  return row.conn_status as ConnStatus;
}

function entityId(row: ConnectionRow): number | undefined {
  return row.contact_id ?? row.group_member_id ?? row.user_contact_link_id ?? undefined;
}

/** A connection without contact, as the API shows it. */
export function pendingConnectionView(row: ConnectionRow): PendingContactConnection {
  return {
    pccConnId: row.connection_id,
    pccAgentConnId: agentIdView(row.agent_conn_id),
    pccConnStatus: connStatusOf(row),
    viaContactUri: row.via_contact_uri_hash !== null || row.via_short_link !== null,
    viaUserContactLink: row.via_user_contact_link ?? undefined,
    groupLinkId: row.group_link_id ?? undefined,
    customUserProfileId: row.custom_user_profile_id ?? undefined,
    connLinkInv:
      row.conn_req_inv === null
        ? undefined
        : { connFullLink: row.conn_req_inv, connShortLink: row.short_link_inv ?? undefined },
    localAlias: row.local_alias,
    createdAt: isoTime(row.created_at),
    updatedAt: isoTime(row.updated_at),
  };
}
