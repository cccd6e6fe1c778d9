import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DecodeError, decodeWhole, encode } from '../wire/index.js';
import { readFlags, writeFlags } from './commands.js';
import { formatServer, parseServer, readServer, writeServer } from './index.js';
import { queueModeChar, readQueueMode } from './queues.js';
import { parseHost } from './server.js';

/** The basic types of encodings.json that belong to this room; src/wire/vectors.test.ts has the others. */
interface Encodings {
  readonly basic: readonly { readonly type: string; readonly smpEncode?: string; readonly strEncode?: string }[];
  readonly decoding: readonly {
    readonly type: string;
    readonly input: string;
    readonly result: { readonly ok: string } | { readonly error: string };
  }[];
}
const vectors: Encodings = JSON.parse(
  readFileSync(new URL('../../test/vectors/encodings.json', import.meta.url), 'utf8'),
);
const bytes = (s: string) => new Uint8Array(Buffer.from(s, 'hex'));
const hexOf = (b: Uint8Array) => Buffer.from(b).toString('hex');

/** In commands and messages a space ends the flags; the codec takes it with them. */
const flagsOf = (b: Uint8Array) => decodeWhole(Buffer.concat([b, Buffer.from(' ')]), 'flags', readFlags);

const binary: Readonly<Record<string, (b: Uint8Array) => Uint8Array>> = {
  TransportHost: (b) => {
    const host = parseHost(decodeWhole(b, 'host', (r) => r.text('host')));
    return encode((w) => w.text(host));
  },
  SMPServer: (b) => {
    const server = decodeWhole(b, 'server', (r) => readServer(r, 'smp'));
    return encode((w) => writeServer(w, server));
  },
  MsgFlags: (b) => {
    const flags = flagsOf(b);
    return encode((w) => writeFlags(w, flags));
  },
  QueueMode: (b) => {
    const mode = decodeWhole(b, 'mode', (r) => readQueueMode(r));
    return encode((w) => w.char(queueModeChar(mode)));
  },
};

const textual: Readonly<Record<string, (s: string) => string>> = {
  TransportHost: (s) => parseHost(s),
  SMPServer: (s) => formatServer(parseServer(s, 'smp')),
};

const here = vectors.basic.filter((v) => v.type in binary);

describe('basic types of SMP as the official implementation has them', () => {
  it.each(here.map((v, i) => [i, v.type, v] as const))('%i %s', (_i, type, v) => {
    if (v.smpEncode !== undefined) expect(hexOf(binary[type]?.(bytes(v.smpEncode)) ?? bytes(''))).toBe(v.smpEncode);
    const text = textual[type];
    if (v.strEncode !== undefined && text !== undefined) expect(text(v.strEncode)).toBe(v.strEncode);
  });

  it.each(vectors.decoding.filter((v) => v.type === 'MsgFlags').map((v) => [v.input, v] as const))(
    'flags of %s',
    (input, v) => {
      const decode = () => flagsOf(bytes(input));
      if ('ok' in v.result) expect(decode()).toEqual({ notification: v.result.ok.includes('True') });
      else expect(decode).toThrow(DecodeError);
    },
  );
});
