import { type BoxKey, boxKey, dh, type PrivateKey, type PublicKey } from '../../crypto/index.js';
import type { SmpMessage, SmpVersion } from '../../smp/index.js';

/** A subscription of one connection to one queue. At most one message is out at a time (section 11.4). */
export interface Subscription {
  /** The recipient id as a map key: a string is a third of a byte array, and there is one for each idle queue. */
  readonly queue: string;
  readonly peer: Peer;
  /** `sub` gets messages pushed, `get` asks for each. */
  readonly kind: 'sub' | 'get';
  /** Id of the message that is out and not acknowledged. */
  delivered: Uint8Array | undefined;
}

/** A connected client after the handshake, as the commands see it. */
export interface Peer {
  readonly version: SmpVersion;
  readonly sessionId: Uint8Array;
  /** The relay's session key of this connection. */
  readonly sessionKey: PrivateKey<'x25519'>;
  /** The client's session key, if it sent one. */
  readonly clientKey: PublicKey<'x25519'> | undefined;
  /** By recipient id. */
  readonly subscriptions: Map<string, Subscription>;
  /** Notifier ids. */
  readonly notifiers: Set<string>;
  /** Recipient ids of deliveries that wait for room in the connection's buffer. */
  readonly deferred: Set<string>;
  /** The buffer towards this client is full. */
  readonly isFull: boolean;
  readonly isClosed: boolean;
  /**
   * Queues a transmission; it leaves when all changes made so far are durable. `quick` answers wait only until the
   * changes are written.
   */
  send(corrId: Uint8Array, entityId: Uint8Array, message: SmpMessage, quick?: boolean): void;
}

const forwardKeys = new WeakMap<Peer, BoxKey>();

/** The secret between a proxy and this relay: of their two session keys. */
export function forwardKey(peer: Peer): BoxKey | undefined {
  if (peer.clientKey === undefined) return undefined;
  let key = forwardKeys.get(peer);
  if (key === undefined) {
    key = boxKey(dh(peer.clientKey, peer.sessionKey));
    forwardKeys.set(peer, key);
  }
  return key;
}
