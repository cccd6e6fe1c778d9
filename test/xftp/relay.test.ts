import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock, systemClock, systemRandom } from '../../src/core/index.js';
import { generateKeyPair } from '../../src/crypto/index.js';
import type { XftpRelay } from '../../src/relay/xftp/index.js';
import {
  BodyReader,
  bareXftpError,
  connectXftp,
  decodeXftpBlock,
  encodeXftpBlock,
  openRequest,
  type XftpClient,
  XftpClientError,
  xftpBlockSize,
} from '../../src/xftp/index.js';
import { Cleanup, chunkKeys, sha256 } from './support.js';

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const size = 65_536;

/** Uploads a chunk; gives all that is needed to use it. */
async function upload(client: XftpClient, content: Buffer = randomBytes(size), recipients = 1) {
  const folder = cleanup.folder();
  const file = path.join(folder, 'chunk');
  writeFileSync(file, content);
  const keys = chunkKeys(recipients);
  const chunk = { size: content.length, digest: sha256(content) };
  const ids = await client.createChunk(
    keys.sender,
    chunk,
    keys.recipients.map((r) => r.publicKey),
  );
  const sender = { id: ids.senderId, key: keys.sender.privateKey };
  const source = { path: file, offset: 0, size: content.length };
  const rcv = keys.recipients.map((r, i) => ({ id: ids.recipientIds[i] ?? new Uint8Array(), key: r.privateKey }));
  const [recipient] = rcv;
  if (recipient === undefined) throw new Error('no recipient');
  return {
    content,
    chunk,
    sender,
    source,
    recipient,
    rcv,
    target: path.join(folder, 'target'),
    put: () => client.uploadChunk(sender, source),
  };
}

const stored = (relay: XftpRelay, folder: string): string => {
  const [name, ...more] = readdirSync(folder);
  if (name === undefined || more.length > 0) throw new Error('not one chunk file');
  expect(relay.usedStorage).toBeGreaterThan(0);
  return path.join(folder, name);
};

const failure = async (task: Promise<unknown>): Promise<unknown> => {
  try {
    await task;
  } catch (e) {
    if (e instanceof XftpClientError) return e.failure;
    throw e;
  }
  throw new Error('did not fail');
};
const xftp = (type: string) => ({ type: 'XFTP', xftpErr: { type } });
const response = (respErr: string) => ({ type: 'BROKER', brokerErr: { type: 'RESPONSE', respErr } });

describe('what is wrong with a stored chunk is refused, and nothing is left behind', () => {
  const damaged = async (damage: (file: string, content: Buffer) => void): Promise<unknown> => {
    const filesFolder = cleanup.folder();
    const relay = await cleanup.relay({ filesFolder });
    const client = await cleanup.client(relay);
    const c = await upload(client);
    await c.put();
    damage(stored(relay, filesFolder), c.content);
    const result = await failure(client.downloadChunk(c.recipient, c.chunk, c.target));
    expect(existsSync(c.target)).toBe(false);
    await client.ping();
    return result;
  };

  it('altered', async () => {
    expect(
      await damaged((file, content) => {
        content.writeUInt8(content.readUInt8(1000) ^ 1, 1000);
        writeFileSync(file, content);
      }),
    ).toEqual(response('DIGEST'));
  });

  it('truncated', async () => {
    expect(await damaged((file) => truncateSync(file, size - 1))).toEqual(response('SIZE'));
  });

  it('emptied', async () => {
    expect(await damaged((file) => truncateSync(file, 0))).toEqual(response('NO_FILE'));
  });
});

