import { describe, expect, it } from 'vitest';
import { base64url, DecodeError } from '../wire/index.js';
import { formatQueueUri, parseQueueUri } from './queues.js';

const keyHash = base64url(new Uint8Array(32).fill(1));
const senderId = base64url(new Uint8Array(24).fill(2));
/** SPKI of an X25519 key of 32 bytes of 9. */
const dh = base64url(Buffer.from(`302a300506032b656e032100${'09'.repeat(32)}`, 'hex'));
const link = (query: string) => `smp://${keyHash}@relay.example/${senderId}#/?${query}`;

describe('the query of a queue address is read as upstream reads queries', () => {
  it('pairs may end at a semicolon, come in any order and be unknown', () => {
    const uri = parseQueueUri(link(`q=m;new=1&dh=${dh};v=1-4`));
    expect(uri.address.queueMode).toBe('messaging');
    expect(uri.clientRange).toEqual({ min: 1, max: 4 });
    expect(parseQueueUri(formatQueueUri(uri))).toEqual(uri);
  });

  it('the first of a repeated name counts', () => {
    expect(parseQueueUri(link(`v=4&v=1-2&dh=${dh}&q=c&q=m`))).toMatchObject({
      clientRange: { min: 4, max: 4 },
      address: { queueMode: 'contact' },
    });
  });

  it('names and values are unescaped, and padding of base64 needs no escape', () => {
    const { address } = parseQueueUri(link(`v=4&%64h=${dh}&srv=one.example%2Ctwo.example`));
    expect(address.server.hosts).toEqual(['relay.example', 'one.example', 'two.example']);
    expect(parseQueueUri(link(`v=4&dh=${dh.replace('=', '%3D')}`)).address.dhPublicKey).toEqual(address.dhPublicKey);
  });

  it('% without two digits stays as it is, and what it breaks is a DecodeError', () => {
    expect(parseQueueUri(link(`v=4&dh=${dh}&note=100%`)).address.queueMode).toBeUndefined();
    for (const query of ['', 'v=4', 'v=4&dh', `v=4&dh=%${dh}`, `dh=${dh}`, `v=4&dh=${dh}&srv=%FF`]) {
      expect(() => parseQueueUri(link(query)), query).toThrow(DecodeError);
    }
  });
});
