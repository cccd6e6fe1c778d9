import type { Tx } from '../store/index.js';
import type { AgentCryptoErrorJson, AgentError, AgentErrorJson } from './errors.js';
import type { ConnectionMode } from './links/index.js';

/**
 * The agent's id of a connection: 12 random bytes as 16 base64url characters. The bot API shows it encoded once
 * more (base64url of these 16 ASCII bytes); that is the chat layer's business.
 */
export type ConnId = string;
/** An agent user: separates servers and transport sessions. One chat profile is one agent user. */
export type UserId = number;
/** Local per-connection number of a sent or received message: what SENT, MERR and receipts refer to. */
export type AgentMsgId = number;
/** A server as text: `smp://<keyHash>[:<basicAuth>]@h1,h2[:port]`; without basicAuth in events and errors. */
export type ServerText = string;
/** A full connection link as text (`simplex:/invitation#/?…`, any scheme accepted). */
export type ConnectionLinkText = string;
/** A short link as text, unshortened (with server query), `https` scheme (30-agent.md, section 4.6). */
export type ShortLinkText = string;

export type QueueDirection = 'rcv' | 'snd';
export type SwitchPhase = 'started' | 'confirmed' | 'secured' | 'completed';
export type RatchetSyncState = 'ok' | 'allowed' | 'required' | 'started' | 'agreed';
export type RcvSwitchStatus = 'switch_started' | 'sending_qadd' | 'sending_quse' | 'received_message';
export type SndSwitchStatus = 'sending_qkey' | 'sending_qtest';

/** 30-agent.md, section 6.7: `usePQ` = IKUsePQ, the others IKLinkPQ on and off. */
export type InitialKeys = 'usePQ' | 'linkPQOn' | 'linkPQOff';

/** JSON form of the API. */
export type MsgIntegrity =
  | { readonly type: 'msgOk' }
  | {
      readonly type: 'msgError';
      readonly errorInfo:
        | { readonly type: 'msgSkipped'; readonly fromMsgId: number; readonly toMsgId: number }
        | { readonly type: 'msgBadId'; readonly msgId: number }
        | { readonly type: 'msgBadHash' }
        | { readonly type: 'msgDuplicate' };
    };

/** What is known of a received message beside its content (30-agent.md, section 8.3). */
export interface MsgMeta {
  readonly integrity: MsgIntegrity;
  /** Local id, and when we processed it (ms). */
  readonly recipient: { readonly msgId: AgentMsgId; readonly ts: number };
  /** The relay's message id, and when the relay received it (ms, whole seconds). */
  readonly broker: { readonly msgId: Uint8Array; readonly ts: number };
  /** The sender's sequence number. */
  readonly sndMsgId: number;
  readonly pqEncryption: boolean;
}

/** Of the body of a message: the relay reads it (section 5.4). */
export interface MsgFlags {
  readonly notification: boolean;
}

/** The peer got our message `agentMsgId`. `badMsgHash`: it received other bytes than we sent. */
export interface MsgReceipt {
  readonly agentMsgId: AgentMsgId;
  readonly msgRcptStatus: 'ok' | 'badMsgHash';
}

/** One receive queue. A rotation can be aborted until the peer may have dropped the old queue (section 10). */
export interface RcvQueueInfo {
  readonly rcvServer: ServerText;
  readonly rcvSwitchStatus?: RcvSwitchStatus;
  readonly canAbortSwitch: boolean;
}

/** One send queue; its rotation is the peer's to abort. */
export interface SndQueueInfo {
  readonly sndServer: ServerText;
  readonly sndSwitchStatus?: SndSwitchStatus;
}

/** JSON form of the API. */
export interface ConnectionStats {
  readonly connAgentVersion: number;
  readonly rcvQueuesInfo: readonly RcvQueueInfo[];
  readonly sndQueuesInfo: readonly SndQueueInfo[];
  readonly ratchetSyncState: RatchetSyncState;
  readonly ratchetSyncSupported: boolean;
}

