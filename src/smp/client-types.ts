import type { Clock, RandomSource } from '../core/index.js';
import { type PublicKey, sha3_384 } from '../crypto/index.js';
import type { VersionRange } from '../wire/index.js';
import type { LinkData, NotifierKeys, QueueRequest, SubscriptionMode } from './commands.js';
import type { SmpError } from './errors.js';
import type { SmpClientError } from './failures.js';
import type { IsolationKey, NetworkConfig } from './network.js';
import type { SmpServer } from './server.js';
import { idSize } from './sizes.js';
import type { AuthPrivateKey } from './transmission.js';
import type { SmpVersion } from './versions.js';

/** A message as the relay delivered it: open it with `openRcvBody`, store it, then acknowledge it. */
export interface EncryptedMessage {
  readonly msgId: Uint8Array;
  readonly encBody: Uint8Array;
}

/**
 * What a relay tells without being asked, or with an answer (20-smp.md, sections 7.2, 12.7). Ids are copies.
 *
 * - `message`: every message, whether it came by itself or as the response to SUB or ACK;
 * - `end`: another client subscribed to the queue; `deleted`; `blocked`: the operator's act;
 * - `subscribed`: the answer to a SUB that had timed out.
 */
export type SmpEvent =
  | ({ readonly type: 'message'; readonly rcvId: Uint8Array } & EncryptedMessage)
  | { readonly type: 'end' | 'deleted' | 'subscribed'; readonly rcvId: Uint8Array }
  | { readonly type: 'blocked'; readonly rcvId: Uint8Array; readonly error: SmpError }
  | {
      readonly type: 'notification';
      readonly notifierId: Uint8Array;
      readonly nonce: Uint8Array;
      readonly encMeta: Uint8Array;
    };

/** Who gets what a relay sends without being asked, and learns of the end of its connection. */
export interface SmpClientHandler {
  /**
   * Called in the order in which the relay sent. A promise means that the event is being taken in: while too many
   * are, nothing is read from the relay. It must not wait for a response of the same relay.
   */
  onEvent(event: SmpEvent): void | Promise<void>;
  /** Once: the connection is gone. All requests that waited were rejected. */
  onClose(error: SmpClientError): void;
}

/** How one connection to a relay is made. `isolation` only decides the SOCKS login (20-smp.md, section 12.3). */
export interface SmpClientOptions {
  readonly server: SmpServer;
  readonly network: NetworkConfig;
  readonly isolation: Omit<IsolationKey, 'server'>;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly handler: SmpClientHandler;
  readonly range?: VersionRange<SmpVersion>;
  /** We are a relay that forwards for others. */
  readonly proxyServer?: boolean;
}

/** How urgent a request is: it decides the time-out. `retry` counts the attempts before, for interactive ones. */
export interface RequestOptions {
  readonly mode?: 'background' | 'interactive';
  readonly retry?: number;
}

/** What NEW asks for (20-smp.md, section 6.2). The relay makes the ids, except those that link data fix. */
export interface NewQueue {
  /** The recipient's key: signs NEW and all later commands of the recipient. */
  readonly authKey: AuthPrivateKey;
  readonly dhKey: PublicKey<'x25519'>;
  readonly basicAuth?: string | undefined;
  readonly subMode: SubscriptionMode;
  readonly request: QueueRequest;
  readonly notifier?: NotifierKeys | undefined;
  /** 24 random bytes: needed with link data, where the sender id is {@link senderIdFor} of it. Never reused. */
  readonly corrId?: Uint8Array;
}

/** A queue of ours and the key that its commands are signed with. */
export interface RcvQueue {
  readonly rcvId: Uint8Array;
  readonly authKey: AuthPrivateKey;
}

/** What LKEY and LGET give. The data are encrypted; `senderId` must be that of the queue that they name. */
export interface LinkAnswer {
  readonly senderId: Uint8Array;
  readonly data: LinkData;
}

/** A destination that a proxy has a session with (PKEY): good for as long as the connection to the proxy. */
export interface ProxiedRelay {
  readonly server: SmpServer;
  readonly sessionId: Uint8Array;
  readonly version: SmpVersion;
  readonly relayKey: PublicKey<'x25519'>;
}

/** The sender id of a queue with link data: SHA3-384 of NEW's correlation id, cut to 24 bytes (section 6.2). */
export function senderIdFor(corrId: Uint8Array): Uint8Array {
  return sha3_384(corrId).slice(0, idSize);
}
