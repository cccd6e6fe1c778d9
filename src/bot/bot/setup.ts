import type {
  AddressSettings,
  ChatBotCommand,
  CreatedConnLink,
  LocalProfile,
  Preferences,
  Profile,
  User,
  UserContactLink,
} from '../../api/index.js';
import type { ApiClient } from '../api/client.js';
import { BotError, isChatApiError } from '../errors.js';
import { type Content, messageContent } from './content.js';

/** How others see the bot. */
export interface BotProfile {
  readonly displayName: string;
  readonly fullName?: string;
  /** A line about the bot, up to 160 bytes. */
  readonly shortDescr?: string;
  /** A small picture: `data:image/jpg;base64,...` */
  readonly image?: string;
  /** Beyond what {@link SetupOptions} sets: voice messages, calls, reactions, disappearing messages. */
  readonly preferences?: Preferences;
}

/** The address of a bot. */
export interface BotAddress {
  /** Accepts everybody who connects. Default true. */
  readonly autoAccept?: boolean;
  /** Each customer gets a group with the bot, to which colleagues can be added. Default false. */
  readonly business?: boolean;
  /** Shows the address in the profile, so that contacts can pass it on. Default true. */
  readonly inProfile?: boolean;
}

/** What a bot is, declared once: brought into effect at each start, changed only where it differs. */
export interface SetupOptions {
  /** The display name, or more. */
  readonly profile: string | BotProfile;
  /** `false`: the bot has no address. Default: it has one that accepts everybody. */
  readonly address?: false | BotAddress;
  /** What new contacts get at once. */
  readonly welcome?: Content;
  /** The menu of commands. Default: the commands that were registered with a label. */
  readonly commands?: readonly ChatBotCommand[];
  /** Allows files in both directions. Default false, as for bots of the official library. */
  readonly allowFiles?: boolean;
}

/** What happened to a part of the setup. */
export type SetupResult = 'created' | 'updated' | 'unchanged' | 'none';

/** The outcome of the setup. */
export interface Setup {
  readonly user: User;
  /** The link of the address: the short one, if there is one. */
  readonly address: string | undefined;
  readonly results: {
    readonly profile: SetupResult;
    readonly address: SetupResult;
    readonly addressSettings: SetupResult;
  };
}

/** Brings profile, address, settings and commands into effect. Commands are {@link SetupOptions.commands} or `menu`. */
export async function setUp(api: ApiClient, options: SetupOptions, menu: readonly ChatBotCommand[]): Promise<Setup> {
  const wanted = wantedProfile(options, menu);
  const found = await findUser(api, wanted.displayName);
  const user = found ?? (await api.createActiveUser({ newUser: { profile: wanted, pastTimestamp: false } })).user;
  await api.startChat();
  const address = await setUpAddress(api, user.userId, options);
  const inProfile = options.address !== false && options.address?.inProfile !== false;
  const profile: Profile = {
    ...wanted,
    ...(address.link !== undefined && inProfile ? { contactLink: address.link } : {}),
  };
  const updated = await setUpProfile(api, user, profile);
  return {
    user: updated ?? user,
    address: address.link,
    results: {
      profile: found === undefined ? 'created' : updated === undefined ? 'unchanged' : 'updated',
      address: address.result,
      addressSettings: address.settings,
    },
  };
}

/** The profile of that name, made active, or else the active profile. */
async function findUser(api: ApiClient, displayName: string): Promise<User | undefined> {
  let active: User | undefined;
  try {
    active = (await api.showActiveUser()).user;
  } catch (error) {
    if (!isChatApiError(error, 'noActiveUser')) throw error;
  }
  if (active?.profile.displayName === displayName) return active;
  const { users } = await api.listUsers();
  const named = users.find(({ user }) => user.profile.displayName === displayName);
  return named === undefined ? active : (await api.setActiveUser({ userId: named.user.userId })).user;
}

function wantedProfile(options: SetupOptions, menu: readonly ChatBotCommand[]): Profile {
  const given = typeof options.profile === 'string' ? { displayName: options.profile } : options.profile;
  const { preferences, fullName = '', ...others } = given;
  if (preferences?.commands !== undefined) {
    throw new BotError('OPTIONS', 'commands are an option of the bot, not a preference of its profile');
  }
  return {
    ...others,
    fullName,
    peerType: 'bot',
    preferences: {
      calls: { allow: 'no' },
      voice: { allow: 'no' },
      ...preferences,
      files: { allow: options.allowFiles === true ? 'yes' : 'no' },
      commands: options.commands ?? menu,
    },
  };
}

async function setUpProfile(api: ApiClient, user: User, profile: Profile): Promise<User | undefined> {
  if (sameJson(publicProfile(user.profile), profile)) return undefined;
  const response = await api.updateProfile({ userId: user.userId, profile });
  return response.type === 'userProfileUpdated' ? response.user : undefined;
}

/** What others see of a profile. */
function publicProfile({ profileId: _id, localAlias: _alias, ...profile }: LocalProfile): Profile {
  return profile;
}

interface AddressSetup {
  readonly link: string | undefined;
  readonly result: SetupResult;
  readonly settings: SetupResult;
}

async function setUpAddress(api: ApiClient, userId: number, options: SetupOptions): Promise<AddressSetup> {
  if (options.address === false) return { link: undefined, result: 'none', settings: 'none' };
  const { autoAccept = true, business = false } = options.address ?? {};
  const wanted: AddressSettings = {
    businessAddress: business,
    ...(autoAccept ? { autoAccept: { acceptIncognito: false } } : {}),
    ...(options.welcome === undefined ? {} : { autoReply: messageContent(options.welcome) }),
  };
  let current = await showAddress(api, userId);
  const result = current === undefined ? 'created' : 'unchanged';
  if (current === undefined) {
    await api.createMyAddress({ userId });
    current = await showAddress(api, userId);
  }
  if (current === undefined) throw new BotError('NO_ADDRESS', 'the address that was just created is not there');
  const link = linkText(current.connLinkContact);
  if (sameJson(current.addressSettings, wanted)) return { link, result, settings: 'unchanged' };
  await api.setAddressSettings({ userId, settings: wanted });
  return { link, result, settings: 'updated' };
}

async function showAddress(api: ApiClient, userId: number): Promise<UserContactLink | undefined> {
  try {
    return (await api.showMyAddress({ userId })).contactLink;
  } catch (error) {
    if (isChatApiError(error, 'userContactLinkNotFound')) return undefined;
    throw error;
  }
}

/** The link that people are given: the short one, if there is one. */
export function linkText(link: CreatedConnLink): string {
  return link.connShortLink ?? link.connFullLink;
}

/** Equal as JSON: the order of keys and absent values do not matter. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [x, y] = [definedEntries(a), definedEntries(b)];
  return x.size === y.size && [...x].every(([key, value]) => y.has(key) && sameJson(value, y.get(key)));
}

function definedEntries(value: object): Map<string, unknown> {
  return new Map(Object.entries(value).filter(([, v]) => v !== undefined));
}
