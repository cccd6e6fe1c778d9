import type { AgentEvent, EventResult, FileEvent, MsgMeta } from '../../agent/index.js';
import type { Contact, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ConnectionRow } from '../connections/view.js';
import type { ItemRow } from '../items/view.js';
import type { ChatEvent } from '../protocol/index.js';
import type { CommandSource } from './commands.js';
import type { ChatContext } from './context.js';
import type { FileHooks } from './file-hooks.js';
import type { GroupHooks } from './group-hooks.js';

/** Agent events that belong to one connection. */
export type ConnectionEvent =
  | Extract<AgentEvent, { readonly connId: string }>
  | (Extract<AgentEvent, { readonly type: 'ERR' }> & { readonly connId: string });
export type ConnectionEventType = ConnectionEvent['type'];
/** Some events share one shape: `Extract` would not find them. */
type OfType<E, T> = E extends { readonly type: infer U } ? (T extends U ? E & { readonly type: T } : never) : never;
export type ConnectionEventOf<T extends ConnectionEventType> = OfType<ConnectionEvent, T>;

/** An event, whose user and connection have been found. Handlers run inside the agent's transaction. */
export interface ConnectionInput<T extends ConnectionEventType> {
  readonly user: User;
  readonly connection: ConnectionRow;
  readonly event: ConnectionEventOf<T>;
}

export type ConnectionHandler<T extends ConnectionEventType> = (
  ctx: ChatContext,
  tx: Tx,
  input: ConnectionInput<T>,
  // biome-ignore lint/suspicious/noConfusingVoidType: most handlers have nothing to say
) => Promise<EventResult | undefined | void>;

export type ConnectionHandlers = { readonly [T in ConnectionEventType]?: ConnectionHandler<T> };

/** Agent events without connection: files. */
export type OtherEvent = Exclude<AgentEvent, { readonly connId: string }>;
export type OtherHandlers = {
  readonly [T in OtherEvent['type']]?: (ctx: ChatContext, tx: Tx, event: OfType<OtherEvent, T>) => Promise<void>;
};

/** The answer of the agent to an asynchronous command. */
export interface AsyncReply {
  readonly user: User;
  readonly connection: ConnectionRow;
  readonly event: ConnectionEventOf<'INV' | 'JOINED' | 'OK' | 'ERR'>;
  /** What the command was stored with. */
  readonly data: string | undefined;
}

/** By the function that the command was stored with (`storeAsyncCommand`). */
export type AsyncReplies = {
  readonly [commandFunction: string]: (ctx: ChatContext, tx: Tx, reply: AsyncReply) => Promise<void>;
};

/** What came with a message in a direct chat. Handlers run inside the agent's transaction, in the order of the messages. */
export interface DirectMessage<E> {
  readonly user: User;
  readonly contact: Contact;
  readonly connection: ConnectionRow;
  readonly event: E;
  /** Shared id of the message. */
  readonly msgId: string | undefined;
  readonly meta: MsgMeta;
}

/** Handlers of x.* messages in direct chats; what has none is reported as unsupported. */
export type DirectMessageTable = {
  readonly [T in ChatEvent['type']]?: (
    ctx: ChatContext,
    tx: Tx,
    message: DirectMessage<Extract<ChatEvent, { readonly type: T }>>,
  ) => Promise<void>;
};

/** Deletes an item whose time has come, with the event that tells it. */
export type TimedDelete = (ctx: ChatContext, tx: Tx, user: User, row: ItemRow) => Promise<void>;

/** A job that runs 30 s after the start and then every 30 minutes, in transactions of its own. */
export interface CleanupJob {
  readonly name: string;
  run(ctx: ChatContext): Promise<void>;
}

/** What a folder of the chat room gives to the engine. */
export interface Capability extends CommandSource {
  readonly directMessages?: DirectMessageTable;
  /** Of the files capability only. */
  readonly fileHooks?: FileHooks;
  /** Events of uploads and downloads, in the transactions of the file agent; of the files capability only. */
  readonly fileEvent?: (ctx: ChatContext, tx: Tx, event: FileEvent) => Promise<void>;
  /** Of the groups capability only. */
  readonly groupHooks?: GroupHooks;
  /** Events of connections with contacts, or that will become contacts. */
  readonly contactEvents?: ConnectionHandlers;
  /** Events of connections with group members. */
  readonly memberEvents?: ConnectionHandlers;
  /** Events of the connections behind addresses and group links. */
  readonly addressEvents?: ConnectionHandlers;
  readonly otherEvents?: OtherHandlers;
  readonly asyncReplies?: AsyncReplies;
  readonly timedDelete?: { readonly direct?: TimedDelete; readonly group?: TimedDelete; readonly local?: TimedDelete };
  readonly cleanup?: readonly CleanupJob[];
  /** Runs when the engine has been started, outside of transactions: continues what a crash interrupted. */
  readonly onStart?: (ctx: ChatContext) => Promise<void>;
}