describe('relay', () => {
  it('refuses a chunk that is not uploaded, a wrong digest, and a wrong size', async () => {
    const relay = await cleanup.relay();
    const client = await cleanup.client(relay);
    const c = await upload(client);
    expect(await failure(client.downloadChunk(c.recipient, c.chunk, c.target))).toEqual(xftp('NO_FILE'));
    writeFileSync(c.source.path, randomBytes(size));
    expect(await failure(c.put())).toEqual(xftp('DIGEST'));
    writeFileSync(c.source.path, randomBytes(2 * size));
    const shorter = await failure(client.uploadChunk(c.sender, { ...c.source, size: size / 2 }));
    expect(shorter).toEqual(xftp('SIZE'));
    const second = await cleanup.client(relay);
    expect(await failure(second.uploadChunk(c.sender, { ...c.source, size: 2 * size }))).toEqual(xftp('SIZE'));
    const third = await cleanup.client(relay);
    writeFileSync(c.source.path, c.content);
    await third.uploadChunk(c.sender, c.source);
    expect(relay.usedStorage).toBe(size);
    expect(
      await failure(
        third.createChunk(chunkKeys().sender, { size: 1000, digest: c.chunk.digest }, [
          generateKeyPair('ed25519').publicKey,
        ]),
      ),
    ).toEqual(xftp('SIZE'));
  });

  it('takes an upload twice, also both at once', async () => {
    const relay = await cleanup.relay();
    const [one, two] = [await cleanup.client(relay), await cleanup.client(relay)];
    const c = await upload(one);
    await Promise.all([c.put(), two.uploadChunk(c.sender, c.source)]);
    await c.put();
    expect(relay.usedStorage).toBe(size);
    await two.downloadChunk(c.recipient, c.chunk, c.target);
    expect(readFileSync(c.target).equals(c.content)).toBe(true);
  });

  it('keeps to its quota, and gives space back', async () => {
    const relay = await cleanup.relay({ quota: 2 * size });
    const client = await cleanup.client(relay);
    const first = await upload(client);
    const second = await upload(client);
    const third = await upload(client);
    await first.put();
    await second.put();
    expect(await failure(third.put())).toEqual(xftp('QUOTA'));
    const again = await cleanup.client(relay);
    await again.deleteChunk(first.sender);
    await again.uploadChunk(third.sender, third.source);
    // A record that was never uploaded gives nothing back.
    const never = await upload(again);
    await again.deleteChunk(never.sender);
    expect(relay.usedStorage).toBe(2 * size);
  });

  it('needs its password for new chunks only', async () => {
    const relay = await cleanup.relay({ password: 'secret' });
    expect(relay.address).toContain(':secret@');
    const client = await cleanup.client(relay);
    const { sender, recipients } = chunkKeys();
    const chunk = { size, digest: sha256(randomBytes(size)) };
    const keys = recipients.map((r) => r.publicKey);
    expect(await failure(client.createChunk(sender, chunk, keys))).toEqual(xftp('AUTH'));
    expect(await failure(client.createChunk(sender, chunk, keys, 'wrong'))).toEqual(xftp('AUTH'));
    const ids = await client.createChunk(sender, chunk, keys, 'secret');
    await client.deleteChunk({ id: ids.senderId, key: sender.privateKey });
    const closed = await cleanup.relay({ newFiles: false });
    expect(await failure((await cleanup.client(closed)).createChunk(sender, chunk, keys))).toEqual(xftp('AUTH'));
  });

  it('separates senders and recipients, and adds recipients', async () => {
    const relay = await cleanup.relay();
    const client = await cleanup.client(relay);
    const c = await upload(client, randomBytes(size), 2);
    await c.put();
    expect(await failure(client.deleteChunk(c.recipient))).toEqual(xftp('AUTH'));
    expect(await failure(client.downloadChunk(c.sender, c.chunk, c.target))).toEqual(xftp('AUTH'));
    expect(await failure(client.downloadChunk({ id: c.recipient.id, key: c.sender.key }, c.chunk, c.target))).toEqual(
      xftp('AUTH'),
    );
    const more = Array.from({ length: 200 }, () => generateKeyPair('ed25519'));
    const ids = await client.addRecipients(
      c.sender,
      more.map((k) => k.publicKey),
    );
    await client.downloadChunk(
      { id: ids[199] ?? new Uint8Array(), key: (more[199] ?? generateKeyPair('ed25519')).privateKey },
      c.chunk,
      c.target,
    );
    await client.acknowledgeChunk(c.recipient);
    expect(await failure(client.acknowledgeChunk(c.recipient))).toEqual(xftp('AUTH'));
    expect(await failure(client.downloadChunk(c.recipient, c.chunk, c.target))).toEqual(xftp('AUTH'));
    await client.downloadChunk(c.rcv[1] ?? c.recipient, c.chunk, c.target);
  });

  it('takes Ed448 signatures and X25519 authenticators, too', async () => {
    const relay = await cleanup.relay({ algorithm: 'ed448' });
    const client = await cleanup.client(relay);
    const content = randomBytes(size);
    const file = path.join(cleanup.folder(), 'chunk');
    writeFileSync(file, content);
    for (const alg of ['ed448', 'x25519'] as const) {
      const [sender, recipient] = [generateKeyPair(alg), generateKeyPair(alg)];
      const chunk = { size, digest: sha256(content) };
      const ids = await client.createChunk(sender, chunk, [recipient.publicKey]);
      await client.uploadChunk({ id: ids.senderId, key: sender.privateKey }, { path: file, offset: 0, size });
      const target = `${file}.${alg}`;
      await client.downloadChunk(
        { id: ids.recipientIds[0] ?? new Uint8Array(), key: recipient.privateKey },
        chunk,
        target,
      );
      expect(readFileSync(target).equals(content)).toBe(true);
    }
  });

  it('tells why a chunk is blocked', async () => {
    const relay = await cleanup.relay();
    const client = await cleanup.client(relay);
    const c = await upload(client);
    await c.put();
    expect(await relay.blockChunk(c.recipient.id, 'spam')).toBe(true);
    expect(await relay.blockChunk(randomBytes(16), 'spam')).toBe(false);
    const blocked = { type: 'XFTP', xftpErr: { type: 'BLOCKED', blockInfo: { reason: 'spam' } } };
    expect(await failure(client.downloadChunk(c.recipient, c.chunk, c.target))).toEqual(blocked);
    expect(await failure(client.deleteChunk(c.sender))).toEqual(blocked);
  });

  it('forgets nothing in a restart, and sweeps what was half uploaded', async () => {
    const [prefix, filesFolder] = [path.join(cleanup.folder(), 'r'), cleanup.folder()];
    const before = await cleanup.relay({ prefix, filesFolder });
    const client = await cleanup.client(before);
    const c = await upload(client);
    const pending = await upload(client);
    await c.put();
    const { address, port } = before;
    await before.close();
    writeFileSync(path.join(filesFolder, `${Buffer.from(randomBytes(16)).toString('base64url')}==`), 'garbage');
    writeFileSync(path.join(filesFolder, 'x.part'), 'garbage');
    writeFileSync(path.join(filesFolder, 'README.txt'), 'not ours');
    const after = await cleanup.relay({ prefix, filesFolder, port });
    expect(after.address).toBe(address);
    expect(after.usedStorage).toBe(size);
    expect(readdirSync(filesFolder).length).toBe(2);
    const again = await cleanup.client(after);
    await again.downloadChunk(c.recipient, c.chunk, c.target);
    await again.uploadChunk(pending.sender, pending.source);
    await again.deleteChunk(c.sender);
    expect(after.usedStorage).toBe(size);
  });

  it('drops chunks after their time, files included', async () => {
    const clock = new ManualClock();
    const filesFolder = cleanup.folder();
    const relay = await cleanup.relay({ clock, filesFolder });
    const client = await cleanup.client(relay, { clock });
    const c = await upload(client);
    await c.put();
    clock.advance(48 * 3_600_000);
    expect(await relay.expireChunks()).toBe(0);
    clock.advance(2 * 3_600_000);
    await relay.expireChunks();
    expect(readdirSync(filesFolder)).toEqual([]);
    expect(relay.usedStorage).toBe(0);
    expect(await failure(client.downloadChunk(c.recipient, c.chunk, c.target))).toEqual(xftp('AUTH'));
  });
});

