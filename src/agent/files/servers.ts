import { type RandomSource, randomElement } from '../../core/index.js';
import { formatServer, parseServerWithAuth, type ServerWithAuth } from '../../smp/index.js';
import type { ServerCfg, UserId } from '../types.js';

/** The servers that users upload to. */
export class FileServers {
  readonly #random: RandomSource;
  readonly #users = new Map<UserId, readonly ServerWithAuth<'xftp'>[]>();

  constructor(random: RandomSource) {
    this.#random = random;
  }

  /** Enabled servers for storage, or all when there are none (30-agent, section 15.1). */
  set(userId: UserId, servers: readonly ServerCfg[]): void {
    const storage = servers.filter((s) => s.enabled && s.roles.storage);
    const list = (storage.length > 0 ? storage : servers).map((s) => parseServerWithAuth(s.server, 'xftp'));
    this.#users.set(userId, list);
  }

  /**
   * A random server, of those that were not tried if there are any; undefined when the user has none.
   * @param tried addresses as text
   */
  choose(userId: UserId, tried: ReadonlySet<string>): ServerWithAuth<'xftp'> | undefined {
    const all = this.#users.get(userId) ?? [];
    if (all.length === 0) return undefined;
    const fresh = all.filter((s) => !tried.has(formatServer(s.server)));
    return randomElement(this.#random, fresh.length > 0 ? fresh : all);
  }

  /** Whether the user has a server that was not tried. */
  hasOther(userId: UserId, tried: ReadonlySet<string>): boolean {
    return (this.#users.get(userId) ?? []).some((s) => !tried.has(formatServer(s.server)));
  }
}
