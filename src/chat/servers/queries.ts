import type { ServerCfg, UserServers } from '../../agent/index.js';
import type { ServerProtocol } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatOptions } from '../engine/context.js';

const bothRoles = { storage: true, proxy: true };

/** The servers that a user has stored, of one protocol, in the order in which they were stored. */
export async function storedServers(
  tx: Tx,
  userId: number,
  protocol: ServerProtocol,
): Promise<
  {
    readonly serverId: number;
    readonly address: string;
    readonly preset: boolean;
    readonly enabled: boolean;
    readonly tested: boolean | undefined;
  }[]
> {
  const rows = await tx.db
    .selectFrom('protocol_servers')
    .selectAll()
    .where('user_id', '=', userId)
    .where('protocol', '=', protocol)
    .orderBy('server_id')
    .execute();
  return rows.map((r) => ({
    serverId: r.server_id,
    address: r.address,
    preset: r.preset !== 0,
    enabled: r.enabled !== 0,
    tested: r.tested === null ? undefined : r.tested !== 0,
  }));
}

/** What the agent gets: servers of the command line, else the stored ones, else the presets (70, section 8.2). */
export async function userServers(tx: Tx, options: ChatOptions, userId: number): Promise<UserServers> {
  const of = async (protocol: ServerProtocol): Promise<readonly ServerCfg[]> => {
    const override = options.overrideServers?.[protocol];
    if (override !== undefined) return override;
    const stored = await storedServers(tx, userId, protocol);
    const usable = stored.map((s) => ({ server: s.address, enabled: s.enabled, roles: bothRoles }));
    return usable.some((s) => s.enabled) ? usable : options.presetServers[protocol];
  };
  return { smp: await of('smp'), xftp: await of('xftp') };
}

/** Stores the servers of a new user: those of the active user, else the presets. */
export async function insertInitialServers(
  tx: Tx,
  options: ChatOptions,
  userId: number,
  copyFrom: number | undefined,
  now: number,
): Promise<void> {
  for (const protocol of ['smp', 'xftp'] as const) {
    const copied = copyFrom === undefined ? [] : await storedServers(tx, copyFrom, protocol);
    const servers =
      copied.length > 0
        ? copied
        : options.presetServers[protocol].map((s) => ({ address: s.server, preset: true, enabled: s.enabled }));
    for (const s of servers) {
      await tx.db
        .insertInto('protocol_servers')
        .values({
          user_id: userId,
          protocol,
          address: s.address,
          preset: s.preset ? 1 : 0,
          enabled: s.enabled ? 1 : 0,
          created_at: now,
        })
        .execute();
    }
  }
}

export interface NewServer {
  readonly address: string;
  readonly preset: boolean;
  readonly enabled: boolean;
}

/** Replaces the servers of one protocol; of an address that is given twice the first counts. */
export async function replaceServers(
  tx: Tx,
  userId: number,
  protocol: ServerProtocol,
  servers: readonly NewServer[],
  now: number,
): Promise<void> {
  await tx.db.deleteFrom('protocol_servers').where('user_id', '=', userId).where('protocol', '=', protocol).execute();
  const seen = new Set<string>();
  for (const { address, preset, enabled } of servers) {
    if (seen.has(address)) continue;
    seen.add(address);
    await tx.db
      .insertInto('protocol_servers')
      .values({ user_id: userId, protocol, address, preset: preset ? 1 : 0, enabled: enabled ? 1 : 0, created_at: now })
      .execute();
  }
}
