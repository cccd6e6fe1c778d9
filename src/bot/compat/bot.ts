import type { AChatItem, ChatBotCommand, MsgContent, Profile, User, UserContactLink } from '../../api/index.js';
import { errorMessage } from '../../core/index.js';
import { linkText, sameJson } from '../bot/setup.js';
import { BotError } from '../errors.js';
import { type BotAddressSettings, ChatApi, defaultBotAddressSettings, type EventSubscribers } from './api.js';
import type { DbConfig, MigrationConfirmation } from './core.js';
import * as util from './util.js';

export type BotDbOpts = DbConfig & {
  readonly confirmMigrations?: MigrationConfirmation;
  readonly queueSize?: number;
};

/** What `run` sets up (70-bot-api.md 10). Switches are on by default, except `allowFiles` and `logNetwork`. */
export interface BotOptions {
  readonly createAddress?: boolean;
  readonly updateAddress?: boolean;
  readonly updateProfile?: boolean;
  readonly addressSettings?: BotAddressSettings;
  readonly allowFiles?: boolean;
  readonly commands?: readonly ChatBotCommand[];
  readonly useBotProfile?: boolean;
  readonly logContacts?: boolean;
  readonly logNetwork?: boolean;
}

export type OnMessage = (chatItem: AChatItem, content: MsgContent, chat: ChatApi) => void | Promise<void>;
export type OnCommand = (chatItem: AChatItem, command: util.BotCommand, chat: ChatApi) => void | Promise<void>;

/** A bot for `run`. The handler for `''` gets commands that have none of their own. */
export interface BotConfig {
  readonly profile: Profile;
  readonly dbOpts: BotDbOpts;
  readonly options: BotOptions;
  readonly onMessage?: OnMessage;
  readonly onCommands?: { readonly [keyword: string]: OnCommand | undefined };
  readonly events?: EventSubscribers;
}

/** Opens, starts and sets up a bot as `bot.run` of the official library does. */
export async function run(config: BotConfig): Promise<[ChatApi, User, UserContactLink | undefined]> {
  const { dbOpts, options, events } = config;
  const chat = await ChatApi.init(dbOpts, dbOpts.confirmMigrations, dbOpts.queueSize);
  try {
    subscribeChatItems(chat, config.onMessage, config.onCommands);
    if (events !== undefined) chat.on(events);
    subscribeLogs(chat, options);
    const profile = botProfile(config);
    const user = (await chat.apiGetActiveUser()) ?? (await chat.apiCreateActiveUser(profile));
    await chat.startChat();
    const address = await setUpAddress(chat, user, options);
    await setUpProfile(chat, user, address, profile, options);
    return [chat, user, address];
  } catch (error) {
    await chat.close();
    throw error;
  }
}

/** Gives received messages to the handlers: commands by their keyword, then those of `''`, else `onMessage`. */
export function subscribeChatItems(chat: ChatApi, onMessage?: OnMessage, commands?: BotConfig['onCommands']): void {
  chat.on('newChatItems', async ({ chatItems }) => {
    for (const item of chatItems) {
      const { content } = item.chatItem;
      if (content.type !== 'rcvMsgContent') continue;
      try {
        const command = util.ciBotCommand(item.chatItem);
        const own = command !== undefined && commands !== undefined && Object.hasOwn(commands, command.keyword);
        const handler = command === undefined ? undefined : own ? commands[command.keyword] : commands?.[''];
        if (command !== undefined && handler !== undefined) await handler(item, command, chat);
        else await onMessage?.(item, content.msgContent, chat);
      } catch (error) {
        process.stderr.write(`a message handler failed: ${errorMessage(error)}\n`);
      }
    }
  });
}

function subscribeLogs(chat: ChatApi, { logContacts = true, logNetwork = false }: BotOptions): void {
  const log = (text: string): void => void process.stdout.write(`${text}\n`);
  if (logContacts) {
    chat.on('contactConnected', ({ contact }) => log(`${contact.profile.displayName} connected`));
    chat.on('contactDeletedByContact', ({ contact }) => log(`${contact.profile.displayName} deleted the contact`));
  }
  if (logNetwork) {
    chat.on('hostConnected', ({ transportHost }) => log(`connected to ${transportHost}`));
    chat.on('hostDisconnected', ({ transportHost }) => log(`disconnected from ${transportHost}`));
  }
}

function botProfile({ profile, options }: BotConfig): Profile {
  const { useBotProfile = true, allowFiles = false, commands = [] } = options;
  if (!useBotProfile) return profile;
  const { preferences } = profile;
  if (profile.peerType !== undefined || preferences?.commands !== undefined || preferences?.files !== undefined) {
    throw new BotError(
      'OPTIONS',
      'peerType, files and commands of a bot are set by options (or use useBotProfile: false)',
    );
  }
  return {
    ...profile,
    peerType: 'bot',
    preferences: {
      ...preferences,
      files: { allow: allowFiles ? 'yes' : 'no' },
      calls: { allow: 'no' },
      voice: { allow: 'no' },
      commands,
    },
  };
}

async function setUpAddress(chat: ChatApi, user: User, options: BotOptions): Promise<UserContactLink | undefined> {
  const { createAddress = true, updateAddress = true, addressSettings = defaultBotAddressSettings } = options;
  const { userId } = user;
  let address = await chat.apiGetUserAddress(userId);
  if (address === undefined) {
    if (!createAddress) return undefined;
    await chat.apiCreateUserAddress(userId);
    address = await chat.apiGetUserAddress(userId);
  }
  if (address === undefined) throw new BotError('NO_ADDRESS', 'the address that was just created is not there');
  process.stdout.write(`Bot address: ${linkText(address.connLinkContact)}\n`);
  const wanted = util.apiAddressSettings(addressSettings);
  if (updateAddress && !sameJson(wanted, address.addressSettings)) {
    await chat.apiSetAddressSettings(userId, addressSettings);
    return { ...address, addressSettings: wanted };
  }
  return address;
}

async function setUpProfile(
  chat: ChatApi,
  user: User,
  address: UserContactLink | undefined,
  profile: Profile,
  { updateProfile = true }: BotOptions,
): Promise<void> {
  const wanted: Profile =
    address === undefined ? profile : { ...profile, contactLink: util.contactAddressStr(address.connLinkContact) };
  if (updateProfile && !sameJson(wanted, util.fromLocalProfile(user.profile))) {
    await chat.apiUpdateProfile(user.userId, wanted);
  }
}
