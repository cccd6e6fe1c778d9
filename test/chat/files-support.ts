import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ApiEvent, ApiResponse, CIFile } from '../../src/api/index.js';
import { eventProblems, responseProblems } from '../../src/api/testing-support/validate.js';
import { type LocalEngine, type LocalEngineOptions, openLocalEngine } from '../../src/chat/index.js';
import { silentLogger } from '../../src/core/index.js';
import { type EmbeddedRelays, startEmbeddedRelays, startXftpRelay, type XftpRelay } from '../../src/relay/index.js';

/** With this variable the parties' databases are schemas of PostgreSQL. */
const postgresUrl = process.env.FANION_TEST_POSTGRES;

type Typed<T extends { readonly type: string }, K extends T['type']> = Extract<T, { readonly type: K }>;

/** An engine with one user, and what it told. It can be closed and opened again on the same database. */
export class Party {
  readonly name: string;
  readonly folder: string;
  readonly filesFolder: string;
  readonly tempFolder: string;
  /** Since the beginning, over restarts. */
  readonly events: ApiEvent[] = [];
  /** What in events and responses is not as the API describes it. */
  readonly problems: string[] = [];
  readonly #options: Partial<LocalEngineOptions>;
  readonly #waiting = new Set<() => void>();
  #local: LocalEngine | undefined;

  constructor(name: string, folder: string, options: Partial<LocalEngineOptions>) {
    this.name = name;
    this.folder = folder;
    this.filesFolder = path.join(folder, `${name}-files`);
    this.tempFolder = path.join(folder, `${name}-work`);
    this.#options = options;
  }

  get local(): LocalEngine {
    if (this.#local === undefined) throw new Error(`${this.name} is closed`);
    return this.#local;
  }

  get context() {
    return this.local.engine.context;
  }

  #database(): LocalEngineOptions['database'] {
    if (postgresUrl === undefined) return { kind: 'sqlite', path: path.join(this.folder, `${this.name}.db`) };
    const schema = `${path.basename(this.folder)}_${this.name}`.replaceAll('-', '_').toLowerCase();
    return { kind: 'postgres', url: postgresUrl, schema };
  }

  async open(): Promise<void> {
    this.#local = await openLocalEngine({
      database: this.#database(),
      filesFolder: this.filesFolder,
      tempFolder: this.tempFolder,
      logger: silentLogger,
      ...this.#options,
    });
    const { engine } = this.#local;
    engine.listen(({ event, json }) => {
      this.problems.push(...eventProblems(JSON.parse(json)));
      this.events.push(event);
      for (const check of [...this.#waiting]) check();
    });
    await engine.start();
    if (engine.context.users.active() === undefined) await this.ok(`/create bot files=on ${this.name}`, 'activeUser');
  }

  async close(): Promise<void> {
    const local = this.#local;
    this.#local = undefined;
    await local?.close();
  }

  async restart(): Promise<void> {
    await this.close();
    await this.open();
  }

  async cmd(command: string): Promise<ApiResponse> {
    const response = await this.local.engine.execute(command);
    this.problems.push(...responseProblems(JSON.parse(JSON.stringify(response))));
    return response;
  }

  async ok<K extends ApiResponse['type']>(command: string, type: K): Promise<Typed<ApiResponse, K>> {
    const response = await this.cmd(command);
    if (response.type !== type) throw new Error(`${this.name}: ${command}: ${JSON.stringify(response)}`);
    return response as Typed<ApiResponse, K>;
  }

  /** The first event of this type for which `where` holds, also one that was before, from the position `from`. */
  async event<K extends ApiEvent['type']>(
    type: K,
    where: (event: Typed<ApiEvent, K>) => boolean = () => true,
    from = 0,
  ): Promise<Typed<ApiEvent, K>> {
    const find = () =>
      this.events.slice(from).find((e) => e.type === type && where(e as Typed<ApiEvent, K>)) as
        | Typed<ApiEvent, K>
        | undefined;
    const now = find();
    if (now !== undefined) return now;
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const found = find();
        if (found === undefined) return;
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve(found);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        const seen = this.events
          .slice(from)
          .map((e) => JSON.stringify(e).slice(0, e.type.startsWith('chatErr') ? 400 : 60));
        reject(new Error(`${this.name}: no event ${type}; there were\n${seen.join('\n')}`));
      }, 30_000);
      this.#waiting.add(check);
    });
  }

  /** Types of events about one file, in their order; progress only once in a row. */
  fileEvents(fileId: number): string[] {
    const types = this.events.filter((e) => JSON.stringify(e).includes(`"fileId":${fileId},`)).map((e) => e.type);
    return types.filter((t, i) => t !== types[i - 1] && t !== 'chatItemsStatusesUpdated');
  }
}