/** The short link is absent without link data, and for servers that cannot keep them. */
export interface CreatedConnLink {
  readonly connFullLink: ConnectionLinkText;
  readonly connShortLink?: ShortLinkText;
}

interface MsgFailure {
  readonly connId: ConnId;
  readonly msgId: AgentMsgId;
  readonly error: AgentErrorJson;
}

interface ServerConnections {
  readonly server: ServerText;
  readonly connIds: readonly ConnId[];
}

interface ServerHost {
  readonly protocol: 'smp' | 'xftp';
  readonly host: string;
}

/**
 * What the agent tells the layer above (30-agent.md, section 17), in the transaction that stored its cause.
 * `corrId` is the id that the layer above gave to an asynchronous command; absent for what nobody asked for.
 */
export type AgentEvent =
  | { readonly type: 'INV'; readonly connId: ConnId; readonly corrId: string; readonly link: CreatedConnLink }
  | { readonly type: 'JOINED'; readonly connId: ConnId; readonly corrId: string; readonly sndSecured: boolean }
  | { readonly type: 'OK'; readonly connId: ConnId; readonly corrId: string }
  | { readonly type: 'ERR'; readonly connId?: ConnId; readonly corrId?: string; readonly error: AgentErrorJson }
  | {
      readonly type: 'ERRS';
      readonly errors: readonly { readonly connId: ConnId; readonly error: AgentErrorJson }[];
    }
  | {
      readonly type: 'CONF';
      readonly connId: ConnId;
      readonly confId: string;
      readonly pqSupport: boolean;
      readonly servers: readonly ServerText[];
      readonly info: Uint8Array;
    }
  | {
      readonly type: 'REQ';
      readonly connId: ConnId;
      readonly invId: string;
      readonly pqSupport: boolean;
      readonly servers: readonly ServerText[];
      readonly info: Uint8Array;
    }
  | { readonly type: 'INFO'; readonly connId: ConnId; readonly pqSupport: boolean; readonly info: Uint8Array }
  | { readonly type: 'CON'; readonly connId: ConnId; readonly pqEncryption: boolean }
  | {
      readonly type: 'MSG';
      readonly connId: ConnId;
      readonly meta: MsgMeta;
      readonly flags: MsgFlags;
      /** A view of the decrypted message: copy what outlives the handler. */
      readonly body: Uint8Array;
    }
  | {
      readonly type: 'RCVD';
      readonly connId: ConnId;
      readonly meta: MsgMeta;
      readonly receipts: readonly MsgReceipt[];
    }
  | {
      readonly type: 'SENT';
      readonly connId: ConnId;
      readonly msgId: AgentMsgId;
      readonly proxyServer?: ServerText;
    }
  | ({ readonly type: 'MWARN' } & MsgFailure)
  | ({ readonly type: 'MERR' } & MsgFailure)
  | {
      readonly type: 'MERRS';
      readonly connId: ConnId;
      readonly msgIds: readonly AgentMsgId[];
      readonly error: AgentErrorJson;
    }
  | { readonly type: 'QCONT'; readonly connId: ConnId }
  | {
      readonly type: 'SWITCH';
      readonly connId: ConnId;
      readonly direction: QueueDirection;
      readonly phase: SwitchPhase;
      readonly stats: ConnectionStats;
    }
  | {
      readonly type: 'RSYNC';
      readonly connId: ConnId;
      readonly state: RatchetSyncState;
      readonly error?: AgentCryptoErrorJson;
      readonly stats: ConnectionStats;
    }
  | ({ readonly type: 'UP' } & ServerConnections)
  | ({ readonly type: 'DOWN' } & ServerConnections)
  | ({ readonly type: 'CONNECT' } & ServerHost)
  | ({ readonly type: 'DISCONNECT' } & ServerHost)
  | { readonly type: 'END'; readonly connId: ConnId }
  | { readonly type: 'DELD'; readonly connId: ConnId }
  | {
      readonly type: 'DEL_RCVQS';
      readonly queues: readonly {
        readonly connId: ConnId;
        readonly server: ServerText;
        readonly rcvId: Uint8Array;
        readonly error?: AgentErrorJson;
      }[];
    }
  | { readonly type: 'DEL_CONNS'; readonly connIds: readonly ConnId[] }
  | { readonly type: 'DEL_USER'; readonly userId: UserId }
  | { readonly type: 'SUSPENDED' };

