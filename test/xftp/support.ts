import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock, systemRandom } from '../../src/core/index.js';
import { generateKeyPair } from '../../src/crypto/index.js';
import { startXftpRelay, type XftpRelay, type XftpRelayOptions } from '../../src/relay/xftp/index.js';
import { XftpClient, type XftpClientOptions } from '../../src/xftp/index.js';

/** Undoes what a test made, in reverse order. */
export class Cleanup {
  readonly #steps: (() => Promise<void> | void)[] = [];

  add(step: () => Promise<void> | void): void {
    this.#steps.push(step);
  }

  async run(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) await step();
  }

  folder(): string {
    const folder = mkdtempSync(path.join(tmpdir(), 'fanion-xftp-'));
    this.add(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  }

  async relay(options: Partial<XftpRelayOptions> = {}): Promise<XftpRelay> {
    const relay = await startXftpRelay({ prefix: path.join(this.folder(), 'relay'), ...options });
    this.add(() => relay.close());
    return relay;
  }

  async client(relay: XftpRelay, options: Partial<XftpClientOptions> = {}): Promise<XftpClient> {
    const client = await XftpClient.connect(relay.server, { clock: systemClock, random: systemRandom, ...options });
    this.add(() => client.close());
    return client;
  }
}

export const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest());

/** Keys of a chunk and its recipients. */
export function chunkKeys(recipients = 1) {
  return {
    sender: generateKeyPair('ed25519'),
    recipients: Array.from({ length: recipients }, () => generateKeyPair('ed25519')),
  };
}