describe('handshake', () => {
  const options = { clock: systemClock, random: systemRandom };
  const raw = async (relay: XftpRelay) => {
    const connection = await connectXftp(relay.server, options);
    cleanup.add(() => connection.destroy());
    const ask = (block: Uint8Array | undefined): Promise<Uint8Array> => {
      const stream = openRequest(connection.session, block === undefined);
      const reader = new BodyReader(stream);
      if (block !== undefined) stream.end(block);
      return reader.read(xftpBlockSize);
    };
    return { connection, ask };
  };

  it('another fingerprint in the address is refused', async () => {
    const relay = await cleanup.relay();
    const server = { ...relay.server, keyHash: randomBytes(32) };
    await expect(connectXftp(server, options)).rejects.toMatchObject({ code: 'XFTP_BROKER_NETWORK' });
  });

  it('commands and second hellos out of turn get the bare error', async () => {
    const relay = await cleanup.relay();
    const { connection, ask } = await raw(relay);
    const ping = encodeXftpBlock({
      sessionId: connection.sessionId,
      entityId: new Uint8Array(),
      command: Buffer.from('PING'),
    });
    expect(bareXftpError(await ask(ping))).toEqual({ type: 'HANDSHAKE' });
    expect((await ask(undefined)).length).toBe(xftpBlockSize);
    expect(bareXftpError(await ask(undefined))).toEqual({ type: 'HANDSHAKE' });
    expect(bareXftpError(await ask(ping))).toEqual({ type: 'HANDSHAKE' });
  });

  it('damaged blocks are answered, and the connection stays usable', async () => {
    const relay = await cleanup.relay();
    const client = await cleanup.client(relay);
    await client.ping();
    const command = async (fields: {
      sessionId?: Uint8Array;
      command: string;
      auth?: Uint8Array;
      entityId?: Uint8Array;
    }) => {
      const stream = openRequest(client.connection.session, false);
      const reader = new BodyReader(stream);
      const block = encodeXftpBlock(
        {
          sessionId: fields.sessionId ?? client.connection.sessionId,
          entityId: fields.entityId ?? new Uint8Array(),
          command: Buffer.from(fields.command, 'latin1'),
        },
        fields.auth === undefined ? undefined : () => fields.auth ?? new Uint8Array(),
      );
      stream.end(block);
      return Buffer.from(decodeXftpBlock(await reader.read(xftpBlockSize)).command).toString('latin1');
    };
    expect(await command({ command: 'PING' })).toBe('PONG');
    expect(await command({ command: 'PING', sessionId: randomBytes(32) })).toBe('ERR SESSION');
    expect(await command({ command: 'PINGx' })).toBe('ERR CMD UNKNOWN');
    expect(await command({ command: '' })).toBe('ERR CMD UNKNOWN');
    expect(await command({ command: 'FGET x' })).toBe('ERR CMD SYNTAX');
    expect(await command({ command: 'PING', auth: new Uint8Array(64) })).toBe('ERR CMD HAS_AUTH');
    expect(await command({ command: 'FDEL' })).toBe('ERR CMD NO_AUTH');
    expect(await command({ command: 'FDEL', auth: new Uint8Array(64), entityId: randomBytes(16) })).toBe('ERR AUTH');
    expect(await command({ command: 'FDEL', auth: new Uint8Array(80), entityId: randomBytes(16) })).toBe('ERR AUTH');
    expect(await command({ command: 'FDEL', auth: new Uint8Array(65), entityId: randomBytes(16) })).toBe('ERR BLOCK');
    await client.ping();
  });
});

