import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { encodePublicKey, generateKeyPair } from '../crypto/index.js';
import { DecodeError, formatFileSize, parseFileSize } from '../wire/index.js';
import { layOutChunks, prepareChunkSizes, singleChunkSize } from './chunks.js';
import { decodeXftpResponse, encodeXftpCommand } from './commands.js';
import { decodeServerHello } from './handshake.js';
import {
  bareXftpError,
  decodeXftpBlock,
  decodeXftpCommand,
  decryptFile,
  encodeXftpBlock,
  encodeXftpResponse,
  encryptFile,
  type FileDescription,
  formatFileDescription,
  formatFileLink,
  parseFileDescription,
  parseFileLink,
  planEncryption,
  readClientHelloBlock,
  serverChunkSizes,
  type XftpCommand,
  type XftpResponse,
} from './index.js';

const folder = mkdtempSync(path.join(tmpdir(), 'fanion-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const bytes = (min: number, max: number) => fc.uint8Array({ minLength: min, maxLength: max });
const authKey = fc
  .constantFrom('ed25519' as const, 'ed448' as const, 'x25519' as const)
  .map((alg) => generateKeyPair(alg).publicKey);
const command: fc.Arbitrary<XftpCommand> = fc.oneof(
  fc.record(
    {
      type: fc.constant('FNEW' as const),
      sndKey: authKey,
      size: fc.nat(2 ** 32 - 1),
      digest: bytes(32, 32),
      rcvKeys: fc.array(authKey, { minLength: 1, maxLength: 5 }),
      basicAuth: fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 }),
    },
    { requiredKeys: ['type', 'sndKey', 'size', 'digest', 'rcvKeys'] },
  ),
  fc.record({ type: fc.constant('FADD' as const), rcvKeys: fc.array(authKey, { minLength: 1, maxLength: 5 }) }),
  fc.constantFrom('FPUT', 'FDEL', 'FACK', 'PING').map((type) => ({ type: type as 'FPUT' })),
  fc.constant(null).map(() => ({ type: 'FGET' as const, dhKey: generateKeyPair('x25519').publicKey })),
);
const response: fc.Arbitrary<XftpResponse> = fc.oneof(
  fc.record({
    type: fc.constant('SIDS' as const),
    senderId: bytes(1, 24),
    recipientIds: fc.array(bytes(1, 24), { minLength: 1, maxLength: 5 }),
  }),
  fc.record({
    type: fc.constant('RIDS' as const),
    recipientIds: fc.array(bytes(1, 24), { minLength: 1, maxLength: 5 }),
  }),
  bytes(24, 24).map((nonce) => ({ type: 'FILE' as const, dhKey: generateKeyPair('x25519').publicKey, nonce })),
  fc
    .constantFrom('AUTH', 'QUOTA', 'NO_FILE')
    .map((type) => ({ type: 'ERR' as const, error: { type: type as 'AUTH' } })),
);

/** Runs a decoder: it gives a value or a DecodeError, nothing else. */
function decodes(decode: (input: Uint8Array) => unknown, input: Uint8Array): void {
  try {
    decode(input);
  } catch (e) {
    if (!(e instanceof DecodeError)) throw e;
  }
}

