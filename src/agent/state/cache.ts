import type { Tx } from '../../store/index.js';
import type { ConnId } from '../types.js';
import type { Conn } from './connection.js';

/** Connections with decoded keys kept in memory. */
const maxCached = 1_000;

/**
 * Connections in use, the least recently used dropped first. They are changed in place inside transactions; what a
 * rollback undoes is forgotten and read again.
 */
export class ConnCache {
  readonly #conns = new Map<ConnId, Conn>();
  readonly #max: number;

  constructor(max = maxCached) {
    this.#max = max;
  }

  get(connId: ConnId): Conn | undefined {
    const conn = this.#conns.get(connId);
    if (conn !== undefined) {
      this.#conns.delete(connId);
      this.#conns.set(connId, conn);
    }
    return conn;
  }

  put(conn: Conn): void {
    this.#conns.set(conn.connId, conn);
    if (this.#conns.size > this.#max) {
      const oldest = this.#conns.keys().next().value;
      if (oldest !== undefined) this.#conns.delete(oldest);
    }
  }

  /** Call with every change of a cached connection: a rollback then forgets it. */
  changed(tx: Tx, connId: ConnId): void {
    tx.onRollback(() => this.#conns.delete(connId));
  }

  drop(connId: ConnId): void {
    this.#conns.delete(connId);
  }
}
