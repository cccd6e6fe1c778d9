import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ApiEvent, ApiResponse, GroupMember, GroupMemberRole } from '../../src/api/index.js';
import { type LocalEngine, openLocalEngine } from '../../src/chat/index.js';
import { silentLogger } from '../../src/core/index.js';
import { createKemPool, type KemPool } from '../../src/crypto/index.js';
import { type SmpRelay, startSmpRelay } from '../../src/relay/index.js';

/** A response or event of this type. */
export type Of<T extends ApiResponse['type'] | ApiEvent['type']> = Extract<
  ApiResponse | ApiEvent,
  { readonly type: T }
>;

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `check` says nothing; fails with what it says last. */
export async function until(check: () => Promise<string | undefined>, ms = 30_000): Promise<void> {
  const end = Date.now() + ms;
  for (;;) {
    const problem = await check();
    if (problem === undefined) return;
    if (Date.now() > end) throw new Error(problem);
    await sleep(20);
  }
}

interface Waiting {
  readonly match: (e: ApiEvent) => boolean;
  readonly resolve: (e: ApiEvent) => void;
}

/** A member of groups: commands in, events out. */
export class Actor {
  readonly name: string;
  readonly local: LocalEngine;
  /** Events since the last {@link take}. */
  #events: ApiEvent[] = [];
  #waiting: Waiting[] = [];
  readonly #contacts = new Map<string, number>();

  constructor(name: string, local: LocalEngine) {
    this.name = name;
    this.local = local;
    local.engine.listen(({ event }) => {
      this.#events.push(event);
      const i = this.#waiting.findIndex((w) => w.match(event));
      if (i >= 0) this.#waiting.splice(i, 1)[0]?.resolve(event);
    });
  }

  execute(command: string): Promise<ApiResponse> {
    return this.local.engine.execute(command);
  }

  async ok<T extends ApiResponse['type']>(command: string, type: T): Promise<Of<T>> {
    const response = await this.execute(command);
    if (response.type !== type) throw new Error(`${this.name}: ${command}: ${JSON.stringify(response).slice(0, 600)}`);
    return response as Of<T>;
  }

  /** An event of this type that comes from now on. */
  next<T extends ApiEvent['type']>(type: T, where: (e: Of<T>) => boolean = () => true, ms = 30_000): Promise<Of<T>> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((w) => w !== waiting);
        const seen = this.#events.map((e) => e.type).join(' ');
        reject(new Error(`${this.name}: no ${type}; events: ${seen}`));
      }, ms);
      const waiting: Waiting = {
        match: (e) => e.type === type && where(e as Of<T>),
        resolve: (e) => {
          clearTimeout(timer);
          resolve(e as Of<T>);
        },
      };
      this.#waiting.push(waiting);
    });
  }

  /** The events since the last call, but those about delivery. */
  take(): ApiEvent[] {
    const events = this.#events;
    this.#events = [];
    return events.filter((e) => e.type !== 'chatItemsStatusesUpdated');
  }

  rows<R>(sql: string, params: readonly (string | number)[] = []): Promise<R[]> {
    return this.local.store.read(async (tx) => (await tx.execute<R>(sql, params)).rows);
  }

  async run(sql: string, params: readonly (string | number)[] = []): Promise<void> {
    await this.local.store.transaction((tx) => tx.execute(sql, params));
  }

  knows(other: Actor, contactId: number): void {
    this.#contacts.set(other.name, contactId);
  }

  hasContact(other: Actor): boolean {
    return this.#contacts.has(other.name);
  }

  contactId(other: Actor): number {
    const id = this.#contacts.get(other.name);
    if (id === undefined) throw new Error(`${this.name} has no contact ${other.name}`);
    return id;
  }

  /** Members of the group, without the user. */
  async members(groupId: number): Promise<readonly GroupMember[]> {
    return (await this.ok(`/_members #${groupId}`, 'groupMembers')).group.members;
  }
}

/** Actors and a relay with a database, which can be started again. */
export class World {
  readonly folder: string;
  readonly #kem: KemPool;
  readonly #actors: Actor[] = [];
  #relay: SmpRelay;

  private constructor(folder: string, kem: KemPool, relay: SmpRelay) {
    this.folder = folder;
    this.#kem = kem;
    this.#relay = relay;
  }

  static async open(): Promise<World> {
    const folder = await mkdtemp(path.join(tmpdir(), 'fanion-groups-'));
    const kem = await createKemPool();
    kem.start();
    return new World(folder, kem, await World.#startRelay(folder, 0));
  }

  static #startRelay(folder: string, port: number): Promise<SmpRelay> {
    return startSmpRelay({
      storage: { kind: 'sqlite', prefix: path.join(folder, 'relay') },
      port,
      quota: 1000,
      eventDelayMs: 5,
    });
  }

  async restartRelay(downMs: number): Promise<void> {
    const { port } = this.#relay;
    await this.#relay.close();
    await sleep(downMs);
    this.#relay = await World.#startRelay(this.folder, port);
  }

