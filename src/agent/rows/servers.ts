import { parseHosts, type SmpServer } from '../../smp/index.js';
import { prepare, type Tx } from '../../store/index.js';
import { hex } from '../../wire/index.js';
import { internalError } from '../errors.js';

const byAddress = prepare<{ hosts: string; port: string; keyHash: Uint8Array }, { id: number }>((db, p) =>
  db
    .selectFrom('agent_servers')
    .select('id')
    .where('hosts', '=', p('hosts'))
    .where('port', '=', p('port'))
    .where('key_hash', '=', p('keyHash')),
);

const byId = prepare<{ id: number }, { hosts: string; port: string; key_hash: Uint8Array }>((db, p) =>
  db.selectFrom('agent_servers').select(['hosts', 'port', 'key_hash']).where('id', '=', p('id')),
);

/** A server as a map key: hosts, port and fingerprint. */
export function serverKey(server: SmpServer): string {
  return `${server.hosts.join(',')}:${server.port}@${hex(server.keyHash)}`;
}

/** The servers that queues are on. There are few, and they never change: all are kept in memory. */
export class ServerRows {
  readonly #ids = new Map<string, number>();
  readonly #servers = new Map<number, SmpServer>();

  #keep(id: number, server: SmpServer): void {
    this.#ids.set(serverKey(server), id);
    this.#servers.set(id, server);
  }

  /** The id of the server's row, which is made if needed. */
  async id(tx: Tx, server: SmpServer): Promise<number> {
    const key = serverKey(server);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const address = { hosts: server.hosts.join(','), port: server.port, keyHash: server.keyHash };
    const row = await byAddress.first(tx, address);
    if (row !== undefined) {
      this.#keep(row.id, server);
      return row.id;
    }
    const { id } = await tx.db
      .insertInto('agent_servers')
      .values({ hosts: address.hosts, port: address.port, key_hash: address.keyHash })
      .returning('id')
      .executeTakeFirstOrThrow();
    this.#keep(id, server);
    tx.onRollback(() => {
      this.#ids.delete(key);
      this.#servers.delete(id);
    });
    return id;
  }

  async get(tx: Tx, id: number): Promise<SmpServer> {
    const known = this.#servers.get(id);
    if (known !== undefined) return known;
    const row = await byId.first(tx, { id });
    if (row === undefined) throw internalError(`no server ${id}`);
    const server: SmpServer = {
      scheme: 'smp',
      hosts: parseHosts(row.hosts),
      port: row.port,
      keyHash: new Uint8Array(row.key_hash),
    };
    this.#keep(id, server);
    return server;
  }
}
