import type {
  BusinessChatInfo,
  FileDescr,
  FileInvitation,
  GroupMemberRole,
  GroupPreferences,
  GroupProfile,
  JsonObject,
  MsgContent,
  MsgReaction,
  Profile,
} from '../../api/index.js';
import type { ChatVersionRange } from './version.js';

/**
 * Ids of the protocol (50-chat-messages.md 1.4): opaque byte strings in base64url with padding, normalised on decoding,
 * so that equal ids are equal strings.
 */
export type SharedMsgId = string;
export type MemberId = string;

/** A time in UTC, ISO 8601 with `Z` and no trailing zeros in the fraction; normalised on decoding. */
export type UtcTime = string;

/** A message that another one refers to. `sent`: the referring party had sent it. `memberId` in groups. */
export interface MsgRef {
  readonly msgId?: SharedMsgId | undefined;
  readonly sentAt: UtcTime;
  readonly sent: boolean;
  readonly memberId?: MemberId | undefined;
}

/** A quote brings the quoted content along: the receiver may not have it (50-chat-messages.md 1.12). */
export interface QuotedMsg {
  readonly msgRef: MsgRef;
  readonly content: MsgContent;
}

/** A support chat: that of the member. */
export interface MsgScope {
  readonly type: 'member';
  readonly memberId: MemberId;
}

/** Mentioned members by the name that the text uses. */
export type MsgMentions = Readonly<Record<string, { readonly memberId: MemberId }>>;

/** Content with what goes with it. `ttl` in seconds. At most one of `quote`, `parent` and `forward` is present. */
export interface MsgContainer {
  readonly content: MsgContent;
  readonly quote?: QuotedMsg | undefined;
  readonly parent?: MsgRef | undefined;
  readonly forward?: true | undefined;
  readonly file?: FileInvitation | undefined;
  readonly ttl?: number | undefined;
  readonly live?: boolean | undefined;
  readonly mentions?: MsgMentions | undefined;
  readonly scope?: MsgScope | undefined;
}

/** A member as invitations name it (60-groups.md 4.1). */
export interface MemberIdRole {
  readonly memberId: MemberId;
  readonly memberRole: GroupMemberRole;
}

/** Of `x.grp.inv`, to a contact. `groupLinkId` answers a join by link of the oldest kind (60-groups.md 7.5.5). */
export interface GroupInvitation {
  readonly fromMember: MemberIdRole;
  readonly invitedMember: MemberIdRole;
  /** A full one-time link. */
  readonly connRequest: string;
  readonly groupProfile: GroupProfile;
  readonly business?: BusinessChatInfo | undefined;
  readonly groupLinkId?: string | undefined;
  readonly groupSize?: number | undefined;
}

export type GroupAcceptance = 'accepted' | 'pending' | 'pending_review';

/** Of `x.grp.link.inv`, the answer to a join by link. Without `accepted` (hosts before version 15) it lets in. */
export interface GroupLinkInvitation {
  readonly fromMember: MemberIdRole;
  readonly fromMemberName: string;
  readonly invitedMember: MemberIdRole;
  readonly groupProfile: GroupProfile;
  readonly accepted?: GroupAcceptance | undefined;
  readonly business?: BusinessChatInfo | undefined;
  readonly groupSize?: number | undefined;
}

/** Of `x.grp.link.reject`, from version 14 on: the host refuses (60-groups.md 7.5.3). */
export interface GroupLinkRejection {
  readonly fromMember: MemberIdRole;
  readonly invitedMember: MemberIdRole;
  readonly groupProfile: GroupProfile;
  /** `long_name`, `blocked_name` or any other text. */
  readonly rejectionReason: string;
}

/** A member as others are told of it (60-groups.md 4.1). `v` is absent when the teller has no connection to it. */
export interface MemberInfo {
  readonly memberId: MemberId;
  readonly memberRole: GroupMemberRole;
  /** Versions, as text. */
  readonly v?: string | undefined;
  readonly profile: Profile;
}

/** Links of a member for an introduced one. */
export interface IntroInvitation {
  readonly groupConnReq: string;
  readonly directConnReq?: string | undefined;
}

/** `blocked`, `unrestricted` or any other text; only `blocked` blocks. */
export interface MemberRestrictions {
  readonly restriction: string;
}

/** What a caller offers or accepts (50-chat-messages.md 1.11, 6.9). */
export interface CallType {
  readonly media: 'audio' | 'video';
  readonly capabilities: { readonly encryption: boolean };
}

/** WebRTC data of a caller: opaque here. */
export interface WebRtcSession {
  readonly rtcSession: string;
  readonly rtcIceCandidates: string;
}

type None = Readonly<Record<never, never>>;

