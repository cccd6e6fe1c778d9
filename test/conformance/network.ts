import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type LocalEngine, openLocalEngine } from '../../src/chat/index.js';
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
  const found = findContact(transcript, 'SimpleX Status');
  const link = (n: number): string =>
    `simplex:/contact#/?v=2-7&smp=smp%3A%2F%2FPQUV2eL0t7OStZOoAsPEV2QYWt4-xilbakvGUGOItUo%3D%40smp6.simplex.im%2FK1rslx-m5bpXVIdMZg9NLUZ_8JBm8xT${n}`;
  return [
    { displayName: 'SimpleX Status', fullName: '', image: found.image, contactLink: link(1) },
    { displayName: 'Ask SimpleX Team', fullName: '', contactLink: link(2) },
  ];
}

function findContact(value: unknown, name: string): { readonly image?: string } {
  if (typeof value !== 'object' || value === null) return {};
  if ('displayName' in value && value.displayName === name && 'image' in value && typeof value.image === 'string') {
    return { image: value.image };
  }
  for (const v of Object.values(value)) {
    const found = findContact(v, name);
    if (found.image !== undefined) return found;
  }
  return {};
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
        database: { kind: 'sqlite', path: path.join(folder, `${name}.db`) },
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