  async actor(name: string): Promise<Actor> {
    const local = await openLocalEngine({
      database: { kind: 'sqlite', path: ':memory:' },
      smpServers: [this.#relay.address],
      xftpServers: [],
      network: { reconnect: { initial: 50, increaseAfter: 10_000, max: 500 }, errorMemory: 20 },
      kem: this.#kem,
      logger: silentLogger,
    });
    const actor = new Actor(name, local);
    this.#actors.push(actor);
    await local.engine.start();
    await actor.ok(`/create user ${name}`, 'activeUser');
    return actor;
  }

  actors(...names: readonly string[]): Promise<Actor[]> {
    return Promise.all(names.map((n) => this.actor(n)));
  }

  async close(): Promise<void> {
    await Promise.all(this.#actors.map((a) => a.local.close()));
    await this.#relay.close();
    await this.#kem.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Makes contacts of both. */
export async function befriend(a: Actor, b: Actor): Promise<void> {
  const { connLinkInvitation } = await a.ok('/_connect 1', 'invitation');
  const ofA = a.next('contactConnected', (e) => e.contact.profile.displayName === b.name);
  const ofB = b.next('contactConnected', (e) => e.contact.profile.displayName === a.name);
  await b.ok(`/connect ${connLinkInvitation.connFullLink}`, 'sentConfirmation');
  a.knows(b, (await ofA).contact.contactId);
  b.knows(a, (await ofB).contact.contactId);
}

/** Invites a contact; gives the group's id at the new member, who may not know the others yet. */
export async function invite(host: Actor, groupId: number, joiner: Actor, role: GroupMemberRole): Promise<number> {
  const invited = joiner.next('receivedGroupInvitation');
  await host.ok(`/_add #${groupId} ${host.contactId(joiner)} ${role}`, 'sentGroupInvitation');
  const { groupInfo } = await invited;
  const joined = joiner.next('userJoinedGroup', (e) => e.groupInfo.groupId === groupInfo.groupId);
  await joiner.ok(`/_join #${groupInfo.groupId}`, 'userAcceptedGroupSent');
  await joined;
  return groupInfo.groupId;
}

/** One group, as each member numbers it. */
export type GroupIds = ReadonlyMap<Actor, number>;

interface MemberRow {
  readonly member_id: string;
  readonly member_role: GroupMemberRole;
  readonly member_status: string;
  readonly member_category: string;
  readonly conn_status: string | null;
}

export function memberRows(actor: Actor, groupId: number): Promise<MemberRow[]> {
  return actor.rows(
    `SELECT m.member_id, m.member_role, m.member_status, m.member_category,
       (SELECT c.conn_status FROM connections c WHERE c.group_member_id = m.group_member_id
        ORDER BY c.connection_id DESC LIMIT 1) AS conn_status
     FROM group_members m WHERE m.group_id = ? ORDER BY m.group_member_id`,
    [groupId],
  );
}

const gone: ReadonlySet<string> = new Set(['removed', 'left', 'rejected', 'deleted', 'unknown']);

/**
 * Where the views of the members differ: everybody in `ids` is a member for everybody, with the same role and with a
 * connection, and nobody else is.
 */
export async function disagreement(ids: GroupIds): Promise<string | undefined> {
  const views: { readonly actor: Actor; readonly own: MemberRow; readonly rows: MemberRow[] }[] = [];
  for (const [actor, groupId] of ids) {
    const rows = await memberRows(actor, groupId);
    const own = rows.find((r) => r.member_category === 'user');
    if (own === undefined) return `${actor.name} has no membership`;
    if (own.member_status !== 'connected' && own.member_status !== 'creator') {
      return `${actor.name} is ${own.member_status}`;
    }
    views.push({ actor, own, rows });
  }
  for (const { actor, rows } of views) {
    const left = new Map(rows.filter((r) => !gone.has(r.member_status)).map((r) => [r.member_id, r]));
    for (const other of views) {
      const row = left.get(other.own.member_id);
      left.delete(other.own.member_id);
      const pair = `${actor.name} sees ${other.actor.name}`;
      if (row === undefined) return `${pair} not at all`;
      if (row.member_role !== other.own.member_role)
        return `${pair} as ${row.member_role}, not ${other.own.member_role}`;
      if (other.actor === actor) continue;
      if (row.member_status !== 'connected') return `${pair} ${row.member_status}`;
      if (row.conn_status !== 'ready') return `${pair} with a connection that is ${row.conn_status}`;
    }
    const [ghost] = left.values();
    if (ghost !== undefined) {
      return `${actor.name} sees ${left.size} members too many, one ${ghost.member_role} ${ghost.member_status}`;
    }
  }
  return undefined;
}

/** Waits until all agree. */
export function agree(ids: GroupIds, ms = 60_000): Promise<void> {
  return until(() => disagreement(ids), ms);
}

/** The protocol id of a member. */
export async function memberIdOf(actor: Actor, groupId: number): Promise<string> {
  const own = (await memberRows(actor, groupId)).find((r) => r.member_category === 'user');
  if (own === undefined) throw new Error(`${actor.name} has no membership`);
  return own.member_id;
}

/** Sends a chat message, made by hand, from one member to another. */
export async function forge(from: Actor, to: Actor, ids: GroupIds, message: unknown): Promise<void> {
  const [fromId, toId] = [ids.get(from), ids.get(to)];
  if (fromId === undefined || toId === undefined) throw new Error('not in the group');
  const memberId = await memberIdOf(to, toId);
  const [row] = await from.rows<{ agent_conn_id: string }>(
    `SELECT c.agent_conn_id FROM connections c JOIN group_members m ON m.group_member_id = c.group_member_id
     WHERE m.group_id = ? AND m.member_id = ? AND c.conn_status = 'ready' ORDER BY c.connection_id DESC LIMIT 1`,
    [fromId, memberId],
  );
  if (row === undefined) throw new Error(`${from.name} has no connection with ${to.name}`);
  const { store, agent } = from.local.engine.context;
  const body = new TextEncoder().encode(JSON.stringify(message));
  const [sent] = await store.transaction((tx) =>
    agent.sendMessages(tx, [{ connId: row.agent_conn_id, flags: { notification: false }, body }]),
  );
  if (sent === undefined || sent instanceof Error) throw sent ?? new Error('not sent');
}
