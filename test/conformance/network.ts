import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type LocalDatabase, type LocalEngine, openLocalEngine } from '../../src/chat/index.js';
import type { Profile } from '../../src/api/index.js';
import { type Logger, silentLogger } from '../../src/core/index.js';
import { type EmbeddedRelays, startEmbeddedRelays } from '../../src/relay/index.js';
import { type ApiServer, startApiServer } from '../../src/server/index.js';

/** Engines with their API servers on relays of their own, all in this process, with fresh databases. */
export interface Network {
  /** WebSocket URLs by actor. */
  readonly urls: Readonly<Record<string, string>>;
  readonly engines: Readonly<Record<string, LocalEngine>>;
  close(): Promise<void>;
}

const golden = new URL('./golden/', import.meta.url);

/**
 * The two contact cards that the official program puts into a new profile. Fanion has none, but the recorded
 * transcripts count on their ids; the one that shows is taken from there.
 */
async function presetCards(): Promise<Profile[]> {
  const transcript: unknown = JSON.parse(await readFile(new URL('accept-request.json', golden), 'utf8'));
  const status = findProfile(transcript, 'SimpleX Status');
  if (status === undefined) throw new Error('the recorded contact card is not there any more');
  const link = (n: number): string =>
    `simplex:/contact#/?v=2-7&smp=smp%3A%2F%2FPQUV2eL0t7OStZOoAsPEV2QYWt4-xilbakvGUGOItUo%3D%40smp6.simplex.im%2FK1rslx-m5bpXVIdMZg9NLUZ_8JBm8xT${n}`;
  return [
    { ...status, contactLink: link(1) },
    { displayName: 'Ask SimpleX Team', fullName: '', contactLink: link(2) },
  ];
}

/** The profile of this name, as the API shows it to others. */
function findProfile(value: unknown, name: string): Profile | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if ('displayName' in value && value.displayName === name && 'profileId' in value) {
    const { profileId: _1, localAlias: _2, ...profile } = value as Profile & { profileId?: number; localAlias?: string };
    return profile;
  }
  for (const v of Object.values(value)) {
    const found = findProfile(v, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** With FANION_TEST_POSTGRES (a URL) each engine has a schema of its own there. */
function databaseOf(folder: string, name: string): LocalDatabase {
  const url = process.env['FANION_TEST_POSTGRES'];
  if (url === undefined) return { kind: 'sqlite', path: path.join(folder, `${name}.db`) };
  const schema = `${path.basename(folder)}_${name}`.toLowerCase().replaceAll(/[^a-z0-9]/g, '_');
  return { kind: 'postgres', url, schema };
}

/** Starts a network with these actors, each with one user made as `--create-bot-display-name NAME --create-bot-allow-files` does. */
export async function startNetwork(actors: readonly string[], logger: Logger = silentLogger): Promise<Network> {
  const folder = await mkdtemp(path.join(tmpdir(), 'fanion-conformance-'));
  const closing: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const c of closing.reverse()) await c();
  };
  try {
    const relays: EmbeddedRelays = await startEmbeddedRelays(path.join(folder, 'relay'), silentLogger);
    closing.push(() => relays.close());
    const presetContacts = await presetCards();
    const urls: Record<string, string> = {};
    const engines: Record<string, LocalEngine> = {};
    for (const name of actors) {
      const local = await openLocalEngine({
        database: databaseOf(folder, name),
        smpServers: [relays.smp.address],
        xftpServers: [relays.xftp.address],
        presetContacts,
        logger,
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
