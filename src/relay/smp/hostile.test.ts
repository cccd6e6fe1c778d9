import { connect as connectTcp } from 'node:net';
import { connect } from 'node:tls';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateKeyPair, pad } from '../../crypto/index.js';
import { blockSize, encodeClientHello, type SmpCommand, SmpV, smpAlpn, tlsParameters } from '../../smp/index.js';
import type { SmpRelay } from './options.js';
import { Fixture } from './testing-support/fixture.js';
import { newCorrId, newQueue, type RawClient, sendCommand } from './testing-support/raw-client.js';

const none = new Uint8Array(0);

describe('SMP relay and hostile clients', () => {
  const f = new Fixture();
  let relay: SmpRelay;
  beforeAll(async () => {
    relay = await f.relay({ storage: f.storage('sqlite'), handshakeTimeoutMs: 2_000, tlsTimeoutMs: 2_000 });
  });
  afterAll(() => f.close());

  async function works(): Promise<void> {
    const client = await f.client(relay);
    const q = await newQueue(client);
    expect(await client.request(q.ids.sndId, sendCommand('x'))).toEqual({ msg: 'OK' });
    expect((await client.event()).message.msg).toBe('MSG');
    await client.close();
  }

  /** Sends blocks after TLS instead of a hello, or after one; resolves when the relay closes. */
  function raw(blocks: readonly Uint8Array[]): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect({
        host: '127.0.0.1',
        port: relay.port,
        rejectUnauthorized: false,
        ALPNProtocols: [smpAlpn],
        ...tlsParameters,
      });
      socket.on('error', () => {});
      socket.on('data', () => {});
      socket.on('close', () => resolve());
      socket.once('secureConnect', () => {
        for (const block of blocks) socket.write(block);
      });
    });
  }

  it('closes on bytes that are not TLS, and on silence', async () => {
    const closed = (bytes: Uint8Array): Promise<void> =>
      new Promise((resolve) => {
        const socket = connectTcp(relay.port, '127.0.0.1', () => socket.write(bytes));
        socket.on('error', () => {});
        socket.on('data', () => {});
        socket.on('close', () => resolve());
      });
    await Promise.all([closed(Buffer.from('GET / HTTP/1.1\r\n\r\n')), closed(none), raw([])]);
    await works();
  });

  it('closes on hellos that are garbage', async () => {
    const hello = encodeClientHello({
      version: SmpV.BlockedNotice,
      keyHash: relay.fingerprint,
      sessionKey: generateKeyPair('x25519').publicKey,
      proxyServer: false,
      service: undefined,
    });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 34 }), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        // Within the fingerprint: another version may be a good one, and a damaged key counts as none.
        const damaged = Uint8Array.from(hello);
        damaged[at] = (damaged[at] ?? 0) ^ flip;
        await raw([pad(damaged, blockSize)]);
      }),
      { numRuns: 25 },
    );
    const unknownVersion = Uint8Array.from(hello);
    unknownVersion.set([0xff, 0xff]);
    await raw([pad(unknownVersion, blockSize)]);
    await raw([new Uint8Array(blockSize).fill(0xff)]);
    // A key of small order gives a secret that anybody knows.
    const small = Uint8Array.from(hello);
    small.fill(0, small.length - 34, small.length - 2);
    await raw([pad(small, blockSize)]);
    await works();
  });

  it('answers damaged transmissions with errors, goes on, and changes nothing', async () => {
    const client = await f.client(relay);
    const q = await newQueue(client, { subMode: 'create' });
    const commands: readonly (readonly [Uint8Array, SmpCommand])[] = [
      [q.ids.rcvId, { cmd: 'SUB' }],
      [q.ids.rcvId, { cmd: 'DEL' }],
      [q.ids.rcvId, { cmd: 'KEY', key: q.sndPublic }],
      [q.ids.rcvId, { cmd: 'LSET', linkId: newCorrId(), data: { fixed: none, user: none } }],
      [q.ids.rcvId, { cmd: 'NKEY', notifier: { authKey: q.sndPublic, dhKey: generateKeyPair('x25519').publicKey } }],
      [newCorrId(), { cmd: 'SKEY', key: q.sndPublic }],
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...commands),
        fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 }),
        fc.nat(20),
        async ([entityId, command], changes, cut) => {
          const bytes = Uint8Array.from(client.encode(newCorrId(), entityId, command, q.rcvKey));
          for (const [at, flip] of changes) {
            const i = at % bytes.length;
            bytes[i] = (bytes[i] ?? 0) ^ flip;
          }
          // Two changes may undo each other at one place: then it is a good command.
          const damaged = cut > 0 && cut < 10 ? bytes.subarray(0, bytes.length - cut) : bytes;
          client.sendAll([damaged]);
          await client.ping();
        },
      ),
      { numRuns: 150 },
    );
    const fresh = await f.client(relay);
    expect((await fresh.request(q.ids.rcvId, { cmd: 'SUB' }, q.rcvKey)).msg).toBe('SOK');
    await works();
  });

  it('survives clients that vanish in the middle of everything', async () => {
    const before = relay.connections;
    const clients = await Promise.all(Array.from({ length: 20 }, () => f.client(relay)));
    const busy = async (client: RawClient, i: number): Promise<void> => {
      const q = await newQueue(client);
      client.requestMany(
        Array.from({ length: 10 }, () => ({ entityId: q.ids.sndId, command: sendCommand('x'.repeat(9000)) })),
      );
      if (i % 2 === 0) await client.ping();
      client.socket.destroy();
    };
    await Promise.all(clients.map(busy));
    await works();
    while (relay.connections > before) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});
