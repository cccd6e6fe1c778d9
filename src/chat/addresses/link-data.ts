import type { AddressSettings, ContactShortLinkData, GroupShortLinkData, Profile, User } from '../../api/index.js';
import { isJsonObject, parseJson } from '../../api/index.js';
import { type Compression, compressedTag } from '../../crypto/index.js';
import { concat, utf8Bytes, utf8String } from '../../wire/index.js';
import { shownShortLink } from '../connections/links.js';
import type { ChatContext } from '../engine/context.js';
import { directProfile } from '../users/direct-profile.js';
import { type AddressRow, addressSettingsOf, contactLinkConnection, findAddress } from './queries.js';

/** JSON up to this many bytes goes into link data as it is (50, section 1.8). */
const maxPlain = 10240;

/** The user data of a short link (50, section 2.4): JSON, or `X` and a zstd frame. */
export function encodeLinkData(compression: Compression, data: ContactShortLinkData | GroupShortLinkData): Uint8Array {
  const json = utf8Bytes(JSON.stringify(data));
  return json.length <= maxPlain ? json : concat(Uint8Array.of(compressedTag), compression.compressFrame(json));
}

/** The JSON object in the user data of a short link; undefined when there is none that can be read. */
export function decodeLinkData(compression: Compression, bytes: Uint8Array): object | undefined {
  try {
    const json = bytes[0] === compressedTag ? compression.decompressFrame(bytes.subarray(1)) : bytes;
    const value = parseJson(utf8String(json) ?? '');
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Link data of a profile: of an invitation, or of an address with its settings. */
export function contactLinkData(profile: Profile, settings: AddressSettings | undefined): ContactShortLinkData {
  return { profile, message: settings?.autoReply, business: settings?.businessAddress ?? false };
}

/** Writes the profile and settings of an address to its server; the new short link. */
export async function writeAddressData(
  ctx: ChatContext,
  user: User,
  agentConnId: string,
  settings: AddressSettings,
): Promise<string> {
  const data = contactLinkData(directProfile(user, undefined, undefined, true), settings);
  return shownShortLink(
    await ctx.agent.setConnShortLink(agentConnId, 'contact', encodeLinkData(ctx.compression, data)),
  );
}

/** After a change of the profile: updates the data behind the user's address, if it has such data. */
export async function updateAddressData(ctx: ChatContext, user: User): Promise<void> {
  const found = await ctx.store.read(async (tx) => {
    const row = await findAddress(tx, user.userId);
    if (row === undefined || row.short_link_data_set === 0) return undefined;
    const connection = await contactLinkConnection(tx, row.user_contact_link_id);
    return connection === undefined ? undefined : { row, agentConnId: connection.agent_conn_id };
  });
  if (found === undefined) return;
  const shortLink = await writeAddressData(ctx, user, found.agentConnId, addressSettingsOf(found.row));
  await storeShortLink(ctx, found.row, shortLink);
}

/** Notes the short link of an address whose data has been written. */
export async function storeShortLink(ctx: ChatContext, row: AddressRow, shortLink: string): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    await tx.db
      .updateTable('user_contact_links')
      .set({
        conn_short_link: shortLink,
        short_link_data_set: 1,
        short_link_large_data_set: 1,
        updated_at: ctx.clock.now(),
      })
      .where('user_contact_link_id', '=', row.user_contact_link_id)
      .execute();
  });
}