describe('codec', () => {
  it('commands and responses come back as they were', () => {
    fc.assert(fc.property(command, (c) => void expect(decodeXftpCommand(encodeXftpCommand(c))).toEqual(c)));
    fc.assert(fc.property(response, (r) => void expect(decodeXftpResponse(encodeXftpResponse(r, 3))).toEqual(r)));
  });

  it('blocks come back as they were', () => {
    fc.assert(
      fc.property(bytes(0, 32), bytes(0, 24), bytes(0, 24), bytes(1, 2000), (sessionId, corrId, entityId, body) => {
        const t = decodeXftpBlock(
          encodeXftpBlock({ sessionId, corrId, entityId, command: body }, () => new Uint8Array(64)),
        );
        expect([t.sessionId, t.corrId, t.entityId, t.command].map((b) => Buffer.from(b).toString('hex'))).toEqual(
          [sessionId, corrId, entityId, body].map((b) => Buffer.from(b).toString('hex')),
        );
      }),
    );
  });

  it('whatever comes in, decoders give a value or a DecodeError', () => {
    const decoders = [
      decodeXftpCommand,
      decodeXftpResponse,
      decodeServerHello,
      decodeXftpBlock,
      readClientHelloBlock,
      bareXftpError,
    ];
    fc.assert(
      fc.property(bytes(0, 300), (input) => {
        for (const decode of decoders) decodes(decode, input);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(command, fc.nat(), fc.nat(255), fc.nat(), (c, at, value, cut) => {
        const encoded = Uint8Array.from(encodeXftpCommand(c));
        encoded[at % encoded.length] = value;
        decodes(decodeXftpCommand, encoded);
        decodes(decodeXftpCommand, encoded.subarray(0, cut % encoded.length));
      }),
      { numRuns: 500 },
    );
    const block = Buffer.alloc(16_384, '#');
    fc.assert(
      fc.property(bytes(0, 400), (start) => {
        block.set(start);
        for (const decode of decoders) decodes(decode, block);
      }),
      { numRuns: 500 },
    );
  });

  it('a public key with bytes behind it is not one', () => {
    const key = encodePublicKey(generateKeyPair('x25519').publicKey);
    const fget = Buffer.concat([Buffer.from('FGET '), Buffer.from([key.length]), key, Buffer.from([0])]);
    expect(() => decodeXftpCommand(fget)).toThrow(DecodeError);
  });
});

const server = fc.constantFrom(
  'xftp://1234-w==@example.org',
  'xftp://abc=@b.example.org:5443',
  'xftp://abc=@10.0.0.1',
  'xftp://abc=@a.example.org,abcdef.onion',
);
const description: fc.Arbitrary<FileDescription> = fc
  .record({
    sizes: fc.array(fc.constantFrom(...serverChunkSizes), { minLength: 1, maxLength: 6 }),
    servers: fc.array(server, { minLength: 1, maxLength: 4 }),
    replicas: fc.integer({ min: 1, max: 2 }),
    party: fc.constantFrom('recipient' as const, 'sender' as const),
    redirect: fc.boolean(),
    key: bytes(32, 32),
    nonce: bytes(24, 24),
  })
  .map(({ sizes, servers, replicas, party, redirect, key, nonce }) => ({
    party,
    size: sizes.reduce((a, b) => a + b, 0),
    digest: new Uint8Array(randomBytes(64)),
    key,
    nonce,
    chunkSize: sizes[0] ?? 0,
    chunks: sizes.map((chunkSize, i) => ({
      chunkNo: i + 1,
      chunkSize,
      digest: new Uint8Array(randomBytes(32)),
      replicas: Array.from({ length: replicas }, (_, r) => ({
        server: servers[(i + r) % servers.length] ?? '',
        replicaId: new Uint8Array(randomBytes(16)),
        replicaKey: generateKeyPair('ed25519').privateKey,
      })),
    })),
    ...(redirect && party === 'recipient'
      ? { redirect: { size: 12_345, digest: new Uint8Array(randomBytes(64)) } }
      : {}),
  }));

describe('descriptions', () => {
  it('come back as they were, also over a link', () => {
    fc.assert(
      fc.property(description, fc.option(fc.string(), { nil: undefined }), (d, clientData) => {
        const parsed = parseFileDescription(formatFileDescription(d), d.party);
        expect(formatFileDescription(parsed)).toBe(formatFileDescription(d));
        expect(parsed.chunks.map((c) => c.replicas[0])).toEqual(d.chunks.map((c) => c.replicas[0]));
        if (d.party === 'sender') return;
        const link = parseFileLink(
          formatFileLink(clientData === undefined ? { description: d } : { description: d, clientData }),
        );
        expect(link.clientData).toBe(clientData);
        expect(formatFileDescription(link.description)).toBe(formatFileDescription(d));
      }),
      { numRuns: 60 },
    );
  });

  it('damaged ones give a value or a DecodeError', () => {
    const check = (text: string): void => {
      for (const parse of [parseFileDescription, parseFileLink]) {
        try {
          parse(text);
        } catch (e) {
          if (!(e instanceof DecodeError)) throw e;
        }
      }
    };
    fc.assert(
      fc.property(description, fc.nat(), fc.string({ maxLength: 5 }), fc.nat(20), (d, at, inserted, removed) => {
        const text = formatFileDescription(d);
        const i = at % text.length;
        check(text.slice(0, i) + inserted + text.slice(i + removed));
      }),
      { numRuns: 300 },
    );
    fc.assert(fc.property(fc.string(), (s) => check(s)));
    fc.assert(fc.property(fc.string(), (s) => check(`simplex:/file#/?desc=${s}`)));
    // Aliases must not make a small text large.
    check(`a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nchunkSize: *c\n`);
  });

  it('sizes', () => {
    fc.assert(fc.property(fc.nat(), (n) => void expect(parseFileSize(formatFileSize(n))).toBe(n)));
  });
});

describe('chunks', () => {
  it('hold the payload, and are not larger than they must be', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (total) => {
        const sizes = prepareChunkSizes(total);
        const sum = sizes.reduce((a, b) => a + b, 0);
        expect(sum).toBeGreaterThanOrEqual(total);
        // Only the last chunk has padding.
        expect(sum - (sizes.at(-1) ?? 0)).toBeLessThan(total);
        expect(sizes.every((s) => serverChunkSizes.includes(s))).toBe(true);
        expect(layOutChunks(sizes).at(-1)).toMatchObject({ chunkNo: sizes.length, offset: sum - (sizes.at(-1) ?? 0) });
        const single = singleChunkSize(total);
        expect(single === undefined).toBe(total > 4 * 1024 * 1024);
      }),
    );
  });
});

