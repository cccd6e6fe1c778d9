import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  authenticate,
  certificateKey,
  decodePrivateKey,
  decodeSignedKey,
  openTail,
  publicKeyOf,
  sealTail,
  sign,
  signKey,
  verifySignedKey,
} from '../crypto/index.js';
import { formatFileSize, hex, parseFileSize } from '../wire/index.js';
import { prepareChunkSizes } from './chunks.js';
import { decodeXftpResponse, encodeXftpCommand } from './commands.js';
import {
  clientHelloBlock,
  decodeClientHello,
  decodeServerHello,
  encodeClientHello,
  encodeServerHello,
} from './handshake.js';
import {
  bareXftpError,
  decodeXftpBlock,
  decodeXftpCommand,
  decryptFile,
  encodeBareXftpError,
  encodeXftpBlock,
  encodeXftpResponse,
  encryptFile,
  formatFileDescription,
  formatFileLink,
  parseFileDescription,
  parseFileLink,
  planEncryption,
} from './index.js';
import { unpadBlock } from './transmission.js';

const load = (name: string) => JSON.parse(readFileSync(new URL(`../../test/vectors/${name}`, import.meta.url), 'utf8'));
const encodings = load('encodings.json');
const crypto = load('crypto.json');
const bytes = (s: string): Uint8Array => new Uint8Array(Buffer.from(s, 'hex'));
const sha256 = (b: Uint8Array): string => createHash('sha256').update(b).digest('hex');

const folder = mkdtempSync(path.join(tmpdir(), 'fanion-vectors-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('encodings.json', () => {
  it.each(encodings.xftpCommands as { name: string; encoded: string }[])('command $name', ({ encoded }) => {
    const command = decodeXftpCommand(bytes(encoded));
    expect(hex(encodeXftpCommand(command))).toBe(encoded);
  });

  it.each(encodings.xftpResponses as { name: string; encoded: string; version: number }[])(
    'response $name',
    ({ name, encoded, version }) => {
      const response = decodeXftpResponse(bytes(encoded));
      expect(hex(encodeXftpResponse(response, version))).toBe(encoded);
      if (name === 'ERR BLOCKED') {
        const blocked = { type: 'ERR', error: { type: 'BLOCKED', blockInfo: { reason: 'content' } } } as const;
        expect(hex(encodeXftpResponse(blocked, version))).toBe(encoded);
      }
    },
  );

  interface Transmission {
    readonly block: { readonly length: number; readonly sha256: string; readonly unpadded: string };
    readonly command: string;
    readonly corrId: string;
    readonly entityId: string;
    readonly keyPrivDer: string;
    readonly name: string;
    readonly serverSessionPriv: string;
    readonly sessionId: string;
  }
  it.each(encodings.xftpTransmissions as Transmission[])('transmission $name', (v) => {
    const key = decodePrivateKey(bytes(v.keyPrivDer), 'key', ['ed25519', 'x25519']);
    const corrId = bytes(v.corrId);
    const server = publicKeyOf({ alg: 'x25519', raw: bytes(v.serverSessionPriv) } as const);
    const block = encodeXftpBlock(
      { sessionId: bytes(v.sessionId), corrId, entityId: bytes(v.entityId), command: bytes(v.command) },
      (signed) =>
        key.alg === 'x25519'
          ? authenticate(server, { alg: 'x25519', raw: key.raw }, corrId, signed)
          : sign({ alg: 'ed25519', raw: key.raw }, signed),
    );
    expect(block.length).toBe(v.block.length);
    expect(hex(unpadBlock(block))).toBe(v.block.unpadded);
    expect(sha256(block)).toBe(v.block.sha256);
    const t = decodeXftpBlock(block);
    expect([hex(t.sessionId), hex(t.corrId), hex(t.entityId), hex(t.command)]).toEqual([
      v.sessionId,
      v.corrId,
      v.entityId,
      v.command,
    ]);
  });

  it('handshake of server and client', () => {
    const [server, client] = encodings.handshakes as { name: string; smpEncode: string }[];
    const hello = decodeServerHello(bytes(server?.smpEncode ?? ''));
    expect(hex(encodeServerHello(hello))).toBe(server?.smpEncode);
    expect(hello.versions).toEqual({ min: 1, max: 3 });
    const clientHello = decodeClientHello(bytes(client?.smpEncode ?? ''));
    expect(hex(encodeClientHello(clientHello))).toBe(client?.smpEncode);
    // A tail, as 6.5 servers send it, is ignored.
    expect(decodeServerHello(bytes(`${server?.smpEncode}00`)).versions).toEqual({ min: 1, max: 3 });
  });

  it.each(encodings.fileDescriptions as { name: string; yaml: string; json: object }[])(
    'description $name',
    ({ yaml, json }) => {
      const description = parseFileDescription(yaml);
      expect(formatFileDescription(description)).toBe(yaml);
      expect(formatFileDescription(parseFileDescription(JSON.stringify(json)))).toBe(yaml);
    },
  );

  it.each(
    encodings.fileDescriptionErrors as { name: string; input: string; result: { ok?: string; error?: string } }[],
  )('reading a description: $name', ({ input, result }) => {
    if (result.ok === undefined) expect(() => parseFileDescription(input)).toThrow();
    else expect(formatFileDescription(parseFileDescription(input))).toBe(result.ok);
  });

  it.each(encodings.fileDescriptionUris as { uri: string; length: number; clientData: string | null }[])(
    'link of $length characters',
    ({ uri, clientData }) => {
      const link = parseFileLink(uri);
      expect(link.clientData ?? null).toBe(clientData);
      expect(formatFileLink(link)).toBe(uri);
      expect(parseFileLink(uri.replace('simplex:/', 'https://simplex.chat/'))).toEqual(link);
    },
  );

  it('file sizes', () => {
    const sizes = (
      encodings.strDecoding as { type: string; input: string; result: { ok?: { strEncode: string } } }[]
    ).filter((v) => v.type === 'FileSize');
    expect(sizes.length).toBeGreaterThan(0);
    for (const { input, result } of sizes) {
      if (result.ok === undefined) expect(() => parseFileSize(input)).toThrow();
      else expect(formatFileSize(parseFileSize(input))).toBe(result.ok.strEncode);
    }
  });
});

