import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentEvent, FaultPoint } from '../../src/agent/index.js';
import type { SmpRelay } from '../../src/relay/index.js';
import type { Tx } from '../../src/store/index.js';
import { bytes, type Party, serversOf, text, World } from './harness.js';

const world = new World();
let relay: SmpRelay;
beforeAll(async () => {
  relay = await world.relay();
});
afterAll(() => world.close());

class Crash extends Error {}

/** The process dies at the n-th fault point; after that nothing of it gets to the database or to the layer above. */
class Bomb {
  readonly seen: FaultPoint[] = [];
  readonly #at: number;
  exploded: (() => void) | undefined;
  dead = false;

  constructor(at: number) {
    this.#at = at;
  }

  readonly faults = (point: FaultPoint): void => {
    if (this.dead) throw new Crash();
    this.seen.push(point);
    if (this.seen.length - 1 !== this.#at) return;
    this.dead = true;
    this.exploded?.();
    throw new Crash();
  };
}

/** What the layer above does with an event, in its transaction. */
type Handle = (party: Party, tx: Tx, event: AgentEvent) => Promise<void>;

/** An agent that is started again when it dies, with everything that its layer above was told, in order. */
class Survivor {
  readonly #file = world.newPath();
  readonly #handle: Handle;
  /** What was committed. */
  readonly events: AgentEvent[] = [];
  /** Of the process that runs. */
  bomb: Bomb;
  party!: Party;
  restarts = 0;
  #revived: Promise<void> = Promise.resolve();

  constructor(at: number, handle: Handle) {
    this.bomb = new Bomb(at);
    this.#handle = handle;
  }

  start(): Promise<void> {
    return this.#start(this.bomb);
  }

  async #start(bomb: Bomb): Promise<void> {
    let party: Party | undefined;
    party = await world.party(serversOf([relay]), {
      path: this.#file,
      faults: bomb.faults,
      onEvent: async (tx, event) => {
        if (bomb.dead) throw new Crash();
        const kept = event.type === 'MSG' ? { ...event, body: event.body.slice() } : event;
        tx.onCommit(() => this.events.push(kept));
        if (party !== undefined) await this.#handle(party, tx, kept);
        return undefined;
      },
    });
    const started = party;
    bomb.exploded = () => {
      this.#revived = this.#revive(started);
    };
    this.party = started;
    this.bomb = bomb;
    await started.agent.subscribeAll();
  }

  async #revive(party: Party): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 5));
    await party.close();
    this.restarts++;
    await this.#start(new Bomb(-1));
  }

  /** Repeats what the user does until it worked, over restarts. */
  async retry<T>(action: (party: Party) => Promise<T>): Promise<T> {
    for (;;) {
      await this.#revived;
      const { bomb, party } = this;
      try {
        return await action(party);
      } catch (error) {
        if (!bomb.dead) throw error;
      }
    }
  }

  async until(test: () => boolean, what: string): Promise<void> {
    for (let i = 0; i < 1000; i++) {
      if (test()) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const seen = this.events.map((e) => (e.type === 'ERR' ? JSON.stringify(e.error) : e.type)).join(', ');
    throw new Error(`${what}; events: ${seen}; points: ${this.bomb.seen.join(', ')}`);
  }

  count(type: AgentEvent['type']): number {
    return this.events.filter((e) => e.type === type).length;
  }

  texts(): string[] {
    return this.events.flatMap((e) => (e.type === 'MSG' ? [text(e.body)] : []));
  }
}

interface Outcome {
  readonly alice: Survivor;
  readonly bob: Survivor;
}

/** Connects, then ten messages each way; the agents die at the given points. */
async function flow(aliceAt: number, bobAt: number, pq: boolean): Promise<Outcome> {
  const alice = new Survivor(aliceAt, async (party, tx, event) => {
    // In the transaction of the event: it dies or lives with it.
    if (event.type === 'CONF') await party.agent.allowConnection(tx, event.connId, event.confId, bytes('a'));
  });
  const bob = new Survivor(bobAt, async () => {});
  await alice.start();
  await bob.start();
  const { connId: aliceConn, link } = await alice.retry((p) =>
    p.agent.createConnection({ userId: p.userId, mode: 'invitation', initialKeys: pq ? 'usePQ' : 'linkPQOff' }),
  );
  const url = link.connFullLink;
  const bobConn = await bob.retry((p) => p.tx((tx) => p.agent.prepareConnectionToJoin(tx, p.userId, url, pq)));
  await bob.retry((p) =>
    p.agent
      .joinConnection({ userId: p.userId, connId: bobConn, link: url, info: bytes('b'), pqSupport: pq })
      .catch((error: { json?: { type: string; cmdErr?: { type: string } } }) => {
        // The join was complete when it died.
        if (error.json?.cmdErr?.type === 'PROHIBITED') return { sndSecured: true };
        throw error;
      }),
  );
  await alice.until(() => alice.count('CON') > 0, 'alice is not connected');
  await bob.until(() => bob.count('CON') > 0, 'bob is not connected');
  for (let i = 0; i < 10; i++) {
    for (const [from, id, name] of [
      [alice, aliceConn, 'a'],
      [bob, bobConn, 'b'],
    ] as const) {
      // Sending is a transaction of the layer above: it is repeated only when it did not commit.
      await from.retry(async (p) => {
        await p.send(id, `${name}${i}`);
      });
    }
  }
  await alice.until(() => alice.texts().length >= 10, 'alice misses messages');
  await bob.until(() => bob.texts().length >= 10, 'bob misses messages');
  await alice.until(() => alice.count('SENT') >= 10, 'not all is sent');
  await bob.until(() => bob.count('SENT') >= 10, 'not all is sent');
  return { alice, bob };
}

function expectWell({ alice, bob }: Outcome): void {
  const names = (name: string): string[] => Array.from({ length: 10 }, (_, i) => `${name}${i}`);
  expect(alice.texts()).toEqual(names('b'));
  expect(bob.texts()).toEqual(names('a'));
  for (const party of [alice, bob]) {
    expect(party.count('CON')).toBe(1);
    expect(party.count('SENT')).toBe(10);
    expect(party.events.filter((e) => e.type === 'ERR' || e.type === 'RSYNC' || e.type === 'MERR')).toEqual([]);
  }
}

describe('a process that dies right before or right after a commit', () => {
  it.each([
    ['initiator', false],
    ['joiner', false],
    ['initiator', true],
  ] as const)('of the %s goes on where it was, at points of a connection and of messages; PQ %s', async (role, pq) => {
    const clean = await flow(-1, -1, pq);
    expectWell(clean);
    const points = (role === 'initiator' ? clean.alice : clean.bob).bomb.seen;
    expect(points.length).toBeGreaterThan(20);
    const last = Math.min(points.length, 30);
    // A third of them; crash-matrix.soak.ts has all, of all flows and with real processes.
    for (let at = Math.floor(Math.random() * 3); at < last; at += 3) {
      const outcome = await flow(role === 'initiator' ? at : -1, role === 'joiner' ? at : -1, pq);
      const died = role === 'initiator' ? outcome.alice : outcome.bob;
      try {
        expect(died.restarts).toBe(1);
        expectWell(outcome);
      } catch (error) {
        throw new Error(`died at ${at}, ${points[at]}: ${String(error)}`, { cause: error });
      }
      await outcome.alice.party.close();
      await outcome.bob.party.close();
    }
  });
});
