import type { Clock, RandomSource, Timer } from '../../core/index.js';
import { parseServer } from '../../smp/index.js';
import { XftpClient, XftpClientError } from '../../xftp/index.js';
import type { UserId } from '../types.js';
import type { FileNetworkConfig } from './types.js';

/** A failed connection attempt is the answer to others for this long (40-xftp, section 1.5). */
const failureMemory = 3_000;
/** A connection that nobody uses is closed after this time. */
const idleTime = 30_000;

interface Session {
  readonly client: Promise<XftpClient>;
  users: number;
  failedAt: number | undefined;
  idle: Timer | undefined;
}

/**
 * Connections to XFTP servers: one for each user, server and lane, as servers take one upload at a time from each
 * connection. Opened on demand, closed when idle or broken.
 */
export class XftpSessions {
  readonly #clock: Clock;
  readonly #random: RandomSource;
  #network: FileNetworkConfig;
  readonly #sessions = new Map<string, Session>();
  #closed = false;

  constructor(clock: Clock, random: RandomSource, network: FileNetworkConfig) {
    this.#clock = clock;
    this.#random = random;
    this.#network = network;
  }

  get network(): FileNetworkConfig {
    return this.#network;
  }

  /** Connections made before are closed: they are not what was asked for. */
  setNetwork(network: FileNetworkConfig): void {
    this.#network = network;
    this.#closeAll();
  }

  /**
   * Runs `request` on the connection. After an error of the connection it is closed, so that the next request opens
   * another one.
   */
  async use<T>(userId: UserId, server: string, lane: string, request: (client: XftpClient) => Promise<T>): Promise<T> {
    const key = `${userId} ${lane} ${server}`;
    const session = this.#session(key, server);
    session.users++;
    session.idle?.cancel();
    try {
      const client = await session.client;
      try {
        return await request(client);
      } catch (e) {
        if (isConnectionFailure(e)) client.close();
        throw e;
      }
    } finally {
      session.users--;
      if (session.users === 0 && this.#sessions.get(key) === session) {
        session.idle = this.#clock.after(idleTime, () => this.#drop(key, session), { unref: true });
      }
    }
  }

  #session(key: string, server: string): Session {
    const known = this.#sessions.get(key);
    if (known !== undefined) {
      const failed = known.failedAt;
      if (failed === undefined || this.#clock.monotonic() - failed < failureMemory) return known;
      this.#drop(key, known);
    }
    const session: Session = { client: this.connect(server), users: 0, failedAt: undefined, idle: undefined };
    this.#sessions.set(key, session);
    session.client.then(
      (client) => client.onClose(() => this.#drop(key, session)),
      () => {
        session.failedAt = this.#clock.monotonic();
      },
    );
    return session;
  }

  /** A connection that nobody else uses. */
  async connect(server: string): Promise<XftpClient> {
    const address = parseServer(server, 'xftp');
    const { chooseHost, dial, connectTimeout } = this.#network;
    const host = chooseHost === undefined ? address.hosts[0] : chooseHost(address);
    if (this.#closed || host === undefined) {
      throw new XftpClientError({ type: 'BROKER', brokerErr: { type: this.#closed ? 'NETWORK' : 'HOST' } });
    }
    const client = await XftpClient.connect(address, {
      clock: this.#clock,
      random: this.#random,
      host,
      ...(dial === undefined ? {} : { dial }),
      ...(connectTimeout === undefined ? {} : { connectTimeout }),
    });
    if (this.#closed) client.close();
    return client;
  }

  #drop(key: string, session: Session): void {
    session.idle?.cancel();
    if (this.#sessions.get(key) === session) this.#sessions.delete(key);
    session.client.then(
      (client) => client.close(),
      () => {},
    );
  }

  #closeAll(): void {
    for (const [key, session] of [...this.#sessions]) this.#drop(key, session);
  }

  /** Closes all connections, and makes no more. */
  close(): void {
    this.#closed = true;
    this.#closeAll();
  }
}

function isConnectionFailure(e: unknown): boolean {
  return e instanceof XftpClientError && e.failure.type === 'BROKER';
}
