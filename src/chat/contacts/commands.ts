import type { ApiResponse, CommandOf, Contact, Preferences, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { incognitoProfile } from '../connections/incognito.js';
import { updateConnection } from '../connections/queries.js';
import { readConnectionCode, verifyConnectionCode } from '../connections/security-code.js';
import { type CommandTable, checkActiveUser, ok, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException, chatFailure } from '../engine/errors.js';
import { emitDirectItems } from '../items/create.js';
import { agentConnIdOf, sendDirectMessages } from '../messaging/send.js';
import { changedFeatureItems } from '../preferences/items.js';
import { directProfile } from '../users/direct-profile.js';
import { sameJson } from '../util/equal.js';
import {
  clearDirectChat,
  deleteContactEntity,
  deleteContactFully,
  deleteContactMessages,
  deletePendingConnection,
} from './deletion.js';
import { contactIdByName, getContact, listContacts, setContactOverrides, updateContactRow } from './queries.js';

/** Runs `task` with the contact, in one transaction. */
function withContact<T>(
  ctx: ChatContext,
  user: User,
  contactId: number,
  task: (tx: Tx, contact: Contact) => Promise<T>,
): Promise<T> {
  return ctx.store.transaction(async (tx) => task(tx, await getContact(tx, user, contactId)));
}

function idByName(ctx: ChatContext, user: User, contactName: string): Promise<number> {
  return ctx.store.read((tx) => contactIdByName(tx, user, contactName));
}

async function list(ctx: ChatContext, user: User): Promise<ApiResponse> {
  const contacts = await ctx.store.read((tx) => listContacts(tx, user, (_row, connection) => connection !== undefined));
  return { type: 'contactsList', user, contacts };
}

/** Replaces the overrides of a contact and tells it, when it makes a difference (50, section 2.12). */
async function setPreferences(
  ctx: ChatContext,
  user: User,
  contactId: number,
  change: (current: Preferences) => Preferences,
): Promise<ApiResponse> {
  return withContact(ctx, user, contactId, async (tx, contact) => {
    const { activeConn, userPreferences } = contact;
    if (activeConn === undefined) throw chatFailure({ type: 'contactNotActive', contact });
    const preferences = change(userPreferences);
    if (sameJson(preferences, userPreferences)) {
      return { type: 'contactPrefsUpdated', user, fromContact: contact, toContact: contact };
    }
    await setContactOverrides(tx, contactId, preferences, ctx.clock.now());
    const toContact = await getContact(tx, user, contactId);
    const incognito = await incognitoProfile(tx, activeConn.customUserProfileId);
    const profile = directProfile(user, incognito, toContact, false);
    if (!sameJson(directProfile(user, incognito, contact, false), profile)) {
      await tell(ctx, tx, user, toContact, profile);
      if (toContact.contactUsed) {
        await emitDirectItems(ctx, tx, user, toContact, true, changedFeatureItems(contact, toContact, true));
      }
    }
    return { type: 'contactPrefsUpdated', user, fromContact: contact, toContact };
  });
}

/** The change stands, also when the contact cannot be told. */
async function tell(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  profile: Parameters<typeof directProfile>[1] & object,
): Promise<void> {
  try {
    const [result] = await sendDirectMessages(ctx, tx, user, contact, [{ event: { type: 'x.info', profile } }]);
    if (result instanceof ChatException) throw result;
  } catch (error) {
    if (!(error instanceof ChatException)) throw error;
    await ctx.emit(tx, { type: 'chatError', chatError: error.chatError });
  }
}

async function deleteChat(
  ctx: ChatContext,
  user: User,
  contactId: number,
  mode: CommandOf<'APIDeleteChat'>['chatDeleteMode'],
): Promise<ApiResponse> {
  switch (mode.type) {
    case 'full':
      return deleteContactFully(ctx, user, contactId, mode.notify);
    case 'entity':
      return deleteContactEntity(ctx, user, contactId, mode.notify);
    case 'messages':
      return deleteContactMessages(ctx, user, contactId);
  }
}

async function clear(ctx: ChatContext, user: User, contactId: number): Promise<ApiResponse> {
  return withContact(ctx, user, contactId, async (tx, contact) => {
    await clearDirectChat(ctx, tx, user, contactId, true);
    return { type: 'chatCleared', user, chatInfo: { type: 'direct', contact } };
  });
}

async function info(ctx: ChatContext, user: User, contactId: number): Promise<ApiResponse> {
  return ctx.store.read(async (tx) => {
    const contact = await getContact(tx, user, contactId);
    const connection = contact.activeConn;
    const stats =
      connection === undefined || connection.connStatus === 'deleted'
        ? undefined
        : await ctx.agent.getConnectionServers(tx, agentConnIdOf(connection));
    return {
      type: 'contactInfo',
      user,
      contact,
      connectionStats_: stats,
      customUserProfile: await incognitoProfile(tx, connection?.customUserProfileId),
    };
  });
}

async function setAlias(ctx: ChatContext, user: User, contactId: number, localAlias: string): Promise<ApiResponse> {
  return withContact(ctx, user, contactId, async (tx, contact) => {
    await tx.db
      .updateTable('contact_profiles')
      .set({ local_alias: localAlias, updated_at: ctx.clock.now() })
      .where('contact_profile_id', '=', contact.profile.profileId)
      .execute();
    return { type: 'contactAliasUpdated', user, toContact: await getContact(tx, user, contactId) };
  });
}

/** The connection of a contact; `contactNotActive`. */
function connectionOf(contact: Contact) {
  if (contact.activeConn === undefined) throw chatFailure({ type: 'contactNotActive', contact });
  return contact.activeConn;
}

async function code(ctx: ChatContext, user: User, contactId: number): Promise<ApiResponse> {
  return withContact(ctx, user, contactId, async (tx, contact) => {
    const connectionCode = await readConnectionCode(ctx, tx, connectionOf(contact));
    return { type: 'contactCode', user, contact: await getContact(tx, user, contactId), connectionCode };
  });
}

async function verify(
  ctx: ChatContext,
  user: User,
  contactId: number,
  given: string | undefined,
): Promise<ApiResponse> {
  return withContact(ctx, user, contactId, async (tx, contact) => {
    const result = await verifyConnectionCode(ctx, tx, connectionOf(contact), given);
    return { type: 'connectionVerified', user, ...result };
  });
}

async function enable(ctx: ChatContext, user: User, contactId: number): Promise<ApiResponse> {
  return withContact(ctx, user, contactId, async (tx, contact) => {
    await updateConnection(tx, connectionOf(contact).connId, { auth_err_counter: 0 }, ctx.clock.now());
    return ok(user);
  });
}

async function switchAddress(ctx: ChatContext, user: User, contactId: number): Promise<ApiResponse> {
  const contact = await ctx.store.read((tx) => getContact(tx, user, contactId));
  const connectionStats = await ctx.agent.switchConnection(agentConnIdOf(connectionOf(contact)));
  return { type: 'contactSwitchStarted', user, contact, connectionStats };
}

async function abortSwitch(ctx: ChatContext, user: User, contactId: number): Promise<ApiResponse> {
  return withContact(ctx, user, contactId, async (tx, contact) => {
    const connectionStats = await ctx.agent.abortConnectionSwitch(tx, agentConnIdOf(connectionOf(contact)));
    return { type: 'contactSwitchAborted', user, contact, connectionStats };
  });
}

async function sync(ctx: ChatContext, user: User, contactId: number, force: boolean): Promise<ApiResponse> {
  return withContact(ctx, user, contactId, async (tx, contact) => {
    const connection = connectionOf(contact);
    const connectionStats = await ctx.agent.synchronizeRatchet(
      tx,
      agentConnIdOf(connection),
      connection.pqSupport,
      force,
    );
    const syncStatus = connectionStats.ratchetSyncState;
    await emitDirectItems(ctx, tx, user, contact, true, [
      { content: { type: 'sndConnEvent', sndConnEvent: { type: 'ratchetSync', syncStatus } } },
    ]);
    return { type: 'contactRatchetSyncStarted', user, contact, connectionStats };
  });
}

/** An override set, or with undefined removed. */
function withOverride(current: Preferences, feature: keyof Preferences, value: object | undefined): Preferences {
  const { [feature]: _, ...others } = current;
  return value === undefined ? others : { ...others, [feature]: value };
}

export const contactCommands: CommandTable = {
  APIListContacts: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return list(ctx, user);
  }),
  ListContacts: whenRunning((ctx, _cmd, user) => list(ctx, user)),
  APISetContactPrefs: whenRunning((ctx, cmd, user) => setPreferences(ctx, user, cmd.contactId, () => cmd.preferences)),
  SetContactFeature: whenRunning(async (ctx, cmd, user) =>
    setPreferences(ctx, user, await idByName(ctx, user, cmd.contactName), (current) =>
      withOverride(current, cmd.feature, cmd.allowed === undefined ? undefined : { allow: cmd.allowed }),
    ),
  ),
  SetContactTimedMessages: whenRunning(async (ctx, cmd, user) =>
    setPreferences(ctx, user, await idByName(ctx, user, cmd.contactName), (current) => {
      const { change } = cmd;
      const ttl = change?.type === 'enableSetTTL' ? change.ttl : current.timedMessages?.ttl;
      const allow = change?.type === 'disableKeepTTL' ? 'no' : 'yes';
      const value = ttl === undefined ? { allow } : { allow, ttl };
      return withOverride(current, 'timedMessages', change === undefined ? undefined : value);
    }),
  ),
  APISetContactAlias: whenRunning((ctx, cmd, user) => setAlias(ctx, user, cmd.contactId, cmd.localAlias)),
  APISetContactCustomData: whenRunning((ctx, cmd, user) =>
    withContact(ctx, user, cmd.contactId, async (tx) => {
      const custom_data = cmd.customData === undefined ? null : JSON.stringify(cmd.customData);
      await updateContactRow(tx, cmd.contactId, { custom_data }, ctx.clock.now());
      return ok(user);
    }),
  ),
  APIContactInfo: whenRunning((ctx, cmd, user) => info(ctx, user, cmd.contactId)),
  ContactInfo: whenRunning(async (ctx, cmd, user) => info(ctx, user, await idByName(ctx, user, cmd.contactName))),
  APIGetContactCode: whenRunning((ctx, cmd, user) => code(ctx, user, cmd.contactId)),
  GetContactCode: whenRunning(async (ctx, cmd, user) => code(ctx, user, await idByName(ctx, user, cmd.contactName))),
  APIVerifyContact: whenRunning((ctx, cmd, user) => verify(ctx, user, cmd.contactId, cmd.connectionCode)),
  VerifyContact: whenRunning(async (ctx, cmd, user) =>
    verify(ctx, user, await idByName(ctx, user, cmd.contactName), cmd.connectionCode),
  ),
  APIEnableContact: whenRunning((ctx, cmd, user) => enable(ctx, user, cmd.contactId)),
  EnableContact: whenRunning(async (ctx, cmd, user) => enable(ctx, user, await idByName(ctx, user, cmd.contactName))),
  APISwitchContact: whenRunning((ctx, cmd, user) => switchAddress(ctx, user, cmd.contactId)),
  SwitchContact: whenRunning(async (ctx, cmd, user) =>
    switchAddress(ctx, user, await idByName(ctx, user, cmd.contactName)),
  ),
  APIAbortSwitchContact: whenRunning((ctx, cmd, user) => abortSwitch(ctx, user, cmd.contactId)),
  AbortSwitchContact: whenRunning(async (ctx, cmd, user) =>
    abortSwitch(ctx, user, await idByName(ctx, user, cmd.contactName)),
  ),
  APISyncContactRatchet: whenRunning((ctx, cmd, user) => sync(ctx, user, cmd.contactId, cmd.force)),
  SyncContactRatchet: whenRunning(async (ctx, cmd, user) =>
    sync(ctx, user, await idByName(ctx, user, cmd.contactName), cmd.force),
  ),
  DeleteContact: whenRunning(async (ctx, cmd, user) =>
    deleteChat(ctx, user, await idByName(ctx, user, cmd.contactName), cmd.chatDeleteMode),
  ),
  ClearContact: whenRunning(async (ctx, cmd, user) => clear(ctx, user, await idByName(ctx, user, cmd.contactName))),
};

/** Commands on a direct chat, where other kinds of chats have their own. */
export const directChatCommands: CommandTable = {
  APIDeleteChat: whenRunning((ctx, cmd, user) => deleteChat(ctx, user, cmd.chatRef.chatId, cmd.chatDeleteMode)),
};

/** Commands on a connection that has no contact yet. */
export const pendingConnectionCommands: CommandTable = {
  APIDeleteChat: whenRunning((ctx, cmd, user) => deletePendingConnection(ctx, user, cmd.chatRef.chatId)),
};
