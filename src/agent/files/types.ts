import type { Clock, Logger, RandomSource } from '../../core/index.js';
import type { CryptoFile } from '../../crypto/index.js';
import type { NetworkConfig } from '../../smp/index.js';
import type { Store, Tx } from '../../store/index.js';
import type { FileDescription } from '../../xftp/index.js';
import type { AgentErrorJson } from '../errors.js';
import type { ServerCfg, ServerText, UserId } from '../types.js';

/** The agent's id of an upload or a download: 16 base64url characters. The bot API shows it encoded once more. */
export type FileId = string;

/**
 * What the file agent tells the layer above (40-xftp, section 5.10), in the transaction that stored its cause: a crash
 * repeats the work or nothing of it, so each DONE comes exactly once. Sizes are bytes of encrypted data.
 */
export type FileEvent =
  | {
      readonly type: 'SFPROG';
      readonly userId: UserId;
      readonly fileId: FileId;
      readonly sent: number;
      readonly total: number;
    }
  | {
      readonly type: 'SFDONE';
      readonly userId: UserId;
      readonly fileId: FileId;
      /** Kept by the sender, for deletion. */
      readonly senderDescription: FileDescription;
      /** One for each recipient that was asked for. */
      readonly recipientDescriptions: readonly FileDescription[];
    }
  | {
      readonly type: 'SFWARN' | 'SFERR';
      readonly userId: UserId;
      /** Absent for the deletion of what was uploaded before. */
      readonly fileId?: FileId;
      readonly error: AgentErrorJson;
    }
  | {
      readonly type: 'RFPROG';
      readonly userId: UserId;
      readonly fileId: FileId;
      readonly received: number;
      readonly total: number;
    }
  | {
      readonly type: 'RFDONE';
      readonly userId: UserId;
      readonly fileId: FileId;
      /** The target that was given to `receiveFile`: the file is there, whole. */
      readonly path: string;
      /** Bytes of content. */
      readonly contentSize: number;
    }
  | {
      readonly type: 'RFWARN' | 'RFERR';
      readonly userId: UserId;
      readonly fileId: FileId;
      readonly error: AgentErrorJson;
    };

/** The layer above. */
export interface FileHandler {
  /**
   * Runs inside the transaction that stored the cause; must not await the network, timers or other transactions. A
   * throw undoes only what the handler wrote; it is logged, and the agent goes on.
   */
  fileEvent(tx: Tx, event: FileEvent): Promise<void>;
}

/** What the file agent shares with the agent, and where it works. */
export interface FileAgentOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly handler: FileHandler;
  /** Encrypted files and chunks are kept here while they are under way. Made when it is needed. */
  readonly workFolder: string;
  /** Hosts, SOCKS, time-outs: the settings for SMP servers. */
  readonly network: NetworkConfig;
  /** Connections to one server for uploads, and for downloads. Default 3. */
  readonly lanes?: number;
}

/** An upload (40-xftp, section 5.4). */
export interface SendFileParams {
  readonly userId: UserId;
  /** An absolute path; with `cryptoArgs` a local encrypted file. Must stay until SFDONE or SFERR. */
  readonly source: CryptoFile;
  /** Descriptions to make; see {@link roundRecipients}. */
  readonly numRecipients: number;
}

/** A download (40-xftp, section 5.5). */
export interface ReceiveFileParams {
  readonly userId: UserId;
  readonly description: FileDescription;
  /**
   * Where the file goes: an absolute path in an existing folder; with `cryptoArgs` it is written encrypted. What is at
   * the path (an empty file that reserves the name) is replaced when the file is whole, links are not followed.
   */
  readonly target: CryptoFile;
  /** The user accepted to connect to all servers of the description. */
  readonly approvedRelays: boolean;
}

/** Which step of a server test failed, and how (40-xftp, section 6.5). */
export interface XftpTestFailure {
  readonly testStep:
    | 'connect'
    | 'createFile'
    | 'uploadFile'
    | 'downloadFile'
    | 'compareFile'
    | 'deleteFile'
    | 'disconnect';
  readonly testError: AgentErrorJson;
}

/**
 * Uploads, downloads and deletes files. Calls with a `tx` only write: use them in your own transactions and in event
 * handlers; work starts after the commit, and goes on after a restart.
 */
export interface FileAgent {
  /** Starts the workers: everything that is not finished goes on. */
  start(): Promise<void>;
  /** Lets nothing new start; what runs goes on. */
  suspend(): void;
  resume(): void;
  /** Stops everything; transfers are broken off and go on at the next start. The store belongs to the caller. */
  close(): Promise<void>;

  /** Servers are not stored by the agent: give them before `start` and after each change. */
  setUserServers(userId: UserId, servers: readonly ServerCfg[]): void;
  /** Connections are made again with the new settings. */
  setNetworkConfig(config: NetworkConfig): void;
  /** Where jobs that begin from now on keep their files; those under way stay where they are. */
  setWorkFolder(folder: string): void;
  /** Whether connecting does not show our IP address to this server: over a proxy, or to an onion host only. */
  isAddressProtected(server: ServerText): boolean;
  testServer(userId: UserId, server: ServerText): Promise<XftpTestFailure | undefined>;

  /** Starts an upload: SFPROG, then SFDONE or SFERR follow. */
  sendFile(tx: Tx, params: SendFileParams): Promise<FileId>;
  /** Uploads a recipient description itself (a redirect, section 4.3): the descriptions of SFDONE lead to it. */
  sendDescription(tx: Tx, userId: UserId, description: FileDescription, numRecipients: number): Promise<FileId>;
  /** Starts a download (also over a redirect): RFPROG, then RFDONE or RFERR follow. */
  receiveFile(tx: Tx, params: ReceiveFileParams): Promise<FileId>;
  /** Ends the download, if it is not complete, and forgets it. The target file is not touched. */
  deleteRcvFile(tx: Tx, fileId: FileId): Promise<void>;
  /** Ends the upload, if it is not complete, and forgets it; what was uploaded before SFDONE is removed from servers. */
  deleteSndFile(tx: Tx, fileId: FileId): Promise<void>;
  /** Removes an uploaded file from its servers, by the description that SFDONE gave to the sender. */
  deleteSndFileRemote(tx: Tx, userId: UserId, senderDescription: FileDescription): Promise<void>;
  /** Call it in the transaction that deletes the agent's user: all its transfers end. */
  deleteUserFiles(tx: Tx, userId: UserId): Promise<void>;
}

/** Recipients to upload for: 4 at least, then the next power of two, so that the servers do not learn the number. */
export function roundRecipients(n: number): number {
  return n <= 4 ? 4 : 2 ** Math.ceil(Math.log2(n));
}
