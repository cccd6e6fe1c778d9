import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SmpRelay } from '../../src/relay/index.js';
import { bytes, connect, type Party, serversOf, text, World } from './harness.js';

const world = new World();
let relay: SmpRelay;
let alice: Party;
let bob: Party;

beforeAll(async () => {
  relay = await world.relay();
  alice = await world.party(serversOf([relay]));
  bob = await world.party(serversOf([relay]));
});
afterAll(() => world.close());

describe('one-time invitation', () => {
  it.each([false, true])('connects by the fast handshake, PQ %s, and carries messages both ways', async (pq) => {
    const { connId, link } = await alice.agent.createConnection({
      userId: alice.userId,
      mode: 'invitation',
      initialKeys: pq ? 'usePQ' : 'linkPQOff',
    });
    const url = link.connFullLink;
    expect(url).toMatch(/^simplex:\/invitation#\/\?v=2-7&smp=/);
    const bobConn = await bob.tx((tx) => bob.agent.prepareConnectionToJoin(tx, bob.userId, url, pq));
    const joined = await bob.agent.joinConnection({
      userId: bob.userId,
      connId: bobConn,
      link: url,
      info: bytes('I am Bob'),
      pqSupport: pq,
    });
    expect(joined.sndSecured).toBe(true);
    const conf = await alice.next('CONF', (e) => e.connId === connId);
    expect(text(conf.info)).toBe('I am Bob');
    expect(conf.pqSupport).toBe(pq);
    await alice.tx((tx) => alice.agent.allowConnection(tx, connId, conf.confId, bytes('I am Alice')));
    const info = await bob.next('INFO', (e) => e.connId === bobConn);
    expect(text(info.info)).toBe('I am Alice');
    expect((await alice.next('CON', (e) => e.connId === connId)).pqEncryption).toBe(pq);
    expect((await bob.next('CON', (e) => e.connId === bobConn)).pqEncryption).toBe(pq);
    const id = await bob.send(bobConn, 'hello');
    const first = await alice.next('MSG', (e) => e.connId === connId);
    expect(text(first.body)).toBe('hello');
    expect(first.meta).toMatchObject({ integrity: { type: 'msgOk' }, sndMsgId: 2, pqEncryption: pq });
    expect((await bob.next('SENT', (e) => e.connId === bobConn)).msgId).toBe(id);
    await alice.send(connId, 'hi');
    expect(await bob.nextText(bobConn)).toBe('hi');
  });

  it('keeps the order of many messages', async () => {
    const { aliceConn, bobConn } = await connect(alice, bob);
    for (let i = 0; i < 200; i++) await alice.send(aliceConn, `m${i}`);
    for (let i = 0; i < 200; i++) expect(await bob.nextText(bobConn)).toBe(`m${i}`);
  });
});
