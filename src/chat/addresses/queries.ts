import type { Insertable, Selectable } from 'kysely';
import type { AddressSettings, MsgContent, User, UserContactLink } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { shownFullLink, shownShortLink } from '../connections/links.js';
import { insertConnection } from '../connections/queries.js';
import type { ConnectionRow } from '../connections/view.js';
import { storeFailure } from '../engine/errors.js';
import type { UserContactLinksTable } from '../schema/index.js';

export type AddressRow = Selectable<UserContactLinksTable>;

/** The settings of an address or group link. */
export function addressSettingsOf(row: AddressRow): AddressSettings {
  return {
    businessAddress: row.business_address !== 0,
    autoAccept: row.auto_accept === 0 ? undefined : { acceptIncognito: row.auto_accept_incognito !== 0 },
    autoReply: row.auto_reply === null ? undefined : (JSON.parse(row.auto_reply) as MsgContent),
  };
}

/** `connReqContact` repeats the link for old clients: the short one if there is one. */
export function addressView(row: AddressRow): UserContactLink {
  return {
    userContactLinkId: row.user_contact_link_id,
    connLinkContact: { connFullLink: row.conn_full_link, connShortLink: row.conn_short_link ?? undefined },
    shortLinkDataSet: row.short_link_data_set !== 0,
    shortLinkLargeDataSet: row.short_link_large_data_set !== 0,
    addressSettings: addressSettingsOf(row),
    connReqContact: row.conn_short_link ?? row.conn_full_link,
  };
}

type NewLinkColumns = Pick<
  Insertable<UserContactLinksTable>,
  'auto_accept' | 'group_id' | 'group_link_id' | 'group_link_member_role'
>;

/** Stores the link of a new contact connection of the agent, an address or that of a group, and its connection. */
export async function insertContactLink(
  tx: Tx,
  user: User,
  created: {
    readonly connId: string;
    readonly link: { readonly connFullLink: string; readonly connShortLink?: string | undefined };
  },
  columns: NewLinkColumns,
  now: number,
): Promise<void> {
  const { connFullLink, connShortLink } = created.link;
  const { user_contact_link_id } = await tx.db
    .insertInto('user_contact_links')
    .values({
      user_id: user.userId,
      conn_full_link: shownFullLink(connFullLink),
      conn_short_link: connShortLink === undefined ? null : shownShortLink(connShortLink),
      short_link_data_set: connShortLink === undefined ? 0 : 1,
      short_link_large_data_set: connShortLink === undefined ? 0 : 1,
      ...columns,
      created_at: now,
      updated_at: now,
    })
    .returning('user_contact_link_id')
    .executeTakeFirstOrThrow();
  await insertConnection(
    tx,
    {
      user_id: user.userId,
      agent_conn_id: created.connId,
      conn_type: 'user_contact',
      conn_status: 'new',
      user_contact_link_id,
    },
    now,
  );
}

/** The address of a user, if it has one. */
export async function findAddress(tx: Tx, userId: number): Promise<AddressRow | undefined> {
  return tx.db
    .selectFrom('user_contact_links')
    .selectAll()
    .where('user_id', '=', userId)
    .where('group_id', 'is', null)
    .executeTakeFirst();
}

/** The address of the user; `userContactLinkNotFound`. */
export async function getAddress(tx: Tx, user: User): Promise<AddressRow> {
  const row = await findAddress(tx, user.userId);
  if (row === undefined) throw storeFailure({ type: 'userContactLinkNotFound' });
  return row;
}

/** An address or group link by its id. */
export async function findContactLink(tx: Tx, userContactLinkId: number): Promise<AddressRow | undefined> {
  return tx.db
    .selectFrom('user_contact_links')
    .selectAll()
    .where('user_contact_link_id', '=', userContactLinkId)
    .executeTakeFirst();
}

/** The connection behind an address or group link. */
export async function contactLinkConnection(tx: Tx, userContactLinkId: number): Promise<ConnectionRow | undefined> {
  return tx.db
    .selectFrom('connections')
    .selectAll()
    .where('user_contact_link_id', '=', userContactLinkId)
    .where('conn_type', '=', 'user_contact')
    .executeTakeFirst();
}

/** Stores settings as they are given; settings of the link data follow on the server. */
export async function updateAddressSettings(
  tx: Tx,
  userContactLinkId: number,
  settings: AddressSettings,
  now: number,
): Promise<void> {
  await tx.db
    .updateTable('user_contact_links')
    .set({
      business_address: settings.businessAddress ? 1 : 0,
      auto_accept: settings.autoAccept === undefined ? 0 : 1,
      auto_accept_incognito: settings.autoAccept?.acceptIncognito === true ? 1 : 0,
      auto_reply: settings.autoReply === undefined ? null : JSON.stringify(settings.autoReply),
      updated_at: now,
    })
    .where('user_contact_link_id', '=', userContactLinkId)
    .execute();
}
