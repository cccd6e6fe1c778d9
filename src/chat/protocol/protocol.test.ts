import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../core/index.js';
import { type Compression, loadCompression } from '../../crypto/index.js';
import { formatVersionRange, utf8Bytes } from '../../wire/index.js';
import {
  acceptedChatVersion,
  type ChatMessage,
  ChatV,
  chatMessageJson,
  chatVersion,
  connInfoBody,
  encodeChatMessage,
  encodeFileChunk,
  hasNotification,
  joinBatch,
  LargeMessageError,
  maxEncodedMessage,
  messageBody,
  newProbe,
  newSharedMsgId,
  newXContactId,
  normalTime,
  ourChatVersions,
  packBatches,
  parseChatBody,
  parseConnInfo,
  parseStrictJson,
  updatedChatVersion,
  wantsReceipt,
} from './index.js';

interface Result {
  readonly error?: string;
  readonly encoding?: 'json' | 'binary';
  readonly event?: string;
  readonly msgId?: string | null;
  readonly versionRange?: string;
  readonly reencoded?: 'large' | { readonly json?: unknown; readonly hex?: string };
}

const vectors = JSON.parse(
  readFileSync(new URL('../../../test/vectors/chat-messages.json', import.meta.url), 'utf8'),
) as {
  json: { name: string; input: string; results: Result[] }[];
  binary: { name: string; inputHex: string; results: Result[] }[];
};

let compression: Compression;
beforeAll(async () => {
  compression = await loadCompression();
});

/** What a recorded result says, computed for a body. */
function results(body: Uint8Array): Result[] {
  return parseChatBody(body, compression).map((m): Result => {
    if (m.type === 'error') return { error: 'error' };
    if (m.type === 'binary') {
      return {
        encoding: 'binary',
        event: 'F',
        msgId: m.msgId ?? null,
        versionRange: '1',
        reencoded: { hex: Buffer.from(encodeFileChunk(m.event)).toString('hex') },
      };
    }
    const { message } = m;
    return {
      encoding: 'json',
      event: message.event.type === 'unknown' ? message.event.event : message.event.type,
      msgId: message.msgId ?? null,
      versionRange: formatVersionRange(message.versions),
      reencoded: reencoded(message),
    };
  });
}

function reencoded(message: ChatMessage): 'large' | { json: unknown } {
  try {
    return { json: JSON.parse(Buffer.from(encodeChatMessage(message)).toString('utf8')) as unknown };
  } catch (error) {
    if (error instanceof LargeMessageError) return 'large';
    throw error;
  }
}

function recorded(r: Result): Result {
  if (r.error !== undefined) return { error: 'error' };
  const range = JSON.parse(r.versionRange ?? '') as { minVersion: number; maxVersion: number };
  const { reencoded: re } = r;
  return {
    encoding: r.encoding,
    event: r.event,
    msgId: r.msgId,
    versionRange: formatVersionRange({ min: range.minVersion, max: range.maxVersion }),
    reencoded:
      re === 'large' || re === undefined ? 'large' : re.hex !== undefined ? { hex: re.hex } : { json: re.json },
  } as Result;
}

