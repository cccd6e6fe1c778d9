import net from 'node:net';
import path from 'node:path';
import { startSmpRelay } from '../../src/relay/index.js';
import type { Party } from './harness.js';
import { connect, type Pair, serversOf, type World } from './harness.js';

/** A TCP proxy in front of a relay: delays what passes, and cuts connections when it is told to. */
export class Cutter {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #delay: () => number;

  private constructor(server: net.Server, delay: () => number) {
    this.#server = server;
    this.#delay = delay;
  }

  /** Listens on a port of its own; `address` of the relay becomes {@link addressOf} it. */
  static async start(targetPort: () => number, delay: () => number = () => 0): Promise<Cutter> {
    const server = net.createServer();
    const cutter = new Cutter(server, delay);
    server.on('connection', (socket) => cutter.#join(socket, targetPort()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return cutter;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  addressOf(relayAddress: string): string {
    return relayAddress.replace(/:\d+$/, `:${this.port}`);
  }

  #join(client: net.Socket, port: number): void {
    const upstream = net.connect(port, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(from);
      // What comes later waits for what is delayed: the order of bytes stays.
      let last = Promise.resolve();
      from.on('data', (data) => {
        const ms = this.#delay();
        last = last.then(async () => {
          if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
          if (to.writable) to.write(data);
        });
      });
      from.on('error', () => {});
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }

  /** Cuts each connection with this probability. */
  cut(probability: number): void {
    for (const socket of this.#sockets) if (Math.random() < probability) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut(1);
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** Messages on their way at a time: more than the relay's queues hold. */
const maxBacklog = 4_000;
/** Milliseconds without any message: shorter than the wait of a sender whose recipient's queue is full. */
const maxPause = 60_000;

export interface ChaosOptions {
  readonly pairs: number;
  /** How long messages are sent while connections are cut, in ms. */
  readonly duration: number;
  readonly delay?: () => number;
  /** Restarts the relay in the middle. */
  readonly restart?: () => Promise<void>;
}

/** Traffic both ways between pairs while the network fails. Gives what went wrong: an empty list is good. */
export async function chaos(
  world: World,
  relayAddress: string,
  relayPort: () => number,
  options: ChaosOptions,
): Promise<{ problems: string[]; messages: number }> {
  const cutter = await Cutter.start(relayPort, options.delay);
  const servers = serversOf([cutter.addressOf(relayAddress)]);
  const alice = await world.party(servers);
  const bob = await world.party(servers);
  const pairs: Pair[] = [];
  for (let i = 0; i < options.pairs; i++) pairs.push(await connect(alice, bob, i % 2 === 1));
  const received = new Map<string, number[]>();
  const total = (): number => [...received.values()].reduce((n, list) => n + list.length, 0);
  for (const party of [alice, bob]) {
    party.recorder.onEvent = async (tx, event) => {
      if (event.type === 'MSG') {
        const n = Number(Buffer.from(event.body).toString());
        tx.onCommit(() => received.set(event.connId, [...(received.get(event.connId) ?? []), n]));
      }
      return undefined;
    };
  }
  /** Waits for that, as long as messages come. */
  const waitUntil = async (reached: () => boolean): Promise<void> => {
    let [last, since] = [total(), Date.now()];
    while (!reached() && Date.now() - since < maxPause) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (total() !== last) [last, since] = [total(), Date.now()];
    }
  };
  let sent = 0;
  const until = Date.now() + options.duration;
  const restart = Date.now() + options.duration / 2;
  let restarted = options.restart === undefined;
  while (Date.now() < until) {
    await waitUntil(() => sent * pairs.length * 2 - total() < maxBacklog);
    for (const { aliceConn, bobConn } of pairs) {
      await alice.send(aliceConn, String(sent));
      await bob.send(bobConn, String(sent));
    }
    sent++;
    if (sent % 5 === 0) cutter.cut(0.3);
    if (!restarted && Date.now() > restart) {
      restarted = true;
      await options.restart?.();
    }
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  const expected = sent * pairs.length * 2;
  await waitUntil(() => total() === expected);
  const problems: string[] = [];
  const order = Array.from({ length: sent }, (_, i) => i);
  const check = (party: Party, connId: string): void => {
    const got = received.get(connId) ?? [];
    if (got.length !== sent || got.some((n, i) => n !== order[i])) {
      const missing = order.filter((n) => !got.includes(n));
      problems.push(`${got.length} of ${sent} messages, missing ${missing.slice(0, 5).join(',')}`);
    }
    for (const e of party.recorder.events) {
      if (['MERR', 'MERRS', 'RSYNC', 'ERR'].includes(e.type)) problems.push(JSON.stringify(e));
    }
  };
  for (const { aliceConn, bobConn } of pairs) {
    check(alice, aliceConn);
    check(bob, bobConn);
  }
  await alice.close();
  await bob.close();
  await cutter.close();
  return { problems: [...new Set(problems)], messages: expected };
}

/** {@link chaos} on a durable relay that is down for `pause` ms in the middle. It is closed also when that fails. */
export async function chaosWithRestart(
  world: World,
  options: Omit<ChaosOptions, 'restart'> & { readonly pause: number },
): Promise<{ problems: string[]; messages: number }> {
  const storage = { kind: 'sqlite', prefix: path.join(world.directory, 'chaos') } as const;
  let relay = await startSmpRelay({ storage });
  const { port } = relay;
  const restart = async (): Promise<void> => {
    await relay.close();
    await new Promise((resolve) => setTimeout(resolve, options.pause));
    relay = await startSmpRelay({ storage, port });
  };
  try {
    return await chaos(world, relay.address, () => port, { ...options, restart });
  } finally {
    await relay.close();
  }
}
