import type { Selectable } from 'kysely';
import type { User, UserContactRequest } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { agentIdView } from '../connections/view.js';
import { storeFailure } from '../engine/errors.js';
import { isoTime } from '../engine/time.js';
import type { ContactRequestsTable } from '../schema/index.js';
import { localProfileView, type ProfileColumns, profileColumns, toProfile } from '../users/profiles.js';

/** A request with the profile of who asked. */
export type RequestRow = Selectable<ContactRequestsTable> & Omit<ProfileColumns, 'contact_profile_id'>;

function selectRequests(tx: Tx, userId: number) {
  return tx.db
    .selectFrom('contact_requests')
    .innerJoin('contact_profiles', 'contact_profiles.contact_profile_id', 'contact_requests.contact_profile_id')
    .selectAll('contact_requests')
    .select(profileColumns)
    .where('contact_requests.user_id', '=', userId);
}

/** The request, if it is one to this user. */
export async function findRequest(tx: Tx, userId: number, contactRequestId: number): Promise<RequestRow | undefined> {
  return selectRequests(tx, userId)
    .where('contact_requests.contact_request_id', '=', contactRequestId)
    .executeTakeFirst();
}

/** The request; `contactRequestNotFound`. */
export async function getRequest(tx: Tx, user: User, contactRequestId: number): Promise<RequestRow> {
  const row = await findRequest(tx, user.userId, contactRequestId);
  if (row === undefined) throw storeFailure({ type: 'contactRequestNotFound', contactRequestId });
  return row;
}

/** An earlier request with the same id, which a repeated one changes (50, section 2.8). */
export async function requestByXContactId(tx: Tx, userId: number, id: string): Promise<RequestRow | undefined> {
  return selectRequests(tx, userId).where('contact_requests.xcontact_id', '=', id).executeTakeFirst();
}

/** The id of the request of this local name; `contactRequestNotFoundByName`. */
export async function requestIdByName(tx: Tx, user: User, contactName: string): Promise<number> {
  const row = await tx.db
    .selectFrom('contact_requests')
    .select('contact_request_id')
    .where('user_id', '=', user.userId)
    .where('local_display_name', '=', contactName)
    .executeTakeFirst();
  if (row === undefined) throw storeFailure({ type: 'contactRequestNotFoundByName', contactName });
  return row.contact_request_id;
}

/** With the profile as it travelled, without local id and alias. */
export function requestView(row: RequestRow): UserContactRequest {
  const profile = localProfileView(row);
  return {
    contactRequestId: row.contact_request_id,
    agentInvitationId: agentIdView(row.agent_invitation_id),
    contactId_: row.contact_id ?? undefined,
    businessGroupId_: row.business_group_id ?? undefined,
    userContactLinkId_: row.user_contact_link_id ?? undefined,
    cReqChatVRange: { minVersion: row.peer_chat_min_version, maxVersion: row.peer_chat_max_version },
    localDisplayName: row.local_display_name,
    profileId: row.contact_profile_id,
    profile: toProfile(profile),
    createdAt: isoTime(row.created_at),
    updatedAt: isoTime(row.updated_at),
    xContactId: row.xcontact_id ?? undefined,
    pqSupport: row.pq_support !== 0,
    welcomeSharedMsgId: row.welcome_shared_msg_id ?? undefined,
    requestSharedMsgId: row.request_shared_msg_id ?? undefined,
  };
}
