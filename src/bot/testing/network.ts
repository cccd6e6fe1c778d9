import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openLocalEngine } from '../../chat/index.js';
import { silentLogger } from '../../core/index.js';
import { createKemPool, type KemPool } from '../../crypto/index.js';
import { type SmpRelay, startSmpRelay, startXftpRelay, type XftpRelay } from '../../relay/index.js';
import { type ApiServer, startApiServer } from '../../server/index.js';
import type { LocalConnection } from '../transport/local.js';
import type { WebSocketConnection } from '../transport/websocket.js';
import { TestUser } from './user.js';

/** Options of {@link TestNetwork.start}. */
export interface TestNetworkOptions {
  /** Starts an XFTP relay too, for files. Default false. */
  readonly files?: boolean;
}

/**
 * A SimpleX network in the test's own process: a relay in memory, and any number of users. Bots use it by
 * {@link connection}; nothing leaves the machine.
 */
export class TestNetwork {
  /** The address of the SMP relay. */
  readonly smpServer: string;
  /** A folder for the files of this test, removed by {@link stop}. */
  readonly folder: string;
  readonly #smp: SmpRelay;
  readonly #xftp: XftpRelay | undefined;
  readonly #kem: KemPool;
  readonly #parts: { close(): Promise<void> }[] = [];
  #names = 0;

  private constructor(smp: SmpRelay, xftp: XftpRelay | undefined, kem: KemPool, folder: string) {
    this.#smp = smp;
    this.#xftp = xftp;
    this.#kem = kem;
    this.smpServer = smp.address;
    this.folder = folder;
  }

  /** Starts the relays. */
  static async start(options: TestNetworkOptions = {}): Promise<TestNetwork> {
    const folder = await mkdtemp(path.join(tmpdir(), 'fanion-test-'));
    const smp = await startSmpRelay({ storage: { kind: 'memory' } });
    const xftp = options.files === true ? await startXftpRelay({ prefix: path.join(folder, 'relay') }) : undefined;
    const kem = await createKemPool();
    // Keys are made while the test sets up its bot.
    kem.start();
    return new TestNetwork(smp, xftp, kem, folder);
  }

  /** How a bot uses this network: with an engine in this process, in memory unless `database` is given. */
  connection(options: Partial<LocalConnection> = {}): LocalConnection {
    return {
      database: ':memory:',
      smpServers: [this.smpServer],
      xftpServers: this.#xftp === undefined ? [] : [this.#xftp.address],
      filesFolder: this.#folder('files'),
      tempFolder: this.#folder('temp'),
      kem: this.#kem,
      ...options,
    };
  }

  /** How a bot uses this network by WebSocket: a server with an engine of its own, for one bot. */
  async webSocketConnection(options: Partial<WebSocketConnection> = {}): Promise<WebSocketConnection> {
    const server = await this.server();
    return { url: server.url, state: path.join(this.folder, `state-${++this.#names}.json`), ...options };
  }

  /** Starts a bot API server with an engine of its own. */
  async server(options: { readonly port?: number; readonly database?: string } = {}): Promise<ApiServer> {
    const { database: file, key: _key, embeddedRelay: _relay, ...connection } = this.connection();
    const database = { kind: 'sqlite', path: options.database ?? String(file) } as const;
    const local = await openLocalEngine({ ...connection, database, logger: silentLogger });
    this.#parts.push(local);
    const server = await startApiServer({ engine: local.engine, port: options.port ?? 0, hosts: ['127.0.0.1'] });
    this.#parts.push(server);
    return server;
  }

  /** A person with a chat client. */
  async user(name: string, options: Partial<LocalConnection> = {}): Promise<TestUser> {
    const user = await TestUser.open(name, this.connection(options));
    this.#parts.push(user);
    return user;
  }

  /** Ends users, servers and relays. Bots are stopped by who has started them. */
  async stop(): Promise<void> {
    for (const part of this.#parts.splice(0).reverse()) await part.close();
    await this.#xftp?.close();
    await this.#smp.close();
    await this.#kem.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #folder(name: string): string {
    return path.join(this.folder, `${name}-${++this.#names}`);
  }
}