/** Parameters of the JSON events by tag (50-chat-messages.md 1.11, 60-groups.md). */
export interface ChatEventMap {
  'x.msg.new': MsgContainer;
  'x.msg.file.descr': { readonly msgId: SharedMsgId; readonly fileDescr: FileDescr };
  'x.msg.update': {
    readonly msgId: SharedMsgId;
    readonly content: MsgContent;
    readonly mentions?: MsgMentions | undefined;
    readonly ttl?: number | undefined;
    readonly live?: boolean | undefined;
    readonly scope?: MsgScope | undefined;
  };
  'x.msg.del': {
    readonly msgId: SharedMsgId;
    readonly memberId?: MemberId | undefined;
    readonly scope?: MsgScope | undefined;
  };
  'x.msg.deleted': None;
  'x.msg.react': {
    readonly msgId: SharedMsgId;
    readonly memberId?: MemberId | undefined;
    readonly scope?: MsgScope | undefined;
    readonly reaction: MsgReaction;
    readonly add: boolean;
  };
  'x.file': { readonly file: FileInvitation };
  'x.file.acpt': { readonly fileName: string };
  'x.file.acpt.inv': {
    readonly msgId: SharedMsgId;
    readonly fileConnReq?: string | undefined;
    readonly fileName: string;
  };
  'x.file.cancel': { readonly msgId: SharedMsgId };
  'x.info': { readonly profile: Profile };
  /** `msgId` and `content` are present together or not at all. */
  'x.contact': {
    readonly profile: Profile;
    readonly contactReqId?: string | undefined;
    readonly welcomeMsgId?: SharedMsgId | undefined;
    readonly msgId?: SharedMsgId | undefined;
    readonly content?: MsgContent | undefined;
  };
  'x.direct.del': None;
  'x.grp.inv': { readonly groupInvitation: GroupInvitation };
  'x.grp.acpt': { readonly memberId: MemberId };
  'x.grp.link.inv': { readonly groupLinkInvitation: GroupLinkInvitation };
  'x.grp.link.reject': { readonly groupLinkRejection: GroupLinkRejection };
  'x.grp.link.mem': { readonly profile: Profile };
  'x.grp.link.acpt': {
    readonly acceptance: GroupAcceptance;
    readonly role: GroupMemberRole;
    readonly memberId: MemberId;
  };
  'x.grp.mem.new': { readonly memberInfo: MemberInfo; readonly scope?: MsgScope | undefined };
  'x.grp.mem.intro': {
    readonly memberInfo: MemberInfo;
    readonly memberRestrictions?: MemberRestrictions | undefined;
  };
  'x.grp.mem.inv': { readonly memberId: MemberId; readonly memberIntro: IntroInvitation };
  'x.grp.mem.fwd': { readonly memberInfo: MemberInfo; readonly memberIntro: IntroInvitation };
  'x.grp.mem.info': { readonly memberId: MemberId; readonly profile: Profile };
  'x.grp.mem.role': { readonly memberId: MemberId; readonly role: GroupMemberRole };
  'x.grp.mem.restrict': { readonly memberId: MemberId; readonly memberRestrictions: MemberRestrictions };
  'x.grp.mem.con': { readonly memberId: MemberId };
  'x.grp.mem.con.all': { readonly memberId: MemberId };
  'x.grp.mem.del': { readonly memberId: MemberId; readonly messages?: true | undefined };
  'x.grp.leave': None;
  'x.grp.del': None;
  'x.grp.info': { readonly groupProfile: GroupProfile };
  'x.grp.prefs': { readonly groupPreferences: GroupPreferences };
  'x.grp.direct.inv': {
    readonly connReq: string;
    readonly content?: MsgContent | undefined;
    readonly scope?: MsgScope | undefined;
  };
  /** A message of another member, as it was parsed. Newer clients add the name, and may leave the member out. */
  'x.grp.msg.forward': {
    readonly memberId?: MemberId | undefined;
    readonly memberName?: string | undefined;
    readonly msg: ChatMessage;
    readonly msgTs: UtcTime;
  };
  'x.info.probe': { readonly probe: string };
  'x.info.probe.check': { readonly probeHash: string };
  'x.info.probe.ok': { readonly probe: string };
  'x.call.inv': {
    readonly callId: string;
    readonly invitation: { readonly callType: CallType; readonly callDhPubKey?: string | undefined };
  };
  'x.call.offer': {
    readonly callId: string;
    readonly offer: {
      readonly callType: CallType;
      readonly rtcSession: WebRtcSession;
      readonly callDhPubKey?: string | undefined;
    };
  };
  'x.call.answer': { readonly callId: string; readonly answer: { readonly rtcSession: WebRtcSession } };
  'x.call.extra': {
    readonly callId: string;
    readonly extra: { readonly rtcExtraInfo: { readonly rtcIceCandidates: string } };
  };
  'x.call.end': { readonly callId: string };
  'x.ok': None;
}

/** Tags of the JSON events. */
export type ChatEventTag = keyof ChatEventMap;

/** A JSON event of one tag. */
export type ChatEventOf<T extends ChatEventTag> = { readonly type: T } & ChatEventMap[T];

/** An event whose tag begins with `x` and is not known: kept with its parameters. */
export interface UnknownChatEvent {
  readonly type: 'unknown';
  readonly event: string;
  readonly params: JsonObject;
}

/** A piece of a file in the old way: `chunkNo` 1 to 255, or 0 for "cancelled" without bytes. */
export interface FileChunkEvent {
  readonly type: 'F';
  readonly sharedMsgId: SharedMsgId;
  readonly chunkNo: number;
  readonly bytes: Uint8Array;
}

/** What a JSON message says. */
export type JsonChatEvent = { [T in ChatEventTag]: ChatEventOf<T> }[ChatEventTag] | UnknownChatEvent;

/** What a message says. */
export type ChatEvent = JsonChatEvent | FileChunkEvent;

/** A chat message in JSON. */
export interface ChatMessage {
  /** What the sender can speak. */
  readonly versions: ChatVersionRange;
  readonly msgId: SharedMsgId | undefined;
  readonly event: JsonChatEvent;
}

/** One message of a received body: a JSON message, a binary one, or why it cannot be read. */
export type ReceivedMessage =
  | {
      readonly type: 'json';
      readonly message: ChatMessage;
      /** The sender did not say what it speaks: the versions of the message mean nothing. */
      readonly versionless?: true;
    }
  | { readonly type: 'binary'; readonly msgId: SharedMsgId | undefined; readonly event: FileChunkEvent }
  | { readonly type: 'error'; readonly error: string };
