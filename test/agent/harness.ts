import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type Agent,
  type AgentEvent,
  type AgentHandler,
  type AgentNetworkConfig,
  agentMigrations,
  type ConnId,
  type EventResult,
  type FaultPoint,
  openAgent,
  type UserServers,
} from '../../src/agent/index.js';
import { type Clock, type Logger, silentLogger, systemClock, systemRandom } from '../../src/core/index.js';
import { createKemPool, type KemPool } from '../../src/crypto/index.js';
import { type SmpRelay, startSmpRelay } from '../../src/relay/index.js';
import { networkConfig } from '../../src/smp/index.js';
import { type Dialect, openPostgresStore, openSqliteStore, type Store, type Tx } from '../../src/store/index.js';

export type EventOf<T extends AgentEvent['type']> = Extract<AgentEvent, { type: T }>;

/** An event that lasts: bodies are copied out of the agent's buffers. */
function keep(event: AgentEvent): AgentEvent {
  return event.type === 'MSG' ? { ...event, body: event.body.slice() } : event;
}

interface Waiter {
  readonly test: (event: AgentEvent) => boolean;
  readonly resolve: (event: AgentEvent) => void;
}

/** The layer above an agent: writes down what it is told (only what was committed) and answers as configured. */
export class Recorder implements AgentHandler {
  /** Everything that was committed, in order. */
  readonly events: AgentEvent[] = [];
  readonly failures: { event: AgentEvent; error: unknown }[] = [];
  /** Called inside the transaction. */
  onEvent: ((tx: Tx, event: AgentEvent) => Promise<EventResult | undefined>) | undefined;
  #unread: AgentEvent[] = [];
  #waiters: Waiter[] = [];

  async event(tx: Tx, event: AgentEvent): Promise<EventResult | undefined> {
    const kept = keep(event);
    tx.onCommit(() => this.#committed(kept));
    return this.onEvent?.(tx, event);
  }

  async handlerFailed(_tx: Tx, event: AgentEvent, error: unknown): Promise<void> {
    this.failures.push({ event: keep(event), error });
  }

  #committed(event: AgentEvent): void {
    this.events.push(event);
    const waiter = this.#waiters.findIndex((w) => w.test(event));
    if (waiter >= 0) this.#waiters.splice(waiter, 1)[0]?.resolve(event);
    else this.#unread.push(event);
  }

  /** The next event of a type that was not taken yet. */
  next<T extends AgentEvent['type']>(
    type: T,
    test: (event: EventOf<T>) => boolean = () => true,
    timeout = 20_000,
  ): Promise<EventOf<T>> {
    const matches = (e: AgentEvent): boolean => e.type === type && test(e as EventOf<T>);
    const found = this.#unread.findIndex(matches);
    if (found >= 0) return Promise.resolve(this.#unread.splice(found, 1)[0] as EventOf<T>);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((w) => w !== waiter);
        const seen = this.events.map((e) => (e.type === 'ERR' ? `ERR ${JSON.stringify(e.error)}` : e.type));
        reject(new Error(`no ${type} came; events: ${seen.slice(-40).join(', ')}`));
      }, timeout);
      const waiter: Waiter = {
        test: matches,
        resolve: (e) => {
          clearTimeout(timer);
          resolve(e as EventOf<T>);
        },
      };
      this.#waiters.push(waiter);
    });
  }

  /** How many events of a type came. */
  count(type: AgentEvent['type']): number {
    return this.events.filter((e) => e.type === type).length;
  }
}

export interface PartyOptions {
  readonly network?: AgentNetworkConfig;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly faults?: (point: FaultPoint) => void;
  readonly path?: string;
  /** Instead of a store of its own. */
  readonly store?: Store;
  /** The handler from the first event on. */
  readonly onEvent?: Recorder['onEvent'];
}

/** An agent with one user, its store and its recorder. */
export class Party {
  readonly agent: Agent;
  readonly store: Store;
  readonly recorder: Recorder;
  readonly userId: number;

  constructor(agent: Agent, store: Store, recorder: Recorder, userId: number) {
    this.agent = agent;
    this.store = store;
    this.recorder = recorder;
    this.userId = userId;
  }

  next: Recorder['next'] = (type, test, timeout) => this.recorder.next(type, test, timeout);

  /** A transaction of the layer above. */
  tx<T>(fn: (tx: Tx) => Promise<T>): Promise<T> {
    return this.store.transaction(fn);
  }

  /** Sends a text; the local message id. */
  async send(connId: ConnId, text: string, pqEncryption?: boolean): Promise<number> {
    const [result] = await this.tx((tx) =>
      this.agent.sendMessages(tx, [
        {
          connId,
          body: Buffer.from(text),
          flags: { notification: true },
          ...(pqEncryption === undefined ? {} : { pqEncryption }),
        },
      ]),
    );
    if (result === undefined || result instanceof Error) throw result ?? new Error('no result');
    return result.msgId;
  }

  async nextText(connId: ConnId): Promise<string> {
    const event = await this.next('MSG', (e) => e.connId === connId);
    return Buffer.from(event.body).toString();
  }