/** Relays and parties in one folder, which goes at the end. */
export class FileNetwork {
  readonly folder: string;
  readonly #closing: (() => Promise<void> | void)[] = [];
  readonly #parties: Party[] = [];
  #relays: EmbeddedRelays | undefined;

  constructor() {
    this.folder = mkdtempSync(path.join(tmpdir(), 'fanion-files-'));
    this.#closing.push(() => rmSync(this.folder, { recursive: true, force: true }));
  }

  get relays(): EmbeddedRelays {
    if (this.#relays === undefined) throw new Error('no relays');
    return this.#relays;
  }

  async start(): Promise<void> {
    const relays = await startEmbeddedRelays(path.join(this.folder, 'relay'), silentLogger);
    this.#relays = relays;
    this.#closing.push(() => relays.close());
  }

  async otherXftpRelay(): Promise<XftpRelay> {
    const relay = await startXftpRelay({ port: 0, prefix: path.join(this.folder, 'other'), log: silentLogger });
    this.#closing.push(() => relay.close());
    return relay;
  }

  async party(name: string, options: Partial<LocalEngineOptions> = {}): Promise<Party> {
    const party = new Party(name, this.folder, {
      smpServers: [this.relays.smp.address],
      xftpServers: [this.relays.xftp.address],
      ...options,
    });
    mkdirSync(party.filesFolder, { recursive: true });
    this.#closing.push(() => party.close());
    this.#parties.push(party);
    await party.open();
    return party;
  }

  /** A file of this many bytes outside of all parties' folders. */
  file(name: string, size: number): string {
    const folder = path.join(this.folder, 'sources');
    mkdirSync(folder, { recursive: true });
    const file = path.join(folder, name);
    const bytes = Buffer.alloc(size);
    for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 8)) & 255;
    writeFileSync(file, bytes);
    return file;
  }

  /** Ends everything. Throws when a party has said something that the API does not describe. */
  async close(): Promise<void> {
    for (const close of this.#closing.reverse()) await close();
    this.#closing.length = 0;
    const problems = new Set(this.#parties.flatMap((p) => p.problems));
    if (problems.size > 0) throw new Error(`not as the API describes it:\n${[...problems].join('\n')}`);
  }
}

/** Contacts of each other: `[id of bob at alice, id of alice at bob]`. */
export async function connect(alice: Party, bob: Party): Promise<readonly [number, number]> {
  const [fromAlice, fromBob] = [alice.events.length, bob.events.length];
  const invitation = await alice.ok('/_connect 1', 'invitation');
  const { connShortLink, connFullLink } = invitation.connLinkInvitation;
  await bob.ok(`/connect ${connShortLink ?? connFullLink}`, 'sentConfirmation');
  const atAlice = await alice.event('contactConnected', undefined, fromAlice);
  const atBob = await bob.event('contactConnected', undefined, fromBob);
  return [atAlice.contact.contactId, atBob.contact.contactId];
}

/** Sends a file; the file of the sent item. */
export async function sendFile(from: Party, chat: string, filePath: string, text = ''): Promise<CIFile> {
  const message = [{ fileSource: { filePath }, msgContent: { type: 'file', text }, mentions: {} }];
  const sent = await from.ok(`/_send ${chat} json ${JSON.stringify(message)}`, 'newChatItems');
  const file = sent.chatItems[0]?.chatItem.file;
  if (file === undefined) throw new Error('the item has no file');
  return file;
}

/** The file of the next received item, from the position `from` of the events. */
export async function receivedInvitation(to: Party, from = 0): Promise<CIFile> {
  const event = await to.event(
    'newChatItems',
    (e) => e.chatItems.some((c) => c.chatItem.file?.fileStatus.type.startsWith('rcv') === true),
    from,
  );
  const file = event.chatItems[0]?.chatItem.file;
  if (file === undefined) throw new Error('the item has no file');
  return file;
}

export const digest = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
