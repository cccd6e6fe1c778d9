import type { ApiEvent, Contact, Events, EventTag } from '../../src/api/index.js';
import type { ChatEngine } from '../../src/chat/index.js';
import { startNetwork } from '../conformance/network.js';

/** One engine as a test drives it: commands in, events out, in order. */
export class Peer {
  readonly engine: ChatEngine;
  readonly #events: ApiEvent[] = [];
  readonly #waiting: { readonly match: (e: ApiEvent) => boolean; readonly resolve: (e: ApiEvent) => void }[] = [];

  constructor(engine: ChatEngine) {
    this.engine = engine;
    engine.listen(({ event }) => {
      const i = this.#waiting.findIndex((w) => w.match(event));
      if (i >= 0) this.#waiting.splice(i, 1)[0]?.resolve(event);
      else this.#events.push(event);
    });
  }

  /** The answer to a command; fails when it is another one. */
  async ok(command: string, type: string) {
    const response = await this.engine.execute(command);
    if (response.type !== type) throw new Error(`${command}: ${JSON.stringify(response).slice(0, 500)}`);
    return response;
  }

  /** The next event of this type for which `where` holds. */
  async event<T extends EventTag>(type: T, where: (e: Events[T]) => boolean = () => true): Promise<Events[T]> {
    const match = (e: ApiEvent): boolean => e.type === type && where(e as Events[T]);
    const i = this.#events.findIndex(match);
    const found = i >= 0 ? this.#events.splice(i, 1)[0] : undefined;
    return (found ?? (await this.#wait(match, type))) as Events[T];
  }

  async #wait(match: (e: ApiEvent) => boolean, what: string): Promise<ApiEvent> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await Promise.race([
        new Promise<ApiEvent>((resolve) => this.#waiting.push({ match, resolve })),
        new Promise<ApiEvent>((_, reject) => {
          timer = setTimeout(
            () => reject(new Error(`no event ${what}; got ${this.#events.map((e) => e.type).join(', ')}`)),
            20_000,
          );
        }),
      ]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Text of the next message. */
  async text(): Promise<string> {
    const e = await this.event('newChatItems', (x) => x.chatItems[0]?.chatItem.content.type === 'rcvMsgContent');
    return e.chatItems[0]?.chatItem.meta.itemText ?? '';
  }

  /** Types of the events that nobody has waited for; they are taken. */
  take(): string[] {
    return this.#events.splice(0).map((e) => e.type);
  }
}

export interface Pair {
  readonly alice: Peer;
  readonly bob: Peer;
  /** Bob, for Alice. */
  readonly bobContact: Contact;
  /** Alice, for Bob. */
  readonly aliceContact: Contact;
  /** Sends these bytes from Bob to Alice, as they are. */
  raw(body: string | Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** Two engines in this process, connected by an invitation. */
export async function connectedPair(): Promise<Pair> {
  const network = await startNetwork(['alice', 'bob']);
  try {
    const { alice: a, bob: b } = network.engines;
    if (a === undefined || b === undefined) throw new Error('engines are missing');
    const alice = new Peer(a.engine);
    const bob = new Peer(b.engine);
    const invitation = await alice.ok('/_connect 1', 'invitation');
    if (invitation.type !== 'invitation') throw new Error('no invitation');
    await bob.ok(`/connect ${invitation.connLinkInvitation.connShortLink}`, 'sentConfirmation');
    const { contact: bobContact } = await alice.event('contactConnected');
    const { contact: aliceContact } = await bob.event('contactConnected');
    await alice.event('newChatItems', (e) => e.chatItems.length === 5);
    await bob.event('newChatItems', (e) => e.chatItems.length === 5);
    const raw = async (body: string | Uint8Array): Promise<void> => {
      const connId = Buffer.from(aliceContact.activeConn?.agentConnId ?? '', 'base64url').toString();
      const { store, agent } = bob.engine.context;
      const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
      await store.transaction((tx) =>
        agent.sendMessages(tx, [{ connId, flags: { notification: false }, body: bytes }]),
      );
    };
    alice.take();
    bob.take();
    return { alice, bob, bobContact, aliceContact, raw, close: network.close };
  } catch (error) {
    await network.close();
    throw error;
  }
}