/** What the handler answers to MSG; nothing for other events. */
export interface EventResult {
  /** Send a delivery receipt, when the peer's version knows them (>= 4). */
  readonly receipt?: boolean;
}

/** The layer above the agent. */
export interface AgentHandler {
  /**
   * Runs inside the transaction that stored what caused the event; must not await the network, timers or other
   * transactions. A throw undoes only what the handler wrote (savepoint); `handlerFailed` is then called in the
   * same transaction and the agent goes on (a message is acknowledged, it will not come again).
   */
  event(tx: Tx, event: AgentEvent): Promise<EventResult | undefined>;
  handlerFailed(tx: Tx, event: AgentEvent, error: unknown): Promise<void>;
}

/** `storage`: for new queues. `proxy`: for messages to other servers (30-agent.md, section 15.1). */
export interface ServerRoles {
  readonly storage: boolean;
  readonly proxy: boolean;
}

/** A server of a user (30-agent.md, section 15.1). */
export interface ServerCfg {
  /** With basicAuth when the server needs it. */
  readonly server: ServerText;
  readonly operatorId?: number;
  readonly enabled: boolean;
  readonly roles: ServerRoles;
}

/** All configured servers, the disabled ones too: their hosts count as known (30-agent.md, section 15.1). */
export interface UserServers {
  readonly smp: readonly ServerCfg[];
  readonly xftp: readonly ServerCfg[];
}

/** A stored connection, and the link for whoever is to join it. */
export interface CreatedConnection {
  readonly connId: ConnId;
  readonly link: CreatedConnLink;
}

/** A new one-time invitation or contact address (30-agent.md, section 4.8). */
export interface CreateConnectionParams {
  readonly userId: UserId;
  readonly mode: ConnectionMode;
  /** The user blob of the link data (section 4.7): with it a short link is made. At most 13,706 (con) / 13,709 (inv) bytes. */
  readonly userLinkData?: Uint8Array;
  /** `data` of the link: `{"groupLinkId":"…"}` for group links. */
  readonly clientData?: string;
  readonly initialKeys: InitialKeys;
  /** Subscribe at once; default true. */
  readonly subscribe?: boolean;
  /** Runs in the transaction that stores the new queue, so that the caller's record and ours appear together. */
  readonly stored?: (tx: Tx, created: CreatedConnection) => Promise<void>;
}

/** `info` is what the peer gets with CONF, or with REQ when `link` is a contact address. */
export interface JoinParams {
  readonly userId: UserId;
  readonly connId: ConnId;
  readonly link: ConnectionLinkText;
  readonly info: Uint8Array;
  readonly pqSupport: boolean;
}

/** What a join that succeeded gives; CON comes later. */
export interface JoinResult {
  /** The peer's queue is secured by us and the peer is version >= 7: messages may be sent before CON. */
  readonly sndSecured: boolean;
}

/** One message of a batch (30-agent.md, section 7.2). */
export interface SendItem {
  readonly connId: ConnId;
  /** true / false set PQ for this connection from this message on; absent keeps it. */
  readonly pqEncryption?: boolean;
  readonly flags: MsgFlags;
  /** Items that hold the *same* array object share one stored body. Do not change it afterwards. */
  readonly body: Uint8Array;
}

/** The message is stored. SENT, MERR or MERRS with this id follows. */
export interface SentItem {
  readonly msgId: AgentMsgId;
  readonly pqEncryption: boolean;
}

