import { systemClock, systemRandom } from '../../src/core/index.js';
import { type AuthAlgorithm, boxKey, dh, generateKeyPair, type KeyPair, publicKeyOf } from '../../src/crypto/index.js';
import {
  type AuthPrivateKey,
  type EncryptedMessage,
  type NetworkConfig,
  networkConfig,
  openRcvBody,
  parseServerWithAuth,
  type QueueIds,
  type QueueRequest,
  type RcvBody,
  SmpClient,
  SmpClientError,
  type SmpClientOptions,
  type SmpEvent,
  type SmpFailure,
  type SmpServer,
  type SubscriptionMode,
} from '../../src/smp/index.js';
import { utf8Bytes } from '../../src/wire/index.js';

/** Waits for things that come one after the other, in order. */
export class Inbox<T> {
  readonly all: T[] = [];
  readonly #waiting: { accept: (item: T) => boolean; resolve: (item: T) => void }[] = [];
  readonly #items: T[] = [];

  push(item: T): void {
    this.all.push(item);
    const at = this.#waiting.findIndex((w) => w.accept(item));
    const [waiter] = at < 0 ? [] : this.#waiting.splice(at, 1);
    if (waiter === undefined) this.#items.push(item);
    else waiter.resolve(item);
  }

  /** The first item that was not taken yet and is accepted, when it comes. */
  next(accept: (item: T) => boolean = () => true, ms = 20_000): Promise<T> {
    const at = this.#items.findIndex(accept);
    const [item] = at < 0 ? [] : this.#items.splice(at, 1);
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('nothing came')), ms);
      this.#waiting.push({
        accept,
        resolve: (value) => {
          clearTimeout(timer);
          resolve(value);
        },
      });
    });
  }

  get waitingItems(): number {
    return this.#items.length;
  }
}

export interface TestClient {
  readonly client: SmpClient;
  readonly events: Inbox<SmpEvent>;
  readonly closed: Inbox<SmpClientError>;
}

export const testNetwork: NetworkConfig = networkConfig({
  connectTimeout: { background: 20_000, interactive: 20_000 },
  commandTimeout: { background: 20_000, interactive: 20_000 },
});

const open = new Set<SmpClient>();

/** Closes all clients that tests left open. */
export function closeClients(): void {
  for (const client of open) client.close();
  open.clear();
}

export async function connect(
  address: string | SmpServer,
  changes: Partial<SmpClientOptions> & { readonly network?: NetworkConfig } = {},
): Promise<TestClient> {
  const events = new Inbox<SmpEvent>();
  const closed = new Inbox<SmpClientError>();
  const client = await SmpClient.connect({
    server: typeof address === 'string' ? parseServerWithAuth(address, 'smp').server : address,
    network: testNetwork,
    isolation: { userId: 1, entity: undefined, sessionTime: 'test' },
    clock: systemClock,
    random: systemRandom,
    handler: { onEvent: (e) => events.push(e), onClose: (e) => closed.push(e) },
    ...changes,
  });
  open.add(client);
  return { client, events, closed };
}

export interface TestQueue {
  readonly rcvId: Uint8Array;
  readonly sndId: Uint8Array;
  readonly authKey: AuthPrivateKey;
  readonly keys: KeyPair<AuthAlgorithm>;
  readonly ids: QueueIds;
  open(m: EncryptedMessage): RcvBody;
}

export async function createQueue(
  client: SmpClient,
  options: {
    request?: QueueRequest;
    basicAuth?: string;
    corrId?: Uint8Array;
    alg?: AuthAlgorithm;
    subMode?: SubscriptionMode;
  } = {},
): Promise<TestQueue> {
  const keys = generateKeyPair(options.alg ?? 'ed25519');
  const dhKeys = generateKeyPair('x25519');
  const ids = await client.createQueue({
    authKey: keys.privateKey,
    dhKey: dhKeys.publicKey,
    subMode: options.subMode ?? 'subscribe',
    basicAuth: options.basicAuth,
    request: options.request ?? { mode: 'messaging' },
    ...(options.corrId === undefined ? {} : { corrId: options.corrId }),
  });
  const secret = boxKey(dh(ids.relayDhKey, dhKeys.privateKey));
  return {
    rcvId: ids.rcvId,
    sndId: ids.sndId,
    authKey: keys.privateKey,
    keys,
    ids,
    open: (m) => openRcvBody(secret, m.msgId, m.encBody),
  };
}

/** The text of the next message of a queue, and the message itself. */
export async function nextMessage(
  events: Inbox<SmpEvent>,
  queue: TestQueue,
): Promise<{ readonly text: string; readonly msgId: Uint8Array }> {
  const e = await events.next((x) => x.type === 'message' && Buffer.compare(x.rcvId, queue.rcvId) === 0);
  if (e.type !== 'message') throw new Error('not a message');
  const body = queue.open(e);
  return { text: body.kind === 'quota' ? 'QUOTA' : Buffer.from(body.body).toString(), msgId: e.msgId };
}

export const noFlags = { notification: false };
export const text = (s: string): Uint8Array => utf8Bytes(s);
export const senderKey = (): AuthPrivateKey => generateKeyPair('ed25519').privateKey;
export { publicKeyOf };

/** The failure of a promise that must reject with one of the client's errors. */
export async function failure(p: Promise<unknown>): Promise<SmpFailure> {
  try {
    await p;
  } catch (e) {
    if (e instanceof SmpClientError) return e.failure;
    throw e;
  }
  throw new Error('did not fail');
}

/** As {@link failure}: the error that the relay answered, as text like `CMD PROHIBITED`. */
export async function relayError(p: Promise<unknown>): Promise<string> {
  const f = await failure(p);
  if (f.type !== 'protocol') throw new Error(`not an answer: ${f.type}`);
  return f.error.type === 'CMD' ? `CMD ${f.error.cmdErr.type}` : f.error.type;
}