describe('chat messages', () => {
  /** The official program refuses messages with roles of newer versions; we take them for observers. */
  const lenient: ReadonlySet<string> = new Set(['x.grp.inv 2', 'x.grp.mem.role 4']);

  it('are read and written as the official program does', () => {
    for (const v of vectors.json) {
      if (lenient.has(v.name)) expect(results(utf8Bytes(v.input))[0]?.encoding, v.name).toBe('json');
      else expect(results(utf8Bytes(v.input)), v.name).toEqual(v.results.map(recorded));
    }
    expect(vectors.json.length).toBeGreaterThan(250);
  });

  it('are read in compressed, binary and damaged bodies', () => {
    for (const v of vectors.binary) {
      expect(results(Buffer.from(v.inputHex, 'hex')), v.name).toEqual(v.results.map(recorded));
    }
  });

  it('never throw, whatever a peer sends', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        fc.constantFrom('', '{', '[', 'X', 'X\u00011', 'F', '[{'),
        (bytes, head) => {
          parseChatBody(Buffer.concat([Buffer.from(head, 'latin1'), bytes]), compression);
        },
      ),
      { numRuns: 2000 },
    );
    const json = fc.json({ maxDepth: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...vectors.json.map((v) => v.input)), fc.nat(), json, (input, at, piece) => {
        const cut = at % (input.length + 1);
        parseChatBody(utf8Bytes(input.slice(0, cut) + piece + input.slice(cut)), compression);
      }),
      { numRuns: 2000 },
    );
    const deep = utf8Bytes(`{"v":"1","event":"x.foo","params":{"a":${'['.repeat(100_000)}`);
    expect(parseChatBody(deep, compression)[0]?.type).toBe('error');
  });

  it('replace half surrogates when they are written', () => {
    const event = { type: 'x.msg.new', content: { type: 'text', text: 'a\ud83d b😀' } } as const;
    const bytes = encodeChatMessage({ versions: ourChatVersions, msgId: 'AQIDBA==', event });
    const [read] = parseChatBody(bytes, compression);
    expect(read).toMatchObject({ message: { event: { content: { text: 'a\ufffd b😀' } } } });
  });

  it('keep what is not known', () => {
    const content = { type: 'poll', text: 'p', options: [1, { a: null }] };
    const [m] = parseChatBody(utf8Bytes(JSON.stringify({ event: 'x.msg.new', params: { content } })), compression);
    expect(m).toMatchObject({ message: { event: { content } } });
    const info = parseConnInfo(utf8Bytes('{"event":"x.foo","params":{"a":1}}'), compression);
    expect(info).toMatchObject({ message: { event: { type: 'unknown', event: 'x.foo', params: { a: 1 } } } });
  });

  it('take the first of repeated keys and refuse text after the end', () => {
    expect(parseStrictJson('{"a":1,"a":2,"__proto__":{"x":1}}')).toEqual(JSON.parse('{"a":1,"__proto__":{"x":1}}'));
    for (const bad of ['{"a":1}x', '"\\ud83d"', '"a\nb"', '01', '{a:1}', '[1,]', '', 'nul']) {
      expect(() => parseStrictJson(bad), bad).toThrow();
    }
    fc.assert(
      fc.property(fc.jsonValue({ depthSize: 'medium' }), (v) => {
        const text = JSON.stringify(v);
        if (/\\u[dD][89a-f]/i.test(text)) return;
        expect(JSON.stringify(parseStrictJson(text))).toBe(JSON.stringify(JSON.parse(text)));
      }),
    );
  });
});

