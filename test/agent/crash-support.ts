import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { AgentEvent } from '../../src/agent/index.js';
import type { Dialect } from '../../src/store/index.js';
import { bytes, type Party, serversOf, text, World } from './harness.js';

const dist = path.resolve(process.env['FANION_DIST'] ?? 'dist');

/** An event as the layer above of a child stored it: bytes as text. */
type Stored = Readonly<Record<string, unknown>> & { readonly type: AgentEvent['type'] };

class Killed extends Error {}

/** A process that runs one agent after the other (crash-child.mjs). */
class Child {
  readonly #process: ChildProcess;
  readonly #calls = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  readonly #loaded: Promise<void>;
  readonly exited: Promise<void>;
  #last = 0;
  dead = false;

  constructor() {
    this.#process = fork(path.resolve('test/agent/crash-child.mjs'), [], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    let loaded = (): void => {};
    this.#loaded = new Promise((resolve) => {
      loaded = resolve;
    });
    this.#process.on('message', (message: { id: number; result?: unknown; error?: string }) => {
      if (message.id === 0) return loaded();
      const call = this.#calls.get(message.id);
      this.#calls.delete(message.id);
      if (message.error === undefined) call?.resolve(message.result);
      else call?.reject(new Error(message.error));
    });
    this.exited = new Promise((resolve) => {
      this.#process.once('exit', () => {
        this.dead = true;
        for (const call of this.#calls.values()) call.reject(new Killed());
        this.#calls.clear();
        resolve();
      });
    });
  }

  async call(name: string, args: object, callId?: string): Promise<unknown> {
    await this.#loaded;
    if (this.dead) throw new Killed();
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#process.send({ id, name, args, callId }, (error) => {
        if (error !== null && this.#calls.delete(id)) reject(new Killed());
      });
    });
  }

  async end(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.exited;
  }
}

/** A relay in a process of its own, with its storage on the disk. */
async function spawnRelay(prefix: string, host: string): Promise<{ address: string; end: () => Promise<void> }> {
  const args = ['relay', '--port', '0', '--public-host', host, '-d', prefix, '--log-level', 'error'];
  const child = spawn(process.execPath, [path.join(dist, 'cli/main.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  const address = await new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the relay ended with ${code}`)));
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const line = /^(smp:\/\/.*)\n/m.exec(output);
      if (line?.[1] !== undefined) resolve(line[1]);
    });
  });
  return {
    address,
    async end() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
}

/** How long one step of a flow may take; a delivery is repeated after 2 s when its server was not there. */
const stepTimeout = 30_000;

/** Relays and a peer in this process, a spare process for the next agent that dies. */
export class CrashWorld {
  readonly world: World;
  readonly #dialect: Dialect;
  #relays: { address: string; end: () => Promise<void> }[] = [];
  readonly #spare: Child[] = [];
  #files = 0;
  peer!: Party;
  servers!: ReturnType<typeof serversOf>;

  constructor(dialect: Dialect = 'sqlite') {
    this.#dialect = dialect;
    this.world = new World(dialect);
  }

  async start(): Promise<void> {
    // Servers are told apart by their hosts.
    this.#relays = await Promise.all(
      ['127.0.0.1', 'localhost'].map((host, i) => spawnRelay(path.join(this.world.directory, `relay${i}`), host)),
    );
    this.servers = serversOf(this.#relays.map((r) => r.address));
    this.#spare.push(new Child());
    this.peer = await this.world.party(this.servers, {
      onEvent: async (tx, event) => {
        if (event.type === 'CONF') {
          await this.peer.agent.allowConnection(tx, event.connId, event.confId, bytes('allowed'));
        }
        return event.type === 'MSG' ? { receipt: true } : undefined;
      },
    });
  }

