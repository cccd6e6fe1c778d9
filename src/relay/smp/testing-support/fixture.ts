import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { SmpRelay, SmpRelayOptions, SmpRelayStorage } from '../options.js';
import { startSmpRelay } from '../relay.js';
import { RawClient, type RawClientOptions } from './raw-client.js';

/** Relays and clients of one test, all closed by {@link Fixture.close}. */
export class Fixture {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'fanion-relay-'));
  readonly #relays = new Set<SmpRelay>();
  readonly #clients: RawClient[] = [];

  storage(kind: 'memory' | 'sqlite', name = 'relay'): SmpRelayStorage {
    return kind === 'memory' ? { kind } : { kind, prefix: path.join(this.directory, name) };
  }

  async relay(options: Partial<SmpRelayOptions> = {}): Promise<SmpRelay> {
    const relay = await startSmpRelay({ storage: { kind: 'memory' }, eventDelayMs: 5, ...options });
    this.#relays.add(relay);
    return relay;
  }

  async client(relay: SmpRelay | string, options: RawClientOptions = {}): Promise<RawClient> {
    const client = await RawClient.connect(typeof relay === 'string' ? relay : relay.address, options);
    this.#clients.push(client);
    return client;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.socket.destroy();
    for (const relay of this.#relays) await relay.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
