import path from 'node:path';
import { type ApiMessage, Client, connectContacts, receivedTexts, type Serve, sleep, Workshop } from './support.js';

export interface CrashResult {
  /** Messages whose `newChatItems` response came. */
  readonly answered: number;
  readonly received: number;
  readonly events: number;
  /** What must not be: empty when the engine keeps its promises. */
  readonly violations: readonly string[];
}

/** Messages that one side has in work at the same time. */
const window = 4;

/** One bot with its process, which dies and comes back, and its client, which comes back with `?since=`. */
class Side {
  readonly name: string;
  serve: Serve | undefined;
  client: Client | undefined;
  contact = 0;
  /** Number of the next message. */
  next = 0;
  /** Numbers of messages whose response came, and of those sent without one. */
  readonly answered = new Set<number>();
  readonly unanswered = new Set<number>();
  /** Numbers from the other side, as its events told them. */
  readonly received: number[] = [];
  events = 0;
  #since = 0;
  readonly #seen = new Map<number, string>();
  readonly #violations: string[];

  constructor(name: string, violations: string[]) {
    this.name = name;
    this.#violations = violations;
  }

  async connect(url: string): Promise<Client> {
    const onEvent = (message: ApiMessage): void => this.#event(message);
    const client = await Client.connect(url, { query: `?since=${this.#since}`, onEvent });
    this.client = client;
    return client;
  }

  #event(message: ApiMessage): void {
    const { seq, resp } = message;
    if (seq === undefined) return;
    this.events++;
    if (resp.type === 'eventsLost') this.#violations.push(`${this.name}: events are lost: ${JSON.stringify(resp)}`);
    if (seq !== this.#since + 1) this.#violations.push(`${this.name}: event ${seq} after ${this.#since}`);
    const json = JSON.stringify(resp);
    if (this.#seen.has(seq)) this.#violations.push(`${this.name}: event ${seq} comes twice`);
    this.#seen.set(seq, json);
    this.#since = seq;
    for (const text of receivedTexts(resp)) this.received.push(Number(text.trim()));
  }

  /** Sends until the connection ends. */
  async load(): Promise<void> {
    const { client } = this;
    if (client === undefined) return;
    const sending = async (): Promise<void> => {
      while (client.ws.readyState === client.ws.OPEN) {
        const n = this.next++;
        const text = `${n}`.padEnd(n % 10 === 0 ? 12_000 : 40);
        const messages = [{ msgContent: { type: 'text', text } }];
        const resp = await client.try(`/_send @${this.contact} json ${JSON.stringify(messages)}`);
        if (resp === undefined) this.unanswered.add(n);
        else if (resp.type === 'newChatItems') this.answered.add(n);
        else {
          this.#violations.push(`${this.name}: not sent: ${JSON.stringify(resp).slice(0, 300)}`);
          this.unanswered.add(n);
          await sleep(50);
        }
      }
    };
    await Promise.all(Array.from({ length: window }, sending));
  }
}

/**
 * Two `fanion serve` with messages in both directions over a relay in a third process. In each round one side, the
 * relay or both sides are killed with SIGKILL at a random moment and started again. At the end all that was answered
 * must have come, once and in order, and each client must have had every event once.
 */
export async function crashRounds(rounds: number, random: () => number = Math.random): Promise<CrashResult> {
  const workshop = new Workshop();
  const violations: string[] = [];
  try {
    const folder = workshop.folder();
    const relayArgs = (port: number): string[] => [
      '--port',
      `${port}`,
      '-d',
      path.join(folder, 'relay'),
      '--quota',
      '2000',
    ];
    let relay = await workshop.relay(relayArgs(0));
    const { port, address } = relay;
    const sides = [new Side('alice', violations), new Side('bob', violations)] as const;
    const start = async (side: Side): Promise<void> => {
      const args = ['-d', path.join(folder, side.name), '-s', address, '--create-bot-display-name', side.name];
      side.serve = await workshop.serve(args);
      await side.connect(side.serve.url);
    };
    await Promise.all(sides.map(start));
    const [alice, bob] = sides;
    if (alice.client === undefined || bob.client === undefined) throw new Error('no clients');
    const contacts = await connectContacts(alice.client, bob.client);
    alice.contact = contacts.a;
    bob.contact = contacts.b;

    for (let round = 0; round < rounds; round++) {
      const loads = sides.map((side) => side.load());
      await sleep(200 + random() * 1200);
      const victims = round % 5 === 4 ? sides : [sides[round % 2 === 0 ? 0 : 1]];
      if (round % 4 === 3) await relay.program.kill();
      await Promise.all(victims.map((side) => side.serve?.program.kill()));
      if (round % 4 === 3) relay = await workshop.relay(relayArgs(port));
      await Promise.all(victims.map(start));
      // The side that lives goes on with its load; it ends its part of the round here.
      for (const side of sides) {
        if (!victims.includes(side) && side.serve !== undefined) {
          side.client?.close();
          await side.client?.closed;
          await side.connect(side.serve.url);
        }
      }
      await Promise.all(loads);
    }
    await settle(sides);
    check(alice, bob, violations);
    check(bob, alice, violations);
    for (const side of sides) {
      const status = await side.serve?.program.stop();
      if (status?.code !== 0) violations.push(`${side.name} stops with ${status?.code}`);
    }
    return {
      answered: alice.answered.size + bob.answered.size,
      received: alice.received.length + bob.received.length,
      events: alice.events + bob.events,
      violations: [...new Set(violations)].slice(0, 20),
    };
  } finally {
    await workshop.clean();
  }
}

/** Waits until all that was answered has come, or nothing new comes for a while. */
async function settle([a, b]: readonly [Side, Side]): Promise<void> {
  let last = -1;
  let quiet = 0;
  while (quiet < 15_000) {
    const missing = (from: Side, to: Side): boolean => {
      const got = new Set(to.received);
      return [...from.answered].some((n) => !got.has(n));
    };
    if (!missing(a, b) && !missing(b, a)) {
      // What comes twice comes now.
      await sleep(1_000);
      return;
    }
    const now = a.received.length + b.received.length;
    quiet = now === last ? quiet + 100 : 0;
    last = now;
    await sleep(100);
  }
}

function check(from: Side, to: Side, violations: string[]): void {
  const got = new Set(to.received);
  const lost = [...from.answered].filter((n) => !got.has(n));
  if (lost.length > 0)
    violations.push(`${from.name}: ${lost.length} of ${from.answered.size} lost: ${lost.slice(0, 20)}`);
  if (got.size !== to.received.length) {
    const twice = to.received.filter((n, i) => to.received.indexOf(n) !== i);
    violations.push(`${from.name}: come twice: ${twice.slice(0, 20)}`);
  }
  // A command whose connection ended may run beside those of the next connection: answered ones keep their order.
  let before = -1;
  for (const n of to.received) {
    if (!from.answered.has(n)) {
      if (!from.unanswered.has(n)) violations.push(`${from.name}: ${n} was never sent`);
      continue;
    }
    if (before > n) violations.push(`${from.name}: ${n} comes after ${before}`);
    before = n;
  }
}