describe('crypto.json', () => {
  it.each(crypto.chunkSizes as { size: number; chunks: number[] }[])('chunks of $size bytes', ({ size, chunks }) => {
    expect(prepareChunkSizes(size)).toEqual(chunks);
  });

  it('encryption of chunks in transfer', () => {
    for (const v of crypto.chunkTransit) {
      expect(hex(sealTail(bytes(v.secret), bytes(v.nonce), bytes(v.chunk)))).toBe(v.encrypted);
      expect(hex(openTail(bytes(v.secret), bytes(v.nonce), bytes(v.encrypted)))).toBe(v.chunk);
    }
  });

  const text = 'The quick brown fox jumps over the lazy dog. ';
  it.each(
    (crypto.xftpFiles as Record<string, unknown>[]).map((v, i) => ({ ...v, i })) as {
      i: number;
      fileName: string;
      contentLength: number;
      fileHeader: string;
      chunkSizes: number[];
      chunkSha256Digests: string[];
      encSize: number;
      key: string;
      nonce: string;
      sha256: string;
      sha512Digest: string;
    }[],
  )('file $fileName', async (v) => {
    const content = Buffer.from(text.repeat(Math.ceil(v.contentLength / text.length) + 1)).subarray(0, v.contentLength);
    const plain = path.join(folder, `plain${v.i}`);
    writeFileSync(plain, content);
    const target = path.join(folder, `encrypted${v.i}`);
    const plan = planEncryption(v.fileName, v.contentLength);
    expect(plan.chunkSizes).toEqual(v.chunkSizes);
    // 6.4 writes the low bytes of the characters of the name, we write UTF-8 as later versions do.
    const recorded = { ...plan, header: bytes(v.fileHeader) };
    const encrypted = await encryptFile(
      { filePath: plain },
      recorded,
      { key: bytes(v.key), nonce: bytes(v.nonce) },
      target,
    );
    expect(sha256(readFileSync(target))).toBe(v.sha256);
    expect(hex(encrypted.digest)).toBe(v.sha512Digest);
    expect(encrypted.chunks.map((c) => hex(c.digest))).toEqual(v.chunkSha256Digests);
    const back = path.join(folder, `decrypted${v.i}`);
    const chunks = {
      paths: [target],
      size: v.encSize,
      digest: encrypted.digest,
      key: bytes(v.key),
      nonce: bytes(v.nonce),
    };
    const decrypted = await decryptFile(chunks, { filePath: back });
    expect(decrypted.contentSize).toBe(v.contentLength);
    expect(readFileSync(back).equals(content)).toBe(true);
  });
});