/** Data behind a short link. */
export interface ShortLinkData {
  readonly link: ConnectionLinkText;
  readonly mode: ConnectionMode;
  /** The user blob: JSON or `X` + zstd(JSON), made by the chat layer of the other side; may be empty. */
  readonly userData: Uint8Array;
  readonly agentVersion: { readonly min: number; readonly max: number };
  /** Contact links: the request may be sent to `link` itself. */
  readonly direct: boolean;
}

export type SubscribeResult = { readonly type: 'ok' } | { readonly type: 'error'; readonly error: AgentErrorJson };

export type ProxyMode = 'always' | 'unknown' | 'unprotected' | 'never';
export type ProxyFallback = 'allow' | 'protected' | 'prohibit';

/** When messages go through a proxy, and when directly if it fails (30-agent.md, section 15.4). */
export interface AgentNetworkConfig {
  readonly smpProxyMode: ProxyMode;
  readonly smpProxyFallback: ProxyFallback;
}

/** The step at which a test of a server ended. */
export interface ServerTestFailure {
  readonly testStep: 'connect' | 'disconnect' | 'createQueue' | 'secureQueue' | 'deleteQueue';
  readonly testError: AgentErrorJson;
}

/** Counts for `/_network` style views and metrics. */
export interface SubscriptionCounts {
  readonly active: number;
  readonly pending: number;
  readonly removed: number;
}

/**
 * The agent. Calls that take a `tx` only write: use them inside your own transactions and in event handlers;
 * what they cause on the network starts after the commit. Calls without `tx` use the network: never await them
 * inside a transaction. All fail with {@link AgentError}.
 */
export interface Agent {
  /** Starts workers (deliveries, commands, clean-up). Before it nothing touches the network. */
  start(): Promise<void>;
  /**
   * Starts no network operation any more, waits up to `waitMs` for running ones, then raises SUSPENDED. Messages stay
   * with their relays until {@link resume} (or {@link start}, which resumes).
   */
  suspend(waitMs?: number): Promise<void>;
  /** Continues after {@link suspend}. */
  resume(): Promise<void>;
  /** Stops everything. The store stays open: it belongs to the caller. */
  close(): Promise<void>;

  // users and servers
  createUser(tx: Tx, servers: UserServers): Promise<UserId>;
  /** With `deleteQueues` the user's connections are deleted on the servers too, then DEL_USER. */
  deleteUser(tx: Tx, userId: UserId, deleteQueues: boolean): Promise<void>;
  /** Servers are not stored by the agent: give them at start (`openAgent`) and after each change. */
  setUserServers(userId: UserId, servers: UserServers): void;
  testServer(userId: UserId, server: ServerText): Promise<ServerTestFailure | undefined>;
  setNetworkConfig(config: AgentNetworkConfig): void;
  readonly networkConfig: AgentNetworkConfig;
  /** Closes and reopens the sessions of all users, or of one. */
  reconnectServers(userId?: UserId): Promise<void>;

  // connections: network calls
  createConnection(params: CreateConnectionParams): Promise<CreatedConnection>;
  /** `connId` from {@link prepareConnectionToJoin}. May be repeated after a failure (section 6.6). */
  joinConnection(params: JoinParams): Promise<JoinResult>;
  /** `connId` from {@link prepareConnectionToAccept}. */
  acceptContact(params: {
    readonly userId: UserId;
    readonly connId: ConnId;
    readonly invId: string;
    readonly info: Uint8Array;
    readonly pqSupport: boolean;
  }): Promise<JoinResult>;
  /** Sets or updates the data behind a connection's short link and gives the link. */
  setConnShortLink(
    connId: ConnId,
    mode: ConnectionMode,
    userLinkData: Uint8Array,
    clientData?: string,
  ): Promise<ShortLinkText>;
  deleteConnShortLink(connId: ConnId, mode: ConnectionMode): Promise<void>;
  /** Reads a short link. Reading a one-time invitation secures its queue for us. */
  getConnShortLink(userId: UserId, link: ShortLinkText): Promise<ShortLinkData>;
  /** Starts the rotation of the receive queue to another server; SWITCH events follow. */
  switchConnection(connId: ConnId): Promise<ConnectionStats>;
  /** SMP OFF on the receive queues. */
  suspendConnection(connId: ConnId): Promise<void>;
  subscribeConnections(connIds: readonly ConnId[]): Promise<Map<ConnId, SubscribeResult>>;
  /** Subscribes all connections, of `activeUserId` first; results as UP and ERRS events. Resolves when the first round is over. */
  subscribeAll(activeUserId?: UserId): Promise<void>;

