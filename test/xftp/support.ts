import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
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
    let failed: unknown;
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        failed ??= error;
      }
    }
    if (failed !== undefined) throw failed;
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

  /** A SOCKS5 proxy without login. */
  async socks(): Promise<{ port: number; connections(): number }> {
    let count = 0;
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        socket.write(Buffer.from([5, 0]));
        socket.once('data', (request) => {
          count++;
          const target = connect({ host: '127.0.0.1', port: request.readUInt16BE(request.length - 2) }, () => {
            socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
            socket.pipe(target).pipe(socket);
          });
          target.on('error', () => socket.destroy());
          socket.on('close', () => target.destroy());
        });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.add(() => {
      server.close();
    });
    const bound = server.address();
    return { port: bound !== null && typeof bound === 'object' ? bound.port : 0, connections: () => count };
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
