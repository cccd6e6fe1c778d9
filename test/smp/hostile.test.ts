import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/core/index.js';
import { mutate, repeatable, soakRuns } from '../../src/wire/testing-support/fuzz.js';
import { ScriptedRelay } from './scripted-relay.js';
import { closeClients, connect, failure, senderKey, type TestClient } from './support.js';

const session = JSON.parse(readFileSync('test/vectors/session.json', 'utf8'));
const payloads: Uint8Array[] = session.sessions
  .flatMap((s: { clients: Record<string, { blocks: { dir: string; version: number; payload: string }[] }> }) =>
    Object.values(s.clients).flatMap((c) => c.blocks),
  )
  .filter((b: { dir: string; version: number }) => b.dir === 'fromServer' && b.version > 0)
  .map((b: { payload: string }) => Uint8Array.from(Buffer.from(b.payload, 'hex')));

describe('a relay that sends mutated blocks', () => {
  const relays: ScriptedRelay[] = [];

  afterAll(async () => {
    closeClients();
    await Promise.all(relays.map((r) => r.close()));
  });

  it('never crashes the client: it goes on, or ends with a typed error and connects again', async () => {
    const long = process.env.FANION_FUZZ_RUNS !== undefined;
    const seed = Number(process.env.FANION_FUZZ_SEED ?? Date.now() % 1_000_000);
    const next = repeatable(seed);
    const relay = await ScriptedRelay.start();
    relays.push(relay);
    const queue = { rcvId: systemRandom.bytes(24), authKey: senderKey() };
    let connection: TestClient | undefined;
    let closed = 0;
    for (let run = 0; run < (long ? soakRuns / 10 : 150); run++) {
      if (connection === undefined || connection.client.closed) {
        connection = await connect(relay.server);
        await (await relay.peers.next()).hellos.next();
      }
      const peer = relay.peers.all.at(-1);
      if (peer === undefined) throw new Error('no peer');
      const waiting = failure(connection.client.subscribe(queue));
      const request = await peer.commands.next();
      const payload = mutate(payloads, next).subarray(0, 16366);
      peer.sendPayload(payload);
      // Then the answer, so that each round ends: it fails as unexpected, or with the connection.
      peer.answer(request, { msg: 'PONG' });
      const f = await waiting;
      expect(['unexpected', 'network'], `seed ${seed}, run ${run}`).toContain(f.type);
      if (f.type === 'network') {
        const error = await connection.closed.next();
        expect(error.failure, `seed ${seed}, run ${run}`).toEqual({ type: 'transport', error: { type: 'badBlock' } });
        closed++;
      }
      expect(connection.client.inFlight).toBe(0);
    }
    expect(closed).toBeGreaterThan(0);
  });
});
