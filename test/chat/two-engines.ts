import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ApiEvent, ApiResponse, Contact } from '../../src/api/index.js';
import { type LocalEngine, openLocalEngine } from '../../src/chat/index.js';
import { silentLogger } from '../../src/core/index.js';
import { type EmbeddedRelays, startEmbeddedRelays } from '../../src/relay/index.js';

/** A response or event of this type. */
export type Of<T extends ApiResponse['type'] | ApiEvent['type']> = Extract<
  ApiResponse | ApiEvent,
  { readonly type: T }
>;

/** One engine with the events that nobody has waited for yet. */
export class Party {
  readonly local: LocalEngine;
  readonly #events: ApiEvent[] = [];
  readonly #waiting: { readonly type: string; readonly resolve: (e: ApiEvent) => void }[] = [];

  constructor(local: LocalEngine) {
    this.local = local;
    local.engine.listen(({ event }) => {
      const i = this.#waiting.findIndex((w) => w.type === event.type);
      const [waiting] = i < 0 ? [] : this.#waiting.splice(i, 1);
      if (waiting === undefined) this.#events.push(event);
      else waiting.resolve(event);
    });
  }

  /** Runs a command whose response must be of this type. */
  async ok<T extends ApiResponse['type']>(command: string, type: T): Promise<Of<T>> {
    const response = await this.local.engine.execute(command);
    if (response.type !== type) throw new Error(`${command}: ${JSON.stringify(response)}`);
    return response as Of<T>;
  }

  /** The next event of this type; those of other types stay for later. */
  async event<T extends ApiEvent['type']>(type: T): Promise<Of<T>> {
    const i = this.#events.findIndex((e) => e.type === type);
    const [event] = i < 0 ? [] : this.#events.splice(i, 1);
    return (event ?? (await new Promise<ApiEvent>((resolve) => this.#waiting.push({ type, resolve })))) as Of<T>;
  }

  /** Types of the events that came and that nobody waited for, but those about delivery. */
  pending(): string[] {
    return this.#events.map((e) => e.type).filter((t) => t !== 'chatItemsStatusesUpdated');
  }

  /** Forgets events that came while parties connected. */
  forget(): void {
    this.#events.length = 0;
  }
}

/** Alice and Bob, connected, on relays of their own. */
export interface Pair {
  readonly alice: Party;
  readonly bob: Party;
  /** Alice's contact Bob, and Bob's contact Alice. */
  readonly ab: Contact;
  readonly ba: Contact;
  close(): Promise<void>;
}

export async function connectedPair(): Promise<Pair> {
  const folder = await mkdtemp(path.join(tmpdir(), 'fanion-pair-'));
  const relays: EmbeddedRelays = await startEmbeddedRelays(path.join(folder, 'relay'), silentLogger);
  const open = async (name: string): Promise<Party> => {
    const local = await openLocalEngine({
      database: { kind: 'sqlite', path: path.join(folder, `${name}.db`) },
      smpServers: [relays.smp.address],
      xftpServers: [relays.xftp.address],
      logger: silentLogger,
    });
    await local.engine.start();
    const party = new Party(local);
    await party.ok(`/create user ${name}`, 'activeUser');
    return party;
  };
  const alice = await open('alice');
  const bob = await open('bob');
  const { connLinkInvitation } = await alice.ok('/_connect 1', 'invitation');
  await bob.ok(`/connect ${connLinkInvitation.connFullLink}`, 'sentConfirmation');
  const { contact: ab } = await alice.event('contactConnected');
  const { contact: ba } = await bob.event('contactConnected');
  // The items of a new contact come after the event.
  for (const party of [alice, bob]) for (let i = 0; i < 3; i++) await party.event('newChatItems');
  alice.forget();
  bob.forget();
  return {
    alice,
    bob,
    ab,
    ba,
    close: async () => {
      await alice.local.close();
      await bob.local.close();
      await relays.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
