import type { RandomSource } from '../../core/index.js';
import { parseServerWithAuth, type ServerWithAuth, type SmpServer } from '../../smp/index.js';
import { AgentError, cmdError } from '../errors.js';
import type { ServerCfg, UserId, UserServers } from '../types.js';
import { chooseNextServer, chooseServer, type ServerChoice } from './choice.js';

interface Lists {
  readonly storage: readonly ServerChoice[];
  readonly proxy: readonly ServerChoice[];
  readonly knownHosts: ReadonlySet<string>;
}

/** Section 15.1: those with the role, or all when none has it. */
function withRole(all: readonly (ServerChoice & { readonly cfg: ServerCfg })[], role: 'storage' | 'proxy') {
  const found = all.filter(({ cfg }) => cfg.enabled && cfg.roles[role]);
  return found.length > 0 ? found : all;
}

/** The SMP servers of each user. Not stored by the agent: the layer above gives them. */
export class UserServerList {
  readonly #random: RandomSource;
  readonly #users = new Map<UserId, Lists>();

  constructor(random: RandomSource, users: ReadonlyMap<UserId, UserServers>) {
    this.#random = random;
    for (const [id, servers] of users) this.set(id, servers);
  }

  /** @throws AgentError `CMD SYNTAX` for an address that cannot be parsed */
  set(userId: UserId, servers: UserServers): void {
    const all = servers.smp.map((cfg) => {
      try {
        return { server: parseServerWithAuth(cfg.server, 'smp'), operatorId: cfg.operatorId, cfg };
      } catch {
        throw cmdError('SYNTAX', 'server address');
      }
    });
    this.#users.set(userId, {
      storage: withRole(all, 'storage'),
      proxy: withRole(all, 'proxy'),
      knownHosts: new Set(all.flatMap((c) => c.server.server.hosts)),
    });
  }

  delete(userId: UserId): void {
    this.#users.delete(userId);
  }

  #lists(userId: UserId): Lists {
    const lists = this.#users.get(userId);
    if (lists === undefined || lists.storage.length === 0) throw new AgentError({ type: 'NO_USER' });
    return lists;
  }

  /** A server for a new queue, avoiding these. @throws AgentError `NO_USER` */
  chooseStorage(userId: UserId, avoid: readonly SmpServer[]): ServerWithAuth<'smp'> {
    return chooseServer(this.#random, this.#lists(userId).storage, avoid).server;
  }

  /** For attempts that follow each other: `tried` is changed. */
  chooseNext(userId: UserId, avoid: readonly SmpServer[], tried: Set<string>): ServerWithAuth<'smp'> {
    return chooseNextServer(this.#random, this.#lists(userId).storage, avoid, tried).server;
  }

  chooseProxy(userId: UserId, destination: SmpServer): ServerWithAuth<'smp'> {
    return chooseServer(this.#random, this.#lists(userId).proxy, [destination]).server;
  }

  /** The destination is one of the user's servers, enabled or not. */
  isKnownHost(userId: UserId, server: SmpServer): boolean {
    const known = this.#users.get(userId)?.knownHosts;
    return known !== undefined && server.hosts.some((h) => known.has(h));
  }
}