describe('40-xftp, section 11', () => {
  const sessionId = Uint8Array.from({ length: 32 }, (_, i) => i);
  const keyHash = bytes('6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126');

  it('V5: client hello, PING, FGET, FILE', () => {
    expect(sha256(clientHelloBlock({ version: 3, keyHash }))).toBe(
      '6ce22a80828c452ed520a0e9a1bacea0c3f292d28bdbfe20a06b2a637980232f',
    );
    const ping = encodeXftpBlock({
      sessionId,
      entityId: new Uint8Array(),
      command: encodeXftpCommand({ type: 'PING' }),
    });
    expect(sha256(ping)).toBe('ed0a6afb66ca5d029cf446bee2d7843b838a1ff75945d3c2abf0466cb6ab406b');
    const dhKey = publicKeyOf({ alg: 'x25519', raw: new Uint8Array(32).fill(5) } as const);
    expect(hex(encodeXftpCommand({ type: 'FGET', dhKey }))).toBe(
      '46474554202c302a300506032b656e03210050a61409b1ddd0325e9b16b700e719e9772c07000b1bd7786e907c653d20495d',
    );
  });

  it('V5: FNEW and FPUT signed by the sender', () => {
    const key = { alg: 'ed25519', raw: new Uint8Array(32).fill(1) } as const;
    const digest = bytes('0eb30d8f0e3c8f41de5efdbc0c7bc078bde90a439097e1b9a912b04e933b9e98');
    const command = encodeXftpCommand({
      type: 'FNEW',
      sndKey: publicKeyOf(key),
      size: 65_536,
      digest,
      rcvKeys: [publicKeyOf({ alg: 'ed25519', raw: new Uint8Array(32).fill(2) } as const)],
    });
    const block = encodeXftpBlock({ sessionId, entityId: new Uint8Array(), command }, (signed) => sign(key, signed));
    expect(sha256(block)).toBe('2b83b5ea78b1fdc78f92bb2c53db08d5976c677941186190dd3a30dd28dc03db');
    const entityId = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);
    const fput = encodeXftpBlock({ sessionId, entityId, command: encodeXftpCommand({ type: 'FPUT' }) }, (s) =>
      sign(key, s),
    );
    expect(sha256(fput)).toBe('78da81be4beca3404e8498c8b6ddf281c55c059dc4a4e6c8d8b7d3c121228396');
  });

  it('V4 and V7: a file and its description', async () => {
    const plain = path.join(folder, 'a.txt');
    writeFileSync(plain, 'hello\n');
    const keys = { key: new Uint8Array(32).fill(3), nonce: new Uint8Array(24).fill(4) };
    const encrypted = await encryptFile({ filePath: plain }, planEncryption('a.txt', 6), keys, path.join(folder, 'v4'));
    const [chunk] = encrypted.chunks;
    expect(hex(chunk?.digest ?? new Uint8Array())).toBe(
      '0eb30d8f0e3c8f41de5efdbc0c7bc078bde90a439097e1b9a912b04e933b9e98',
    );
    const yaml = formatFileDescription({
      party: 'recipient',
      size: 65_536,
      digest: encrypted.digest,
      ...keys,
      chunkSize: 65_536,
      chunks: encrypted.chunks.map((c) => ({
        chunkNo: c.chunkNo,
        chunkSize: c.size,
        digest: c.digest,
        replicas: [
          {
            server: 'xftp://aVkJcAHRBQGsfVTAvbjbYUIPZY8pIswm5G1TYRmjESY=@xftp.example.org',
            replicaId: Uint8Array.from({ length: 16 }, (_, i) => 0xb0 + i),
            replicaKey: { alg: 'ed25519', raw: new Uint8Array(32).fill(2) },
          },
        ],
      })),
    });
    expect(yaml.length).toBe(471);
    expect(yaml).toContain('  - 1:sLGys7S1tre4ubq7vL2-vw==:MC4CAQAwBQYDK2VwBCIEIAICAgICAgIC');
    expect(formatFileLink({ description: parseFileDescription(yaml) }).length).toBe(584);
  });

  it('V9: a signed session key', () => {
    const leaf = { alg: 'ed25519', raw: new Uint8Array(32).fill(8) } as const;
    const key = publicKeyOf({ alg: 'x25519', raw: new Uint8Array(32).fill(9) } as const);
    const signed = signKey(key, leaf);
    expect(hex(signed.der)).toBe(
      '3078302c302a300506032b656e03210057db4b359f23ae5e146e4e2512056704722506348c150c14753d0c933d04d421300506032b6570034100b8bcab40d8cf6dd9bd53b8bde2e60148b49ec36e830f3b8785f65446ca6a7b018281571a98469b6a544c002b7b341080e5d10886e12d33066267cc3522204303',
    );
  });

  it('V10: the hello of an official server, whose leaf signed the session key', () => {
    const recorded = [
      'AAEAAyC+ggb+mxzjuVxVuwHNdRA+HOhEhhcLa1JtkXM4Gn4YJwIBdTCCAXEwggEjoAMCAQICFGMbnZG+/auGRx645QmlGilF1Aew',
      'MAUGAytlcDAqMRYwFAYDVQQDDA1TTVAgc2VydmVyIENBMRAwDgYDVQQKDAdTaW1wbGVYMCAXDTI2MTEyMDA4NTAyMloYDzQ3NjQx',
      'MDE2MDg1MDIyWjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwKjAFBgMrZXADIQCCT+4ukSWY1f8PGoPretoRulQQsKqbqw8hQ2lNBB2Q',
      'PKNvMG0wCQYDVR0TBAIwADALBgNVHQ8EBAMCA8gwEwYDVR0lBAwwCgYIKwYBBQUHAwEwHQYDVR0OBBYEFE+G9yQ6+IPdZ6VjBCxT',
      'W3urnmynMB8GA1UdIwQYMBaAFI+NYe4qyGy3fZ/Ds7xUsPLfza8DMAUGAytlcANBAKGx1OuWj77bw0JSMCHju4tOwwjcGZZoTtHR',
      '71KAuxjjmcSaJDpALQsK6DF8fbsYQeEgGOZo00H7aCYxXiIxbwABbzCCAWswggEdoAMCAQICFC+/GjZfWdqM6Yie9j05nMsINHTt',
      'MAUGAytlcDAqMRYwFAYDVQQDDA1TTVAgc2VydmVyIENBMRAwDgYDVQQKDAdTaW1wbGVYMCAXDTI2MTEyMDA4NTAyMloYDzQ3NjQx',
      'MDE2MDg1MDIyWjAqMRYwFAYDVQQDDA1TTVAgc2VydmVyIENBMRAwDgYDVQQKDAdTaW1wbGVYMCowBQYDK2VwAyEA2vH3D38BKZFx',
      'xaznv+Us89CYnQj20JIbMQJsJDyrgl2jUzBRMB0GA1UdDgQWBBSPjWHuKshst32fw7O8VLDy382vAzAfBgNVHSMEGDAWgBSPjWHu',
      'Kshst32fw7O8VLDy382vAzAPBgNVHRMBAf8EBTADAQH/MAUGAytlcANBAFbMPg8o7mJzH3DLAhMwk1jaeTEXooRuMonru1i1jdj3',
      'Frrr6cm/7Uf3+zJxQFqc70bXmQN4XiTD1ugtAYzqWwEAejB4MCwwKjAFBgMrZW4DIQBW+BWUbN48IjabR96SQA24Zh1jFA0Rek5r',
      '/pulk3b7MzAFBgMrZXADQQCJNyahMCYE16VtSk++JXmqjHFwcC5dE/LJP6Ls+Je/bePtqVrAfBmfT5AVB/ViOpvaz1RTWxz7ga0U',
      'ncpOc8oB',
    ].join('');
    const hello = decodeServerHello(Buffer.from(recorded, 'base64'));
    const [leaf, ca] = hello.certificates;
    expect(sha256(ca ?? new Uint8Array())).toBe('1b009d4943dbbdf91521c24fae7ae51b20ebef6fa67bd7fac86b19226fd1b608');
    expect(hex(hello.sessionId)).toBe('be8206fe9b1ce3b95c55bb01cd75103e1ce84486170b6b526d9173381a7e1827');
    const signed = decodeSignedKey(hello.signedKey, 'signedKey', ['x25519']);
    expect(verifySignedKey(signed, certificateKey(leaf ?? new Uint8Array()))).toBe(true);
    expect(hex(signed.key.raw)).toBe('56f815946cde3c22369b47de92400db8661d63140d117a4e6bfe9ba59376fb33');
  });

  it('bare handshake errors are recognised, responses are not', () => {
    expect(bareXftpError(encodeBareXftpError('HANDSHAKE'))).toEqual({ type: 'HANDSHAKE' });
    expect(bareXftpError(encodeBareXftpError('SESSION'))).toEqual({ type: 'SESSION' });
    expect(bareXftpError(clientHelloBlock({ version: 3, keyHash }))).toBeUndefined();
  });

  it('BLOCKED with a notice of 6.5 servers', () => {
    const r = decodeXftpResponse(Buffer.from('ERR BLOCKED reason=content,notice={"ttl":123}'));
    expect(r).toEqual({
      type: 'ERR',
      error: { type: 'BLOCKED', blockInfo: { reason: 'content', notice: { ttl: 123 } } },
    });
  });
});
