import type {
  ApiResponse,
  ChatRef,
  Contact,
  ContactShortLinkData,
  GroupInfo,
  MsgContent,
  Profile,
  User,
} from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { AddressRow } from '../addresses/queries.js';
import type { KnownLink } from '../connections/links.js';
import type { ConnectionRow } from '../connections/view.js';
import type { Composed } from '../messages/composed.js';
import type { SendOptions } from '../messages/send.js';
import type { ChatEventOf, ChatVersionRange } from '../protocol/index.js';
import type { ChatContext } from './context.js';

/** A request that came to an address or group link (50, section 2.8). */
export interface IncomingRequest {
  readonly user: User;
  readonly address: AddressRow;
  readonly connection: ConnectionRow;
  /** Of the agent. */
  readonly invId: string;
  readonly pqSupport: boolean;
  readonly versions: ChatVersionRange;
  readonly profile: Profile;
  readonly xContactId: string | undefined;
  readonly welcomeMsgId: string | undefined;
  readonly message: { readonly sharedMsgId: string; readonly content: MsgContent } | undefined;
}

/** A group that a link leads to, with the full form of the link. */
export interface LinkedGroup {
  readonly fullLink: string;
  readonly groupInfo: GroupInfo;
}

/** Where connections of contacts and groups meet: what the groups capability does for the others. */
export interface GroupHooks {
  /** The own group with this short link. */
  ownByShortLink(tx: Tx, user: User, shortLink: string): Promise<LinkedGroup | undefined>;
  /** The group or business chat prepared from this short link. */
  preparedByShortLink(tx: Tx, user: User, shortLink: string): Promise<LinkedGroup | undefined>;
  /** The own group with this full link. */
  ownByFullLink(tx: Tx, user: User, fullLink: string): Promise<GroupInfo | undefined>;
  /** The group that was joined by this link (`linkHash` of the full link). */
  joinedByLink(tx: Tx, user: User, hash: string): Promise<GroupInfo | undefined>;
  /** The group of a member's connection. */
  groupOfConnection(tx: Tx, user: User, connection: ConnectionRow): Promise<GroupInfo | undefined>;
  /** `/_prepare contact` with the data of a business address. */
  prepareBusiness(
    ctx: ChatContext,
    user: User,
    link: { readonly connFullLink: string; readonly connShortLink?: string | undefined },
    data: ContactShortLinkData,
  ): Promise<ApiResponse>;
  /** Sends messages to a group or support chat, as `/_send` does: for forwards. */
  sendMessages(
    ctx: ChatContext,
    user: User,
    ref: ChatRef,
    messages: readonly Composed[],
    options: SendOptions,
  ): Promise<ApiResponse>;
  /** A request at a group link. */
  linkRequest(ctx: ChatContext, tx: Tx, request: IncomingRequest): Promise<void>;
  /** A request at a business address. */
  businessRequest(ctx: ChatContext, tx: Tx, request: IncomingRequest): Promise<void>;
  /**
   * `x.grp.link.inv` or `x.grp.link.reject` as connection information on a connection of ours: the group takes the
   * connection over (and the contact's place, if there is one: a business contact card). `confId`: the handshake waits
   * for `allowConnection`; absent: INFO.
   */
  linkInvitation(
    ctx: ChatContext,
    tx: Tx,
    input: {
      readonly user: User;
      readonly connection: ConnectionRow;
      readonly contact: Contact | undefined;
      readonly confId: string | undefined;
      readonly event: ChatEventOf<'x.grp.link.inv'> | ChatEventOf<'x.grp.link.reject'>;
    },
  ): Promise<void>;
}

/** A full link. */
export type FullLink = Extract<KnownLink, { form: 'full' }>;
