import { beforeAll, describe, expect, it } from 'vitest';
import { type Compression, loadCompression } from '../../crypto/index.js';
import { concat, utf8Bytes } from '../../wire/index.js';
import { parseChatBody } from './index.js';

/** Example of 60-groups, section 14.4. */
const inner = '{"v":"1-16","msgId":"QUFFQ0F3UUZCZ2NJQ1FvTA==","event":"x.grp.leave","params":{}}';
const head = '3e4d1041414543417751464267634943516f4c05616c6963650000000065937d25';
const forwarded = concat(new Uint8Array(Buffer.from(head, 'hex')), utf8Bytes(inner));

const batch = (...elements: readonly Uint8Array[]): Uint8Array =>
  concat(
    new Uint8Array([0x3d, elements.length]),
    ...elements.flatMap((e) => [new Uint8Array([e.length >> 8, e.length & 255]), e]),
  );
const signed = (json: string): Uint8Array =>
  concat(new Uint8Array([0x2f, 0x47, 1, 0x4d, 64]), new Uint8Array(64), utf8Bytes(json));

describe('binary batches of newer clients', () => {
  let compression: Compression;
  beforeAll(async () => {
    compression = await loadCompression();
  });
  const parse = (body: Uint8Array) => parseChatBody(body, compression);
  const leave = { msgId: 'QUFFQ0F3UUZCZ2NJQ1FvTA==', event: { type: 'x.grp.leave' } };
  const forward = {
    type: 'json',
    versionless: true,
    message: {
      event: {
        type: 'x.grp.msg.forward',
        memberId: 'QUFFQ0F3UUZCZ2NJQ1FvTA==',
        memberName: 'alice',
        msgTs: '2024-01-02T03:04:05Z',
        msg: leave,
      },
    },
  };

  it('hold forwarded messages, also alone', () => {
    expect(batch(forwarded).length).toBe(118);
    expect(parse(batch(forwarded))).toMatchObject([forward]);
    expect(parse(forwarded)).toMatchObject([forward]);
  });

  it('hold plain and signed messages; a bad one does not disturb the others', () => {
    const got = parse(batch(utf8Bytes(inner), utf8Bytes('no message'), signed(inner), forwarded));
    expect(got.map((m) => m.type)).toEqual(['json', 'error', 'json', 'json']);
    expect(got[2]).toMatchObject({ type: 'json', message: leave });
    expect(parse(signed(inner))).toMatchObject([{ type: 'json', message: leave }]);
  });

  it('may come from nobody in particular', () => {
    const channel = concat(new Uint8Array(Buffer.from('3e430000000065937d25', 'hex')), utf8Bytes(inner));
    expect(parse(channel)).toMatchObject([{ type: 'json', message: { event: { memberId: undefined } } }]);
  });

  it('are refused when they are nested or cut', () => {
    const again = concat(new Uint8Array(Buffer.from(head, 'hex')), forwarded);
    for (const bad of [
      batch(again),
      batch(batch(forwarded)),
      batch(forwarded).subarray(0, 60),
      new Uint8Array([0x3d]),
    ]) {
      expect(parse(bad).map((m) => m.type)).toEqual(['error']);
    }
  });
});