  // connections: calls inside a transaction
  prepareConnectionToJoin(tx: Tx, userId: UserId, link: ConnectionLinkText, pqSupport: boolean): Promise<ConnId>;
  prepareConnectionToAccept(tx: Tx, userId: UserId, invId: string, pqSupport: boolean): Promise<ConnId>;
  /** INV with `corrId` follows. */
  createConnectionAsync(
    tx: Tx,
    corrId: string,
    params: { readonly userId: UserId; readonly mode: ConnectionMode; readonly initialKeys: InitialKeys },
  ): Promise<ConnId>;
  /** JOINED with `corrId` follows. Without `connId` a connection is made. Full invitation links, and contact links. */
  joinConnectionAsync(
    tx: Tx,
    corrId: string,
    params: Omit<JoinParams, 'connId'> & { readonly connId?: ConnId },
  ): Promise<ConnId>;
  /** Answers CONF: stores our info and lets the handshake go on in the background (there is no other form). */
  allowConnection(tx: Tx, connId: ConnId, confId: string, info: Uint8Array): Promise<void>;
  /** Answers REQ: JOINED with `corrId` follows. Without `connId` a connection is made. */
  acceptContactAsync(
    tx: Tx,
    corrId: string,
    params: {
      readonly userId: UserId;
      readonly connId?: ConnId;
      readonly invId: string;
      readonly info: Uint8Array;
      readonly pqSupport: boolean;
    },
  ): Promise<ConnId>;
  /** Forgets the request; nothing is sent. */
  rejectContact(tx: Tx, invId: string): Promise<void>;
  /** SWITCH rcv started (or ERR with `corrId`) follows. */
  switchConnectionAsync(tx: Tx, corrId: string, connId: ConnId): Promise<void>;
  abortConnectionSwitch(tx: Tx, connId: ConnId): Promise<ConnectionStats>;
  synchronizeRatchet(tx: Tx, connId: ConnId, pqSupport: boolean, force: boolean): Promise<ConnectionStats>;
  /** DEL_RCVQS and DEL_CONNS follow. With `waitDelivery` what is queued is still sent (up to 2 days). */
  deleteConnectionsAsync(tx: Tx, connIds: readonly ConnId[], waitDelivery?: boolean): Promise<void>;
  /** Forgets the key that reading a one-time short link stored: the link is then unusable for us. */
  deleteLocalInvShortLink(tx: Tx, link: ShortLinkText): Promise<void>;
  /** Only connections that are new or wait for a peer. */
  changeConnectionUser(tx: Tx, connId: ConnId, userId: UserId): Promise<void>;

  /** One result for each item, in order; a failed item does not disturb the others. */
  sendMessages(tx: Tx, items: readonly SendItem[]): Promise<(SentItem | AgentError)[]>;

  // reading
  /** undefined: the link is not compatible with us. */
  connRequestPQSupport(
    pqSupport: boolean,
    link: ConnectionLinkText,
  ): { readonly agentVersion: number; readonly pqSupport: boolean } | undefined;
  getConnectionServers(tx: Tx, connId: ConnId): Promise<ConnectionStats>;
  /** SHA-256 of the ratchet's associated data: the security code is made of it. */
  getConnectionRatchetAdHash(tx: Tx, connId: ConnId): Promise<Uint8Array>;
  subscriptionCounts(userId?: UserId): SubscriptionCounts;
}