  async close(): Promise<void> {
    await this.agent.close();
    await this.store.close();
  }
}

export function serversOf(relays: readonly (SmpRelay | string)[], proxies = relays): UserServers {
  const address = (r: SmpRelay | string): string => (typeof r === 'string' ? r : r.address);
  return {
    smp: [...new Set([...relays, ...proxies])].map((r) => ({
      server: address(r),
      enabled: true,
      roles: { storage: relays.includes(r), proxy: proxies.includes(r) },
    })),
    xftp: [],
  };
}

export const bytes = (text: string): Uint8Array => Buffer.from(text);
export const text = (b: Uint8Array): string => Buffer.from(b).toString();

const postgresUrl = process.env.FANION_TEST_POSTGRES;

/** The databases that flows are tested on: PostgreSQL where there is a server (scripts/with-postgres.sh). */
export const dialects: readonly Dialect[] = postgresUrl === undefined ? ['sqlite'] : ['sqlite', 'postgres'];

/** Relays and agents of one test file. */
export class World {
  readonly #dialect: Dialect;
  readonly directory = mkdtempSync(path.join(tmpdir(), 'fanion-agent-'));
  readonly #relays: SmpRelay[] = [];
  readonly #parties: Party[] = [];
  #kem: Promise<KemPool> | undefined;
  #files = 0;

  constructor(dialect: Dialect = 'sqlite') {
    this.#dialect = dialect;
  }

  async relay(options: Partial<Parameters<typeof startSmpRelay>[0]> = {}): Promise<SmpRelay> {
    const relay = await startSmpRelay({ storage: { kind: 'memory' }, eventDelayMs: 5, ...options });
    this.#relays.push(relay);
    return relay;
  }

  newPath(): string {
    return path.join(this.directory, `${this.#files++}.db`);
  }

  async party(servers: UserServers, options: PartyOptions = {}): Promise<Party> {
    this.#kem ??= createKemPool();
    const clock = options.clock ?? systemClock;
    const logger = options.logger ?? silentLogger;
    const store = options.store ?? (await this.#open(options.path ?? this.newPath(), clock, logger));
    const recorder = new Recorder();
    recorder.onEvent = options.onEvent;
    const known = await store.read((tx) => tx.db.selectFrom('agent_users').select('id').execute());
    const agent = await openAgent({
      store,
      clock,
      random: systemRandom,
      logger,
      handler: recorder,
      smp: networkConfig({ reconnect: { initial: 50, increaseAfter: 10_000, max: 500 }, errorMemory: 20 }),
      users: new Map(known.map(({ id }) => [id, servers])),
      kem: await this.#kem,
      ...(options.network === undefined ? {} : { network: options.network }),
      ...(options.faults === undefined ? {} : { faults: options.faults }),
    });
    const userId = known[0]?.id ?? (await store.transaction((tx) => agent.createUser(tx, servers)));
    await agent.start();
    const party = new Party(agent, store, recorder, userId);
    this.#parties.push(party);
    return party;
  }

  /** On PostgreSQL the path names the schema. */
  #open(file: string, clock: Clock, logger: Logger): Promise<Store> {
    const url = postgresUrl;
    if (url === undefined || this.#dialect === 'sqlite') {
      return openSqliteStore({ path: file, migrations: agentMigrations, clock, logger });
    }
    const schema = `agent_${path.basename(this.directory).replace(/\W/g, '_')}_${path.basename(file, '.db')}`;
    return openPostgresStore({ url, schema: schema.toLowerCase(), migrations: agentMigrations, clock, logger });
  }

  async close(): Promise<void> {
    for (const party of this.#parties) await party.close();
    for (const relay of this.#relays) await relay.close();
    await (await this.#kem)?.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export interface Pair {
  readonly alice: Party;
  readonly bob: Party;
  readonly aliceConn: ConnId;
  readonly bobConn: ConnId;
}

/** Connects two parties by a one-time invitation of `alice`; both are connected when it resolves. */
export async function connect(
  alice: Party,
  bob: Party,
  pq = false,
  changeLink: (link: string) => string = (l) => l,
): Promise<Pair> {
  const { connId: aliceConn, link } = await alice.agent.createConnection({
    userId: alice.userId,
    mode: 'invitation',
    initialKeys: pq ? 'linkPQOn' : 'linkPQOff',
  });
  const url = changeLink(link.connFullLink);
  const bobConn = await bob.tx((tx) => bob.agent.prepareConnectionToJoin(tx, bob.userId, url, pq));
  await bob.agent.joinConnection({
    userId: bob.userId,
    connId: bobConn,
    link: url,
    info: bytes('bob info'),
    pqSupport: pq,
  });
  const conf = await alice.next('CONF', (e) => e.connId === aliceConn);
  await alice.tx((tx) => alice.agent.allowConnection(tx, aliceConn, conf.confId, bytes('alice info')));
  await Promise.all([alice.next('CON', (e) => e.connId === aliceConn), bob.next('CON', (e) => e.connId === bobConn)]);
  return { alice, bob, aliceConn, bobConn };
}