  /** A process with everything loaded; the next one loads meanwhile. */
  take(): Child {
    const child = this.#spare.pop() ?? new Child();
    if (this.#spare.length === 0) this.#spare.push(new Child());
    return child;
  }

  /** A process that has nothing open any more. */
  give(child: Child): void {
    this.#spare.push(child);
  }

  place(): { file: string; url: string | undefined } {
    const name = `crash_${process.pid}_${this.#files++}`;
    if (this.#dialect === 'sqlite') return { file: path.join(this.world.directory, name), url: undefined };
    return { file: name, url: process.env['FANION_TEST_POSTGRES'] };
  }

  async close(): Promise<void> {
    for (const child of this.#spare) await child.end();
    await this.world.close();
    for (const relay of this.#relays) await relay.end();
  }
}

/** An agent that is started again, in another process, when it died; calls are repeated until one is answered. */
class Victim {
  readonly #crash: CrashWorld;
  readonly #place: { file: string; url: string | undefined };
  #child: Child;
  #calls = 0;
  restarts = 0;

  private constructor(crash: CrashWorld, child: Child) {
    this.#crash = crash;
    this.#child = child;
    this.#place = crash.place();
  }

  static async start(crash: CrashWorld, child = crash.take()): Promise<Victim> {
    const victim = new Victim(crash, child);
    await victim.#open();
    return victim;
  }

  #open(): Promise<unknown> {
    return this.#child.call('open', { ...this.#place, servers: this.#crash.servers });
  }

  async call(name: string, args: object = {}): Promise<unknown> {
    const callId = String(this.#calls++);
    for (;;) {
      const child = this.#child;
      try {
        return await child.call(name, args, callId);
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
        await child.exited;
        if (this.#child !== child) continue;
        this.#child = this.#crash.take();
        this.restarts++;
        await this.#open();
      }
    }
  }

  async #limited(name: string, args: object): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${name} ${JSON.stringify(args)} did not come`)), stepTimeout);
    });
    try {
      return await Promise.race([this.call(name, args), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits for the n-th event that has these fields; also over a restart. */
  async wait(match: Partial<Stored>, count = 1): Promise<Stored> {
    const found = (await this.#limited('wait', { match, count })) as readonly Stored[];
    const event = found[count - 1];
    if (event === undefined) throw new Error('no event');
    return event;
  }

  async text(name: string, args: object = {}): Promise<string> {
    const result = await this.#limited(name, args);
    if (typeof result !== 'string') throw new Error(`${name}: ${JSON.stringify(result)}`);
    return result;
  }

  async events(): Promise<readonly Stored[]> {
    return (await this.call('events')) as readonly Stored[];
  }

  /** The process that runs, with nothing open: for the next victim. */
  async close(): Promise<Child> {
    await this.call('close');
    return this.#child;
  }

  end(): Promise<void> {
    return this.#child.end();
  }
}

/** Two connected parties of a flow: ids of the same connection on both sides. */
interface Ends {
  readonly victim: string;
  readonly peer: string;
}

interface Stage {
  readonly victim: Victim;
  readonly peer: Party;
  /** Texts, in order. */
  readonly sent: { readonly victim: string[]; readonly peer: string[] };
}

/**
 * A flow with one step after the other. `connect` makes the connection and `act` goes on with it; the process dies
 * somewhere in `act`, or in `connect` when there is no other part.
 */
export interface Scenario {
  readonly name: string;
  readonly connect: (stage: Stage) => Promise<Ends>;
  readonly act?: (stage: Stage, ends: Ends) => Promise<void>;
  /** The ratchet is made anew. */
  readonly resync?: boolean;
}

type Keys = 'usePQ' | 'linkPQOn' | 'linkPQOff';
const keysOf = (pq: boolean): Keys => (pq ? 'usePQ' : 'linkPQOff');

/** The victim makes the invitation. */
const asInitiator =
  (pq: boolean, change: (link: string) => string = (l) => l) =>
  async ({ victim, peer }: Stage): Promise<Ends> => {
    const created = (await victim.call('create', { mode: 'invitation', initialKeys: keysOf(pq) })) as {
      connId: string;
      link: { connFullLink: string };
    };
    return { victim: created.connId, peer: await joinAsPeer(peer, change(created.link.connFullLink), pq) };
  };

const asInitiatorAsync = async ({ victim, peer }: Stage): Promise<Ends> => {
  const connId = await victim.text('createAsync', { initialKeys: 'linkPQOff' });
  const { link } = (await victim.wait({ type: 'INV', connId })) as Stored & { link: { connFullLink: string } };
  return { victim: connId, peer: await joinAsPeer(peer, link.connFullLink, false) };
};

async function joinAsPeer(peer: Party, link: string, pqSupport: boolean): Promise<string> {
  const { userId } = peer;
  const connId = await peer.tx((tx) => peer.agent.prepareConnectionToJoin(tx, userId, link, pqSupport));
  await peer.agent.joinConnection({ userId, connId, link, info: bytes('joined'), pqSupport });
  return connId;
}

async function inviteAsPeer(
  { peer }: Stage,
  pq: boolean,
  mode: 'invitation' | 'contact' = 'invitation',
): Promise<{ connId: string; link: string }> {
  const initialKeys = mode === 'contact' ? 'linkPQOff' : keysOf(pq);
  const { connId, link } = await peer.agent.createConnection({ userId: peer.userId, mode, initialKeys });
  return { connId, link: link.connFullLink };
}

/** The victim joins the invitation of the peer. */
const asJoiner =
  (pq: boolean, change: (link: string) => string = (l) => l) =>
  async (stage: Stage): Promise<Ends> => {
    const { victim } = stage;
    const made = await inviteAsPeer(stage, pq);
    const link = change(made.link);
    const connId = await victim.text('prepare', { link, pq });
    await victim.call('join', { connId, link, pq });
    return { victim: connId, peer: made.connId };
  };

const asJoinerAsync = async (stage: Stage): Promise<Ends> => {
  const { link, connId } = await inviteAsPeer(stage, false);
  return { victim: await stage.victim.text('joinAsync', { link, pq: false }), peer: connId };
};

/** The victim reads a short link, which secures the queue, and joins what is behind it. */
const asShortLinkJoiner = async ({ victim, peer }: Stage): Promise<Ends> => {
  const { connId, link } = await peer.agent.createConnection({
    userId: peer.userId,
    mode: 'invitation',
    initialKeys: 'linkPQOn',
    userLinkData: bytes('{}'),
  });
  const data = (await victim.call('readLink', { link: link.connShortLink })) as { link: string };
  const joined = await victim.text('prepare', { link: data.link, pq: true });
  await victim.call('join', { connId: joined, link: data.link, pq: true });
  return { victim: joined, peer: connId };
};

/** The victim has an address, the peer asks. */
const asOwner =
  (pq: boolean, isAsync = false) =>
  async ({ victim, peer }: Stage): Promise<Ends> => {
    const address = (await victim.call('create', {
      mode: 'contact',
      initialKeys: 'linkPQOff',
      ...(pq ? { userLinkData: '{}' } : {}),
    })) as { connId: string; link: { connFullLink: string } };
    const asked = await joinAsPeer(peer, address.link.connFullLink, pq);
    const { invId } = await victim.wait({ type: 'REQ', connId: address.connId });
    if (isAsync) return { victim: await victim.text('acceptAsync', { invId, pq }), peer: asked };
    const connId = await victim.text('prepareAccept', { invId, pq });
    await victim.call('accept', { connId, invId, pq });
    return { victim: connId, peer: asked };
  };

/** The victim asks, the peer accepts the first request of those that may come. */
const asRequester =
  (pq: boolean, isAsync = false) =>
  async (stage: Stage): Promise<Ends> => {
    const { victim, peer } = stage;
    const address = await inviteAsPeer(stage, pq, 'contact');
    const { link } = address;
    const connId = await victim.text(isAsync ? 'joinAsync' : 'prepare', { link, pq });
    const joined = isAsync ? victim.wait({ type: 'JOINED', connId }) : victim.call('join', { connId, link, pq });
    const [{ invId }] = await Promise.all([peer.next('REQ', (e) => e.connId === address.connId, stepTimeout), joined]);
    const { userId } = peer;
    const accepted = await peer.tx((tx) => peer.agent.prepareConnectionToAccept(tx, userId, invId, pq));
    await peer.agent.acceptContact({ userId, connId: accepted, invId, info: bytes('accepted'), pqSupport: pq });
    return { victim: connId, peer: accepted };
  };

/** The queue of the link cannot be secured by its sender: the older handshake (30-agent.md, section 6.3). */
const withoutMode = (link: string): string => link.replace('%26q%3Dm%26k%3Ds', '');

const count = 4;

async function victimSends({ victim, sent }: Stage, ends: Ends, tag = 'tail'): Promise<void> {
  for (let i = 0; i < count; i++) {
    sent.victim.push(`${tag} ${i}`);
    await victim.call('send', { connId: ends.victim, text: `${tag} ${i}` });
  }
}

async function peerSends({ peer, sent }: Stage, ends: Ends, tag = 'tail'): Promise<void> {
  for (let i = 0; i < count; i++) {
    sent.peer.push(`${tag} ${i}`);
    await peer.send(ends.peer, `${tag} ${i}`);
  }
}

const peerEvents = (peer: Party, connId: string): AgentEvent[] =>
  peer.recorder.events.filter((e) => 'connId' in e && e.connId === connId);

/** The victim moves its receive queue, while messages come. */
const rotates =
  (isAsync: boolean) =>
  async (stage: Stage, ends: Ends): Promise<void> => {
    const { victim, peer } = stage;
    await victim.call(isAsync ? 'switchAsync' : 'switch', { connId: ends.victim });
    await peerSends(stage, ends, 'during');
    await victim.wait({ type: 'SWITCH', connId: ends.victim, direction: 'rcv', phase: 'completed' });
    await peer.next(
      'SWITCH',
      (e) => e.connId === ends.peer && e.direction === 'snd' && e.phase === 'completed',
      stepTimeout,
    );
  };

/** The peer moves its receive queue, while the victim sends. */
async function followsRotation(stage: Stage, ends: Ends): Promise<void> {
  const { victim, peer } = stage;
  await peer.agent.switchConnection(ends.peer);
  await victimSends(stage, ends, 'during');
  await victim.wait({ type: 'SWITCH', connId: ends.victim, direction: 'snd', phase: 'completed' });
  await peer.next(
    'SWITCH',
    (e) => e.connId === ends.peer && e.direction === 'rcv' && e.phase === 'completed',
    stepTimeout,
  );
}

const synchronizes =
  (by: 'victim' | 'peer', pq: boolean) =>
  async ({ victim, peer }: Stage, ends: Ends): Promise<void> => {
    const synced = peer.next('RSYNC', (e) => e.connId === ends.peer && e.state === 'ok', stepTimeout);
    if (by === 'victim') await victim.call('synchronize', { connId: ends.victim, pq });
    else await peer.tx((tx) => peer.agent.synchronizeRatchet(tx, ends.peer, pq, true));
    await victim.wait({ type: 'RSYNC', connId: ends.victim, state: 'ok' });
    await synced;
  };

async function sends(stage: Stage, ends: Ends): Promise<void> {
  await victimSends(stage, ends, 'sent');
  await settled(stage, ends);
}

async function receives(stage: Stage, ends: Ends): Promise<void> {
  await peerSends(stage, ends, 'sent');
  await settled(stage, ends);
}

/** Both ways at once: the ratchets turn, receipts go against the stream. */
async function talks(stage: Stage, ends: Ends): Promise<void> {
  await Promise.all([victimSends(stage, ends, 'both'), peerSends(stage, ends, 'both')]);
  await settled(stage, ends);
}

export const scenarios: readonly Scenario[] = [
  { name: 'initiator', connect: asInitiator(false) },
  { name: 'initiator, PQ', connect: asInitiator(true) },
  { name: 'initiator, slow handshake', connect: asInitiator(false, withoutMode) },
  { name: 'initiator, asynchronous', connect: asInitiatorAsync },
  { name: 'joiner', connect: asJoiner(false) },
  { name: 'joiner, PQ', connect: asJoiner(true) },
  { name: 'joiner, slow handshake', connect: asJoiner(false, withoutMode) },
  { name: 'joiner, asynchronous', connect: asJoinerAsync },
  { name: 'joiner of a short link, PQ', connect: asShortLinkJoiner },
  { name: 'address owner', connect: asOwner(false) },
  { name: 'address owner, PQ', connect: asOwner(true) },
  { name: 'address owner, asynchronous', connect: asOwner(false, true) },
  { name: 'requester', connect: asRequester(false) },
  { name: 'requester, PQ', connect: asRequester(true) },
  { name: 'requester, asynchronous', connect: asRequester(false, true) },
  { name: 'sending', connect: asInitiator(false), act: sends },
  { name: 'receiving', connect: asInitiator(false), act: receives },
  { name: 'talking, PQ', connect: asJoiner(true), act: talks },
  { name: 'rotation, recipient', connect: asInitiator(false), act: rotates(false) },
  { name: 'rotation, recipient, asynchronous', connect: asJoiner(true), act: rotates(true) },
  { name: 'rotation, sender', connect: asInitiator(false), act: followsRotation },
  {
    name: 're-synchronisation, started',
    connect: asInitiator(false),
    act: synchronizes('victim', false),
    resync: true,
  },
  { name: 're-synchronisation, answered', connect: asInitiator(true), act: synchronizes('peer', true), resync: true },
];

export interface Outcome {
  /** Points that the process passed in the part under test; when it died, those of its last life. */
  readonly points: readonly string[];
  readonly restarts: number;
}

/**
 * One cell of the matrix: the flow of `scenario`, with the process killed at point `at`; undefined kills nothing.
 * Throws what was not as it must be: connected once, every message once and in order, nothing reported as failed.
 */
export async function runCell(crash: CrashWorld, scenario: Scenario, at?: number): Promise<Outcome> {
  const victim = await Victim.start(crash);
  const { peer } = crash;
  const stage: Stage = { victim, peer, sent: { victim: [], peer: [] } };
  const { act } = scenario;
  try {
    if (act === undefined) await victim.call('arm', { at });
    const ends = await scenario.connect(stage);
    await victim.wait({ type: 'CON', connId: ends.victim });
    await peer.next('CON', (e) => e.connId === ends.peer, stepTimeout);
    if (act !== undefined) {
      await victim.call('arm', { at });
      await act(stage, ends);
    }
    const points = (await victim.call('points')) as readonly string[];
    await peerSends(stage, ends);
    await victimSends(stage, ends);
    await settled(stage, ends);
    await check(stage, ends, scenario);
    crash.give(await victim.close());
    return { points, restarts: victim.restarts };
  } catch (error) {
    await victim.end();
    throw error;
  }
}

const sentCount = (events: readonly { type: string }[]): number => events.filter((e) => e.type === 'SENT').length;

/** Ids of messages with a receipt, as often as it came. */
const receipts = (events: readonly { type: string; receipts?: unknown }[]): number[] =>
  events.flatMap((e) => (e.type === 'RCVD' ? (e.receipts as { agentMsgId: number }[]).map((r) => r.agentMsgId) : []));

/** Everything that was sent arrived, is known to be sent, and has its receipt, on both sides. */
async function settled({ victim, peer, sent }: Stage, ends: Ends): Promise<void> {
  const until = Date.now() + stepTimeout;
  for (;;) {
    const events = (await victim.events()).filter((e) => e['connId'] === ends.victim);
    const others = peerEvents(peer, ends.peer);
    const missing = [
      ...sent.victim.filter((t) => !peerTexts(others).includes(t)).map((t) => `at the peer: ${t}`),
      ...sent.peer.filter((t) => !victimTexts(events).includes(t)).map((t) => `at the victim: ${t}`),
      ...(sentCount(events) < sent.victim.length ? ['SENT of the victim'] : []),
      ...(sentCount(others) < sent.peer.length ? ['SENT of the peer'] : []),
      ...(receipts(events).length < sent.victim.length ? ['receipts of the victim'] : []),
      ...(receipts(others).length < sent.peer.length ? ['receipts of the peer'] : []),
    ];
    if (missing.length === 0) return;
    if (Date.now() > until) {
      const types = (list: readonly { type: string }[]): string => list.map((e) => e.type).join(' ');
      throw new Error(`missing: ${missing.join(', ')}; victim: ${types(events)}; peer: ${types(others)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const peerTexts = (events: readonly AgentEvent[]): string[] =>
  events.flatMap((e) => (e.type === 'MSG' ? [text(e.body)] : []));
const victimTexts = (events: readonly Stored[]): string[] =>
  events.flatMap((e) => (e.type === 'MSG' ? [String(e['body'])] : []));

/** During a rotation two queues deliver side by side: the order is that of each. */
function inOrder(list: readonly string[]): string {
  const during = list.filter((t) => t.startsWith('during')).toSorted();
  return [...during, ...list.filter((t) => !t.startsWith('during'))].join(', ');
}

const failures: readonly string[] = ['ERR', 'ERRS', 'MERR', 'MERRS', 'MWARN'];

async function check({ victim, peer, sent }: Stage, ends: Ends, { resync }: Scenario): Promise<void> {
  const all = await victim.events();
  const events = all.filter((e) => e['connId'] === ends.victim);
  const others = peerEvents(peer, ends.peer);
  const problems: string[] = [];
  const expectSame = (what: string, got: readonly string[], want: readonly string[]): void => {
    if (inOrder(got) !== inOrder(want)) problems.push(`${what}: ${got.join(', ')}; sent: ${want.join(', ')}`);
  };
  expectSame('the victim got', victimTexts(events), sent.peer);
  expectSame('the peer got', peerTexts(others), sent.victim);
  const bad = (type: string): boolean => failures.includes(type) || (type === 'RSYNC' && resync !== true);
  for (const e of all) if (bad(e.type)) problems.push(`victim: ${JSON.stringify(e)}`);
  for (const e of others) if (bad(e.type)) problems.push(`peer: ${JSON.stringify(e)}`);
  for (const [name, list] of [
    ['victim', events],
    ['peer', others],
  ] as const) {
    const cons = list.filter((e) => e.type === 'CON').length;
    if (cons !== 1) problems.push(`the ${name} was connected ${cons} times`);
    const ids = receipts(list);
    if (new Set(ids).size !== ids.length) problems.push(`the ${name} got receipts twice: ${ids.join(', ')}`);
    const sentIds = list.flatMap((e) => (e.type === 'SENT' && 'msgId' in e ? [e['msgId']] : []));
    if (new Set(sentIds).size !== sentIds.length) problems.push(`the ${name} sent twice: ${sentIds.join(', ')}`);
  }
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

export interface Cell {
  readonly scenario: Scenario;
  readonly at: number;
}

/** Runs cells, two at a time; gives those that failed. */
export async function runCells(
  crash: CrashWorld,
  cells: readonly Cell[],
): Promise<{ killed: number; failed: string[] }> {
  const left = [...cells];
  const failed: string[] = [];
  let killed = 0;
  const lane = async (): Promise<void> => {
    for (let cell = left.shift(); cell !== undefined; cell = left.shift()) {
      const { scenario, at } = cell;
      try {
        const { restarts } = await runCell(crash, scenario, at);
        killed += restarts;
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        failed.push(`${scenario.name}, killed at point ${at}: ${text}`);
      }
    }
  };
  await Promise.all([lane(), lane()]);
  return { killed, failed };
}
