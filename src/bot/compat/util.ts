import type {
  ACIReaction,
  AddressSettings,
  ChatInfo,
  ChatItem,
  ChatRef,
  CreatedConnLink,
  LocalProfile,
  MsgContent,
  Profile,
  UserContactLink,
} from '../../api/index.js';
import { botCommand, contentText, itemContent } from '../bot/content.js';
import { linkText } from '../bot/setup.js';
import { chatRefOf } from '../events.js';

/** A command in a message. */
export interface BotCommand {
  readonly keyword: string;
  readonly params: string;
}

/** The settings of an address, as bots use them. */
export interface BotAddressSettings {
  autoAccept?: boolean;
  welcomeMessage?: MsgContent | string | undefined;
  businessAddress?: boolean;
}

export const chatInfoRef: (info: ChatInfo) => ChatRef | undefined = chatRefOf;

/** `@name`, `#name`, or what kind of chat it is. */
export function chatInfoName(info: ChatInfo): string {
  switch (info.type) {
    case 'direct':
      return `@${info.contact.profile.displayName}`;
    case 'group': {
      const name = `#${info.groupInfo.groupProfile.displayName}`;
      const scope = info.groupChatScope;
      if (scope === undefined) return name;
      const member = scope.groupMember_;
      return member === undefined ? `${name}(support)` : `${name}(support: ${member.memberProfile.displayName})`;
    }
    case 'local':
      return 'private notes';
    case 'contactRequest':
      return `request from @${info.contactRequest.profile.displayName}`;
    case 'contactConnection':
      return 'pending connection';
    default:
      return 'unknown chat';
  }
}

/** Who wrote: the contact, or the member of the group. */
export function senderName(info: ChatInfo, chatDir: ChatItem['chatDir']): string {
  const member = chatDir.type === 'groupRcv' ? ` @${chatDir.groupMember.memberProfile.displayName}` : '';
  return chatInfoName(info) + member;
}

/** The short link, if there is one. */
export function contactAddressStr(link: CreatedConnLink): string {
  return linkText(link);
}

/** The settings of an address, with its reply as `welcomeMessage`. */
export function botAddressSettings({ addressSettings }: UserContactLink): BotAddressSettings {
  const { autoAccept, autoReply, businessAddress } = addressSettings;
  return { autoAccept: autoAccept !== undefined, welcomeMessage: autoReply, businessAddress };
}

/** The settings as the API takes them. */
export function apiAddressSettings(settings: BotAddressSettings): AddressSettings {
  const { autoAccept = true, welcomeMessage, businessAddress = false } = settings;
  const autoReply: MsgContent | undefined =
    typeof welcomeMessage === 'string' ? { type: 'text', text: welcomeMessage } : welcomeMessage;
  return {
    businessAddress,
    ...(autoAccept ? { autoAccept: { acceptIncognito: false } } : {}),
    ...(autoReply === undefined ? {} : { autoReply }),
  };
}

/** What others see of a profile. */
export function fromLocalProfile({ profileId: _id, localAlias: _alias, ...profile }: LocalProfile): Profile {
  return Object.fromEntries(Object.entries(profile).filter(([, v]) => v !== undefined)) as unknown as Profile;
}

/** The text of a message that was sent or received. */
export function ciContentText(item: ChatItem): string | undefined {
  const content = itemContent(item);
  return content === undefined ? undefined : contentText(content);
}

/** The command in a message. */
export function ciBotCommand(item: ChatItem): BotCommand | undefined {
  const text = ciContentText(item);
  return text === undefined ? undefined : botCommand(text);
}

/** The emoji; for reactions of later versions their type. */
export function reactionText({ chatReaction }: ACIReaction): string {
  const { reaction } = chatReaction;
  return reaction.type === 'emoji' ? String(reaction.emoji) : String(reaction.type);
}
