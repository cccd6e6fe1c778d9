import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type LocalDatabase, type LocalEngine, officialContactCards, openLocalEngine } from '../../src/chat/index.js';
import { type Clock, type Logger, silentLogger, systemClock } from '../../src/core/index.js';
import { type EmbeddedRelays, startEmbeddedRelays } from '../../src/relay/index.js';
import { type ApiServer, startApiServer } from '../../src/server/index.js';

/** Engines with their API servers on relays of their own, all in this process, with fresh databases. */
export interface Network {
  /** WebSocket URLs by actor. */
  readonly urls: Readonly<Record<string, string>>;
  readonly engines: Readonly<Record<string, LocalEngine>>;
  close(): Promise<void>;
}

/** With FANION_TEST_POSTGRES (a URL) each engine has a schema of its own there. */
function databaseOf(folder: string, name: string): LocalDatabase {
  const url = process.env['FANION_TEST_POSTGRES'];
  if (url === undefined) return { kind: 'sqlite', path: path.join(folder, `${name}.db`) };
  const schema = `${path.basename(folder)}_${name}`.toLowerCase().replaceAll(/[^a-z0-9]/g, '_');
  return { kind: 'postgres', url, schema };
}

/** Starts a network with these actors, each with one user made as `--create-bot-display-name NAME --create-bot-allow-files` does. */
export async function startNetwork(
  actors: readonly string[],
  logger: Logger = silentLogger,
  clock: Clock = systemClock,
): Promise<Network> {
  const folder = await mkdtemp(path.join(tmpdir(), 'fanion-conformance-'));
  const closing: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const c of closing.reverse()) await c();
  };
  try {
    const relays: EmbeddedRelays = await startEmbeddedRelays(path.join(folder, 'relay'), silentLogger);
    closing.push(() => relays.close());
    const urls: Record<string, string> = {};
    const engines: Record<string, LocalEngine> = {};
    for (const name of actors) {
      const local = await openLocalEngine({
        database: databaseOf(folder, name),
        smpServers: [relays.smp.address],
        xftpServers: [relays.xftp.address],
        presetContacts: officialContactCards,
        logger,
        clock,
      });
      closing.push(() => local.close());
      await local.engine.start();
      const made = await local.engine.execute(`/create bot files=on ${name}`);
      if (made.type !== 'activeUser') throw new Error(`no user: ${JSON.stringify(made)}`);
      const server: ApiServer = await startApiServer({ engine: local.engine, port: 0, logger });
      closing.push(() => server.close());
      engines[name] = local;
      urls[name] = `ws://127.0.0.1:${server.port}`;
    }
    return { urls, engines, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A clock that goes slower than the machine's: for scenarios whose steps must come before something disappears. */
export function slowClock(factor: number): Clock {
  const start = systemClock.now();
  return {
    now: () => Math.floor(start + (systemClock.now() - start) / factor),
    monotonic: () => systemClock.monotonic() / factor,
    after: (ms, fn, options) => systemClock.after(ms * factor, fn, options),
    sleep: (ms, signal) => systemClock.sleep(ms * factor, signal),
  };
}