describe('file cipher', () => {
  const round = async (size: number, name: string): Promise<void> => {
    const plain = path.join(folder, 'plain');
    const content = randomBytes(size);
    writeFileSync(plain, content);
    const plan = planEncryption(name, size);
    const keys = { key: new Uint8Array(randomBytes(32)), nonce: new Uint8Array(randomBytes(24)) };
    const encrypted = await encryptFile({ filePath: plain }, plan, keys, path.join(folder, 'encrypted'));
    const whole = readFileSync(path.join(folder, 'encrypted'));
    const paths = encrypted.chunks.map((c) => {
      const file = path.join(folder, `chunk${c.chunkNo}`);
      writeFileSync(file, whole.subarray(c.offset, c.offset + c.size));
      return file;
    });
    const chunks = { paths, size: plan.encryptedSize, digest: encrypted.digest, ...keys };
    const result = await decryptFile(chunks, { filePath: path.join(folder, 'out') });
    expect(result).toEqual({ contentSize: size, fileName: name });
    expect(readFileSync(path.join(folder, 'out')).equals(content)).toBe(true);
    // Padding that starts in the last 15 bytes of a middle chunk would be appended by official receivers.
    const end = 8 + plan.header.length + size;
    const last = plan.encryptedSize - (plan.chunkSizes.at(-1) ?? 0);
    expect(plan.chunkSizes.length >= 3 && last - 16 < end && end < last).toBe(false);
  };

  it('files of all sizes come back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 700_000 }), (size) => round(size, 'name.bin')),
      { numRuns: 25 },
    );
  });

  it('sizes at the borders of chunks and tags', async () => {
    const header = 10;
    for (const border of [65_536, 131_072, 196_608, 262_144]) {
      for (const d of [-34, -33, -32, -25, -24, -23, -17, -16, -15, -14, -8, -2, -1, 0, 1]) {
        await round(border - 8 - header + d, 'name.bin');
      }
    }
  });

  it('names: any characters, at most 255 bytes, never a path', async () => {
    await round(10, 'ü✓.bin');
    expect(planEncryption('a/b/../c.txt', 1).header).toEqual(planEncryption('c.txt', 1).header);
    const long = planEncryption(`${'é'.repeat(200)}.txt`, 1).header;
    expect(long[0]).toBe(254);
    expect(long.length).toBe(256);
  });

  it('a changed byte anywhere is found, and nothing is left', async () => {
    const plain = path.join(folder, 'plain');
    writeFileSync(plain, randomBytes(1000));
    const keys = { key: new Uint8Array(randomBytes(32)), nonce: new Uint8Array(randomBytes(24)) };
    const target = path.join(folder, 'e');
    const encrypted = await encryptFile({ filePath: plain }, planEncryption('n', 1000), keys, target);
    const good = readFileSync(target);
    const out = path.join(folder, 'damaged');
    for (const at of [0, 7, 8, 9, 500, 65_519, 65_520, 65_535]) {
      const damaged = Buffer.from(good);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
      writeFileSync(target, damaged);
      const chunks = { paths: [target], size: 65_536, digest: encrypted.digest, ...keys };
      await expect(decryptFile(chunks, { filePath: out })).rejects.toMatchObject({ name: 'FileCipherError' });
      expect(() => readFileSync(out)).toThrow();
    }
  });
});
