import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Cleanup, chunkKeys, sha256 } from './support.js';

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe('client and relay', () => {
  for (const size of [65_536, 262_144, 1_048_576, 4_194_304]) {
    it(`a chunk of ${size} bytes comes down as it went up`, async () => {
      const relay = await cleanup.relay();
      const client = await cleanup.client(relay);
      const folder = cleanup.folder();
      const content = randomBytes(size);
      const file = path.join(folder, 'up');
      writeFileSync(file, content);
      const { sender, recipients } = chunkKeys(2);
      const chunk = { size, digest: sha256(content) };
      const ids = await client.createChunk(
        sender,
        chunk,
        recipients.map((r) => r.publicKey),
      );
      await client.uploadChunk({ id: ids.senderId, key: sender.privateKey }, { path: file, offset: 0, size });
      expect(relay.usedStorage).toBe(size);
      for (const [i, recipient] of recipients.entries()) {
        const target = path.join(folder, `down${i}`);
        await client.downloadChunk(
          { id: ids.recipientIds[i] ?? new Uint8Array(), key: recipient.privateKey },
          chunk,
          target,
        );
        expect(readFileSync(target).equals(content)).toBe(true);
      }
      await client.ping();
      await client.deleteChunk({ id: ids.senderId, key: sender.privateKey });
      expect(relay.usedStorage).toBe(0);
      await expect(client.deleteChunk({ id: ids.senderId, key: sender.privateKey })).rejects.toMatchObject({
        code: 'XFTP_AUTH',
      });
      expect(existsSync(path.join(folder, 'none'))).toBe(false);
    });
  }
});
