import type { Clock, RandomSource, Timer } from '../../core/index.js';
import { type NetworkConfig, parseServer } from '../../smp/index.js';
import { networkError, XftpClient, XftpClientError } from '../../xftp/index.js';
import type { UserId } from '../types.js';
import { routeTo } from './network.js';

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
  #network: NetworkConfig;
  readonly #sessionTime: string;
  readonly #sessions = new Map<string, Session>();
  #closed = false;

  constructor(clock: Clock, random: RandomSource, network: NetworkConfig) {
    this.#clock = clock;
    this.#random = random;
    this.#network = network;
    this.#sessionTime = String(clock.now());
  }

  get network(): NetworkConfig {
    return this.#network;
  }

  /** Connections made before are closed: they are not what was asked for. */
  setNetwork(network: NetworkConfig): void {
    this.#network = network;
    this.#closeAll();
  }

  /**
   * Runs `request` on the connection. After an error of the connection it is closed, so that the next request opens
   * another one.
   */
  async use<T>(userId: UserId, server: string, lane: string, request: (client: XftpClient) => Promise<T>): Promise<T> {
    const key = `${userId} ${lane} ${server}`;
    const session = this.#session(key, userId, server);
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

  #session(key: string, userId: UserId, server: string): Session {
    const known = this.#sessions.get(key);
    if (known !== undefined) {
      const failed = known.failedAt;
      if (failed === undefined || this.#clock.monotonic() - failed < this.#network.errorMemory) return known;
      this.#drop(key, known);
    }
    const session: Session = { client: this.connect(userId, server), users: 0, failedAt: undefined, idle: undefined };
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
  async connect(userId: UserId, server: string): Promise<XftpClient> {
    if (this.#closed) throw networkError('the agent is closed');
    const address = parseServer(server, 'xftp');
    const client = await XftpClient.connect(address, {
      clock: this.#clock,
      random: this.#random,
      connectTimeout: this.#network.connectTimeout.background,
      responseTimeout: this.#network.commandTimeout.background,
      timeoutPerKb: this.#network.timeoutPerKb,
      ...routeTo(userId, address, this.#network, this.#sessionTime),
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
