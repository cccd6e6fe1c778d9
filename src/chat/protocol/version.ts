import { agreeVersion, type VersionRange } from '../../wire/index.js';

declare const chatVersionBrand: unique symbol;

/** A version of the chat protocol (50-chat-messages.md 1.1). */
export type ChatVersion = number & { readonly [chatVersionBrand]: true };

/** The versions that a peer, or we, can speak. */
export type ChatVersionRange = VersionRange<ChatVersion>;

/** Any number from outside as a version: newer ones than ours occur. */
export function chatVersion(n: number): ChatVersion {
  return n as ChatVersion;
}

/** What each version brought; gates compare with these: `version >= ChatV.Compression`. */
export const ChatV = {
  /** Versions in messages. */
  Initial: chatVersion(1),
  /** `x.grp.direct.inv`; introductions carry one connection. */
  GroupDirectInvitation: chatVersion(2),
  /** Joining by a group link without a direct contact. */
  GroupFastLinkJoin: chatVersion(3),
  /** `x.grp.msg.forward`. */
  GroupForward: chatVersion(4),
  /** JSON arrays in groups. */
  GroupBatch: chatVersion(5),
  /** The welcome message of a group comes with its history. */
  GroupWelcomeWithHistory: chatVersion(6),
  /** `x.info` to groups. */
  MemberProfileUpdate: chatVersion(7),
  /** Compressed bodies, post-quantum keys. */
  Compression: chatVersion(8),
  /** JSON arrays in direct chats, forwarding of batched messages, reply when ready to send. */
  DirectBatch: chatVersion(9),
  BusinessChats: chatVersion(10),
  /** `x.grp.prefs`. */
  GroupPreferences: chatVersion(11),
  Reports: chatVersion(12),
  /** `x.grp.link.reject`. */
  GroupLinkReject: chatVersion(14),
  /** Scopes: support chats of members, review of who joins. */
  Scopes: chatVersion(15),
  ShortLinkData: chatVersion(16),
} as const;

/** What we offer. */
export const ourChatVersions: ChatVersionRange = { min: ChatV.Initial, max: ChatV.ShortLinkData };

/** What a message without `v`, and a connection before the first message, is taken for. */
export const initialChatVersions: ChatVersionRange = { min: ChatV.Initial, max: ChatV.Initial };

/** The version of a new connection with a peer whose range came with the request; ranges apart give the nearest end. */
export function acceptedChatVersion(peer: ChatVersionRange, ours: ChatVersionRange = ourChatVersions): ChatVersion {
  return agreeVersion(ours, peer) ?? (peer.min > ours.max ? peer.min : peer.max);
}

/** The agreed version after a message with the range `peer`: it never goes down. */
export function updatedChatVersion(
  current: ChatVersion,
  peer: ChatVersionRange,
  ours: ChatVersionRange = ourChatVersions,
): ChatVersion {
  const agreed = agreeVersion(ours, peer) ?? current;
  return agreed > current ? agreed : current;
}