describe('bodies', () => {
  const lengths = (...sizes: number[]): unknown =>
    packBatches(sizes, (n) => n).map((b) => (b.type === 'batch' ? b.items : { tooLarge: b.item }));

  it('are filled from the last message, up to the limit', () => {
    expect(lengths(5000, 5000, 5000, 5000)).toEqual([[5000], [5000, 5000, 5000]]);
    expect(lengths(8000, 8000, 8000)).toEqual([[8000], [8000], [8000]]);
    expect(lengths(7799, 7800)).toEqual([[7799, 7800]]);
    expect(lengths(7800, 7800)).toEqual([[7800], [7800]]);
    expect(lengths(100, 15603, 100)).toEqual([[100], { tooLarge: 15603 }, [100]]);
    expect(lengths(maxEncodedMessage)).toEqual([[maxEncodedMessage]]);
    const bodies = [utf8Bytes('{"a":1}'), utf8Bytes('{"b":2}')];
    expect(Buffer.from(joinBatch(bodies)).toString()).toBe('[{"a":1},{"b":2}]');
  });

  it('are compressed only where a post-quantum connection needs it', () => {
    const text = (n: number): ChatMessage => ({
      versions: ourChatVersions,
      msgId: undefined,
      event: { type: 'x.msg.new', content: { type: 'text', text: 'z'.repeat(n) } },
    });
    const body = encodeChatMessage(text(15_000));
    const pq = { pqSupport: true, version: ChatV.ShortLinkData };
    expect(messageBody(body, { ...pq, pqSupport: false }, compression)).toBe(body);
    expect(messageBody(body, { ...pq, version: chatVersion(7) }, compression)).toBe(body);
    const small = messageBody(body, pq, compression);
    expect(small.length).toBeLessThan(200);
    expect(parseChatBody(small, compression)).toEqual(parseChatBody(body, compression));
    const random = Buffer.from(seededRandom('body').bytes(11_000)).toString('base64');
    const noise = encodeChatMessage({
      ...text(0),
      event: { type: 'x.msg.new', content: { type: 'text', text: random } },
    });
    expect(() => connInfoBody(noise.subarray(0, 14_600), pq, compression)).toThrow(LargeMessageError);
    expect(() => encodeChatMessage(text(16_000))).toThrow(LargeMessageError);
    const exact = maxEncodedMessage - encodeChatMessage(text(0)).length;
    expect(encodeChatMessage(text(exact)).length).toBe(maxEncodedMessage);
    expect(() => encodeChatMessage(text(exact + 1))).toThrow(LargeMessageError);
  });

  it('say who is notified and what is confirmed', () => {
    const event = { type: 'x.msg.new', content: { type: 'text', text: '' } } as const;
    expect([hasNotification(event), wantsReceipt(event)]).toEqual([true, true]);
    expect([hasNotification({ type: 'x.ok' }), wantsReceipt({ type: 'x.ok' })]).toEqual([false, false]);
  });
});

describe('ids, versions and times', () => {
  it('are made as recorded', () => {
    const bytes = { bytes: (n: number) => Uint8Array.from({ length: n }, (_, i) => i) };
    expect(newSharedMsgId(bytes)).toBe('QUFFQ0F3UUZCZ2NJQ1FvTA==');
    expect(newSharedMsgId({ bytes: (n) => new Uint8Array(n).fill(0xfb) })).toBe('Ky92NysvdjcrL3Y3Ky92Nw==');
    expect(newXContactId(bytes)).toBe('AAECAwQFBgcICQoLDA0ODw==');
    expect(newProbe(bytes)).toBe('QUFFQ0F3UUZCZ2NJQ1FvTERBME9EeEFSRWhNVUZSWVhHQmthR3h3ZEhoOD0=');
  });

  it('agree upwards only', () => {
    const v = (min: number, max = min) => ({ min: chatVersion(min), max: chatVersion(max) });
    expect(acceptedChatVersion(v(1, 11))).toBe(11);
    expect(acceptedChatVersion(v(1, 18))).toBe(16);
    expect(acceptedChatVersion(v(17, 18))).toBe(17);
    expect(updatedChatVersion(chatVersion(12), v(1, 11))).toBe(12);
    expect(updatedChatVersion(chatVersion(1), v(1, 18))).toBe(16);
    expect(updatedChatVersion(chatVersion(12), v(17, 18))).toBe(12);
  });

  it('have one form', () => {
    expect(normalTime('2023-11-14T22:13:20.500+01:00')).toBe('2023-11-14T21:13:20.5Z');
    expect(normalTime('1970-01-01T00:00:01.000000001Z')).toBe('1970-01-01T00:00:01.000000001Z');
    expect(normalTime('yesterday')).toBeUndefined();
  });

  it('leave nothing undefined in the JSON value of a message', () => {
    const event = { type: 'x.ok' } as const;
    expect(JSON.stringify(chatMessageJson({ versions: ourChatVersions, msgId: undefined, event }))).toBe(
      '{"v":"1-16","event":"x.ok","params":{}}',
    );
  });
});
