import type { AddressSettings, ApiResponse, User } from '../../api/index.js';
import { shownFullLink, shownShortLink } from '../connections/links.js';
import { deleteConnectionRows } from '../connections/queries.js';
import { type CommandTable, checkActiveUser, forUser, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { commandFailure, storeFailure } from '../engine/errors.js';
import { directProfile } from '../users/direct-profile.js';
import { replaceUserProfile } from '../users/profile.js';
import { toProfile } from '../users/profiles.js';
import { sameJson } from '../util/equal.js';
import { contactLinkData, encodeLinkData, storeShortLink, writeAddressData } from './link-data.js';
import {
  addressSettingsOf,
  addressView,
  contactLinkConnection,
  findAddress,
  getAddress,
  insertContactLink,
  updateAddressSettings,
} from './queries.js';

/** One multi-step change of a user's address at a time. */
function locked<T>(ctx: ChatContext, user: User, task: () => Promise<T>): Promise<T> {
  return ctx.locks.run(`address:${user.userId}`, task);
}

async function createAddress(ctx: ChatContext, user: User): Promise<ApiResponse> {
  return locked(ctx, user, async () => {
    if ((await ctx.store.read((tx) => findAddress(tx, user.userId))) !== undefined) {
      throw storeFailure({ type: 'duplicateContactLink' });
    }
    const data = contactLinkData(directProfile(user, undefined, undefined, true), undefined);
    const created = await ctx.agent.createConnection({
      userId: Number(user.agentUserId),
      mode: 'contact',
      userLinkData: encodeLinkData(ctx.compression, data),
      initialKeys: 'linkPQOn',
      stored: (tx, { connId, link }) => insertContactLink(tx, user, { connId, link }, {}, ctx.clock.now()),
    });
    const short = created.link.connShortLink;
    const connLinkContact = {
      connFullLink: shownFullLink(created.link.connFullLink),
      connShortLink: short === undefined ? undefined : shownShortLink(short),
    };
    return {
      type: 'userContactLinkCreated',
      user,
      connLinkContact,
      connReqContact: connLinkContact.connShortLink ?? connLinkContact.connFullLink,
    };
  });
}

async function deleteAddress(ctx: ChatContext, user: User): Promise<ApiResponse> {
  return locked(ctx, user, async () => {
    await ctx.store.transaction(async (tx) => {
      const row = await getAddress(tx, user);
      const linkId = row.user_contact_link_id;
      const connection = await contactLinkConnection(tx, linkId);
      if (connection !== undefined) {
        await ctx.agent.deleteConnectionsAsync(tx, [connection.agent_conn_id]);
        await deleteConnectionRows(tx, [connection.connection_id]);
      }
      await tx.db
        .updateTable('contact_requests')
        .set({ user_contact_link_id: null })
        .where('user_contact_link_id', '=', linkId)
        .execute();
      await tx.db
        .updateTable('connections')
        .set({ via_user_contact_link: null })
        .where('via_user_contact_link', '=', linkId)
        .execute();
      await tx.db.deleteFrom('user_contact_links').where('user_contact_link_id', '=', linkId).execute();
    });
    const profile = { ...toProfile(user.profile), contactLink: undefined };
    const response = await replaceUserProfile(ctx, user, profile, { addressData: false });
    return {
      type: 'userContactLinkDeleted',
      user: response.type === 'userProfileUpdated' ? response.user : user,
    };
  });
}

async function showAddress(ctx: ChatContext, user: User): Promise<ApiResponse> {
  const row = await ctx.store.read((tx) => getAddress(tx, user));
  return { type: 'userContactLink', user, contactLink: addressView(row) };
}

async function setProfileAddress(ctx: ChatContext, user: User, enable: boolean): Promise<ApiResponse> {
  let contactLink: string | undefined;
  if (enable) {
    const row = await ctx.store.read((tx) => getAddress(tx, user));
    contactLink = row.conn_short_link ?? row.conn_full_link;
  }
  return replaceUserProfile(ctx, user, { ...toProfile(user.profile), contactLink });
}

async function setSettings(ctx: ChatContext, user: User, settings: AddressSettings): Promise<ApiResponse> {
  return locked(ctx, user, async () => {
    const row = await ctx.store.read((tx) => getAddress(tx, user));
    const dataSet = row.short_link_data_set !== 0;
    if (settings.autoAccept?.acceptIncognito === true) {
      if (dataSet) throw commandFailure('incognito not allowed for address with short link data');
      if (settings.businessAddress) {
        throw commandFailure('requests to business address cannot be accepted incognito');
      }
    }
    if (sameJson(addressSettingsOf(row), settings)) {
      return { type: 'userContactLinkUpdated', user, contactLink: addressView(row) };
    }
    if (dataSet) {
      const connection = await ctx.store.read((tx) => contactLinkConnection(tx, row.user_contact_link_id));
      if (connection === undefined) throw storeFailure({ type: 'userContactLinkNotFound' });
      await storeShortLink(ctx, row, await writeAddressData(ctx, user, connection.agent_conn_id, settings));
    }
    const updated = await ctx.store.transaction(async (tx) => {
      await updateAddressSettings(tx, row.user_contact_link_id, settings, ctx.clock.now());
      return getAddress(tx, user);
    });
    return { type: 'userContactLinkUpdated', user, contactLink: addressView(updated) };
  });
}

/** An address that was made without link data gets it now. */
async function addShortLink(ctx: ChatContext, user: User): Promise<ApiResponse> {
  return locked(ctx, user, async () => {
    const row = await ctx.store.read((tx) => getAddress(tx, user));
    const connection = await ctx.store.read((tx) => contactLinkConnection(tx, row.user_contact_link_id));
    if (connection === undefined) throw storeFailure({ type: 'userContactLinkNotFound' });
    const settings = addressSettingsOf(row);
    await storeShortLink(ctx, row, await writeAddressData(ctx, user, connection.agent_conn_id, settings));
    return showAddress(ctx, user);
  });
}

export const addressCommands: CommandTable = {
  APICreateMyAddress: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return createAddress(ctx, user);
  }),
  CreateMyAddress: whenRunning((ctx, _cmd, user) => createAddress(ctx, user)),
  APIDeleteMyAddress: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return deleteAddress(ctx, user);
  }),
  DeleteMyAddress: whenRunning((ctx, _cmd, user) => deleteAddress(ctx, user)),
  APIShowMyAddress: forUser(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return showAddress(ctx, user);
  }),
  ShowMyAddress: forUser((ctx, _cmd, user) => showAddress(ctx, user)),
  APIAddMyAddressShortLink: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return addShortLink(ctx, user);
  }),
  APISetProfileAddress: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return setProfileAddress(ctx, user, cmd.enable);
  }),
  SetProfileAddress: whenRunning((ctx, cmd, user) => setProfileAddress(ctx, user, cmd.enable)),
  APISetAddressSettings: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return setSettings(ctx, user, cmd.settings);
  }),
  SetAddressSettings: whenRunning(async (ctx, cmd, user) => {
    if (cmd.userId !== undefined) checkActiveUser(user, cmd.userId);
    return setSettings(ctx, user, cmd.settings);
  }),
};
