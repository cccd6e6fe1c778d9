import type {
  CIFile,
  Contact,
  CryptoFile,
  FileDescr,
  FileInvitation,
  GroupInfo,
  GroupMember,
  MsgContent,
  User,
} from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ConnectionRow } from '../connections/view.js';
import type { ItemRow } from '../items/view.js';
import type { ChatContext } from './context.js';

/** A file that has been looked at and can be sent. `source` as the command gave it. */
export interface FileToSend {
  readonly source: CryptoFile;
  readonly fileName: string;
  /** Bytes of the contents, without what encryption adds. */
  readonly fileSize: number;
}

/** A member that a file goes to; a `Recipient` of groups/recipients.ts is one. */
export interface FileRecipient {
  readonly groupMemberId: number;
  readonly connection:
    | {
        readonly connectionId: number;
        readonly status: string;
        readonly authErrors: number;
        readonly quotaErrors: number;
      }
    | undefined;
}

/** The chat that a file goes to; a group with the members that the message goes to, whatever their state. */
export type FileChat =
  | { readonly type: 'direct'; readonly contact: Contact }
  | { readonly type: 'group'; readonly group: GroupInfo; readonly members: readonly FileRecipient[] };

/** A file row for a message that is not stored yet. */
export interface StoredFile {
  readonly fileId: number;
  /** As the item shows it. */
  readonly file: CIFile;
}

/** What the files capability does for messages. */
export interface FileHooks {
  /** Looks at a file before anything is stored: `fileNotFound`, `fileSize`. Outside of transactions. */
  inspect(ctx: ChatContext, source: CryptoFile): Promise<FileToSend>;
  /** Stores a file to send and starts its upload after the commit; the invitation goes into the message. */
  storeSent(
    ctx: ChatContext,
    tx: Tx,
    user: User,
    chat: FileChat,
    file: FileToSend,
  ): Promise<StoredFile & { readonly invitation: FileInvitation }>;
  /** Stores a file of the private notes. */
  storeLocal(ctx: ChatContext, tx: Tx, user: User, noteFolderId: number, file: FileToSend): Promise<StoredFile>;
  /** Stores a received invitation. */
  storeReceived(
    ctx: ChatContext,
    tx: Tx,
    user: User,
    from:
      | { readonly type: 'direct'; readonly contact: Contact }
      | { readonly type: 'group'; readonly group: GroupInfo; readonly member: GroupMember },
    invitation: FileInvitation,
    content: MsgContent,
  ): Promise<StoredFile>;
  /** The item that carries the file is stored now: its row must have `has_file` = 1. */
  linkItem(tx: Tx, fileId: number, itemId: number, sharedMsgId: string | undefined): Promise<void>;
  /** The message of a stored file could not be sent after all: its upload ends, its row goes. */
  discard(ctx: ChatContext, tx: Tx, user: User, fileId: number): Promise<void>;
  /** After the item of a received file was shown: accepts small files, if the engine is told to. Not for blocked members. */
  received(ctx: ChatContext, tx: Tx, user: User, file: StoredFile): Promise<void>;
  /** Items with files go: transfers are cancelled, rows deleted, and files of ours deleted after the commit. */
  removeOfItems(ctx: ChatContext, tx: Tx, user: User, items: readonly ItemRow[]): Promise<void>;
  /** Items with files are marked as deleted: transfers are cancelled, the files stay. */
  cancelOfItems(ctx: ChatContext, tx: Tx, user: User, items: readonly ItemRow[]): Promise<void>;
  /** The user goes with all its files. Call it before the user is deleted, in the same transaction. */
  removeOfUser(ctx: ChatContext, tx: Tx, user: User): Promise<void>;
  /** Whether the local copy of a file is there. Outside of transactions. */
  exists(ctx: ChatContext, source: CryptoFile): Promise<boolean>;
  /** A copy of a received or sent file for forwarding; undefined: it is lost. Outside of transactions. */
  copyForForward(ctx: ChatContext, file: CIFile, content: MsgContent): Promise<CryptoFile | undefined>;

  /** SENT of an agent message to a contact: the file is complete when it was the last part of its description. */
  delivered(ctx: ChatContext, tx: Tx, user: User, connection: ConnectionRow, agentMsgId: number): Promise<void>;
  /**
   * `x.msg.file.descr` in a group, direct or forwarded: `author` is who must have written the message `msgId`. What is
   * wrong is told by events, so that forwarding goes on.
   */
  groupDescription(
    ctx: ChatContext,
    tx: Tx,
    user: User,
    group: GroupInfo,
    author: GroupMember,
    msgId: string,
    fileDescr: FileDescr,
  ): Promise<void>;
  /** `x.file.cancel` in a group, direct or forwarded. */
  groupCancel(
    ctx: ChatContext,
    tx: Tx,
    user: User,
    group: GroupInfo,
    author: GroupMember,
    msgId: string,
  ): Promise<void>;
  /**
   * What a new member needs to get the file of an item of the history: the invitation for `x.msg.new` and the parts
   * for `x.msg.file.descr`. Undefined: the item goes without its file (40-xftp, section 7.6).
   */
  history(
    ctx: ChatContext,
    tx: Tx,
    item: ItemRow,
  ): Promise<{ readonly invitation: FileInvitation; readonly parts: readonly FileDescr[] } | undefined>;
}