describe('whatever clients send', () => {
  it('random and damaged requests are answered or dropped; the relay goes on serving', async () => {
    const relay = await cleanup.relay();
    const client = await cleanup.client(relay);
    const c = await upload(client);
    await c.put();
    for (let i = 0; i < 120; i++) {
      const victim = await cleanup.client(relay);
      const block = Buffer.from(
        encodeXftpBlock(
          { sessionId: victim.connection.sessionId, entityId: c.sender.id, command: Buffer.from('FPUT') },
          () => randomBytes(64),
        ),
      );
      const kind = i % 4;
      if (kind === 0) randomBytes(200).copy(block);
      if (kind === 1) block.writeUInt8(randomBytes(1)[0] ?? 0, i % 140);
      const stream = openRequest(victim.connection.session, false);
      stream.on('error', () => {});
      const reader = new BodyReader(stream);
      if (kind === 2) {
        stream.write(block.subarray(0, 1000));
        stream.close(8);
      } else {
        stream.end(kind === 3 ? Buffer.concat([block, randomBytes(100_000)]) : block);
        const answer = await reader.read(xftpBlockSize).catch(() => new Uint8Array(0));
        if (answer.length > 0) expect(answer.length).toBe(xftpBlockSize);
      }
      victim.close();
    }
    await client.downloadChunk(c.recipient, c.chunk, c.target);
    expect(readFileSync(c.target).equals(c.content)).toBe(true);
    expect(relay.usedStorage).toBe(size);
  });

  it('a client that goes away in the middle of an upload leaves nothing', async () => {
    const filesFolder = cleanup.folder();
    const relay = await cleanup.relay({ filesFolder });
    const client = await cleanup.client(relay);
    const c = await upload(client, randomBytes(4 * 1_048_576));
    const abort = new AbortController();
    const uploading = client.uploadChunk(c.sender, c.source, abort.signal);
    uploading.catch(() => {});
    while (readdirSync(filesFolder).length === 0) await new Promise((resolve) => setImmediate(resolve));
    abort.abort(new Error('cancelled'));
    await expect(uploading).rejects.toThrow();
    while (readdirSync(filesFolder).length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(relay.usedStorage).toBe(0);
    const again = await cleanup.client(relay);
    await again.uploadChunk(c.sender, c.source);
    expect(relay.usedStorage).toBe(4 * 1_048_576);
  });
});
