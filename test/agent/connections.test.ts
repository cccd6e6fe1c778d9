import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SmpRelay } from '../../src/relay/index.js';
import { bytes, connect, dialects, type Party, serversOf, text, World } from './harness.js';

describe.each(dialects)('on %s', (dialect) => {
  const world = new World(dialect);
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

    /** What a link without queue modes, or of an older client, looks like. */
    const withoutMode = (link: string): string => link.replace('%26q%3Dm%26k%3Ds', '');
    const oldClient = (link: string): string => link.replace('v%3D1-4', 'v%3D1-2');
    const slow: [string, (link: string) => string, { sndSecured: boolean; firstId: number }][] = [
      ['the joiner must not secure', withoutMode, { sndSecured: false, firstId: 2 }],
      ['the initiator must not secure', oldClient, { sndSecured: true, firstId: 3 }],
      ['nobody may secure the queue of the other', (l) => oldClient(withoutMode(l)), { sndSecured: false, firstId: 3 }],
    ];

    it.each(slow)('connects by the slow handshake when %s', async (_name, change, expected) => {
      const { connId: aliceConn, link } = await alice.agent.createConnection({
        userId: alice.userId,
        mode: 'invitation',
        initialKeys: 'linkPQOff',
      });
      const url = change(link.connFullLink);
      expect(url).not.toBe(link.connFullLink);
      const bobConn = await bob.tx((tx) => bob.agent.prepareConnectionToJoin(tx, bob.userId, url, false));
      const join = { userId: bob.userId, connId: bobConn, link: url, info: bytes('b'), pqSupport: false };
      const { sndSecured } = await bob.agent.joinConnection(join);
      expect(sndSecured).toBe(expected.sndSecured);
      const conf = await alice.next('CONF', (e) => e.connId === aliceConn);
      await alice.tx((tx) => alice.agent.allowConnection(tx, aliceConn, conf.confId, bytes('a')));
      await Promise.all([
        alice.next('CON', (e) => e.connId === aliceConn),
        bob.next('CON', (e) => e.connId === bobConn),
      ]);
      await bob.send(bobConn, 'one');
      await alice.send(aliceConn, 'two');
      for (const [party, connId] of [
        [alice, aliceConn],
        [bob, bobConn],
      ] as const) {
        const { meta } = await party.next('MSG', (e) => e.connId === connId);
        expect(meta).toMatchObject({ integrity: { type: 'msgOk' }, sndMsgId: expected.firstId });
      }
    });

    it('refuses a second join of the same connection and a link of unknown versions', async () => {
      const { connId, link } = await alice.agent.createConnection({
        userId: alice.userId,
        mode: 'invitation',
        initialKeys: 'linkPQOff',
      });
      const url = link.connFullLink;
      const bobConn = await bob.tx((tx) => bob.agent.prepareConnectionToJoin(tx, bob.userId, url, false));
      const join = { userId: bob.userId, connId: bobConn, link: url, info: bytes('b'), pqSupport: false };
      await bob.agent.joinConnection(join);
      await expect(bob.agent.joinConnection(join)).rejects.toMatchObject({
        json: { type: 'CMD', cmdErr: { type: 'PROHIBITED' } },
      });
      await alice.next('CONF', (e) => e.connId === connId);
      const newer = url.replace('v=2-7', 'v=8-9');
      await expect(
        bob.tx((tx) => bob.agent.prepareConnectionToJoin(tx, bob.userId, newer, false)),
      ).rejects.toMatchObject({
        json: { type: 'AGENT', agentErr: { type: 'A_VERSION' } },
      });
      expect(bob.agent.connRequestPQSupport(true, newer)).toBeUndefined();
      expect(bob.agent.connRequestPQSupport(true, url)).toEqual({ agentVersion: 7, pqSupport: true });
    });

    it('connects by the asynchronous forms', async () => {
      const aliceConn = await alice.tx((tx) =>
        alice.agent.createConnectionAsync(tx, 'c1', {
          userId: alice.userId,
          mode: 'invitation',
          initialKeys: 'linkPQOff',
        }),
      );
      const inv = await alice.next('INV', (e) => e.connId === aliceConn);
      expect(inv.corrId).toBe('c1');
      const bobConn = await bob.tx((tx) =>
        bob.agent.joinConnectionAsync(tx, 'c2', {
          userId: bob.userId,
          link: inv.link.connFullLink,
          info: bytes('b'),
          pqSupport: false,
        }),
      );
      const joined = await bob.next('JOINED', (e) => e.connId === bobConn);
      expect(joined).toMatchObject({ corrId: 'c2', sndSecured: true });
      // Nobody has to wait for CON when the queue is secured.
      await bob.send(bobConn, 'early');
      const conf = await alice.next('CONF', (e) => e.connId === aliceConn);
      await alice.tx((tx) => alice.agent.allowConnection(tx, aliceConn, conf.confId, bytes('a')));
      await alice.next('CON', (e) => e.connId === aliceConn);
      await bob.next('CON', (e) => e.connId === bobConn);
      expect(await alice.nextText(aliceConn)).toBe('early');
    });

    it('reports an asynchronous join of a queue that is gone with its corrId', async () => {
      const { connId, link } = await alice.agent.createConnection({
        userId: alice.userId,
        mode: 'invitation',
        initialKeys: 'linkPQOff',
      });
      await alice.tx((tx) => alice.agent.deleteConnectionsAsync(tx, [connId]));
      await alice.next('DEL_CONNS', (e) => e.connIds.includes(connId));
      const bobConn = await bob.tx((tx) =>
        bob.agent.joinConnectionAsync(tx, 'gone', {
          userId: bob.userId,
          link: link.connFullLink,
          info: bytes('b'),
          pqSupport: false,
        }),
      );
      const error = await bob.next('ERR', (e) => e.connId === bobConn);
      expect(error).toMatchObject({ corrId: 'gone', error: { type: 'SMP', smpErr: { type: 'AUTH' } } });
    });
  });

  describe('contact address', () => {
    const address = async (userLinkData?: Uint8Array) =>
      alice.agent.createConnection({
        userId: alice.userId,
        mode: 'contact',
        initialKeys: 'linkPQOn',
        ...(userLinkData === undefined ? {} : { userLinkData }),
      });

    const request = async (link: string, pq: boolean): Promise<string> => {
      const connId = await bob.tx((tx) => bob.agent.prepareConnectionToJoin(tx, bob.userId, link, pq));
      const join = { userId: bob.userId, connId, link, info: bytes('please'), pqSupport: pq };
      expect(await bob.agent.joinConnection(join)).toEqual({ sndSecured: false });
      return connId;
    };

    it.each([
      ['at once', false],
      ['at once', true],
      ['by the worker', false],
    ])('connects a requester that is accepted %s, PQ %s', async (how, pq) => {
      const { connId: addressConn, link } = await address();
      const bobConn = await request(link.connFullLink, pq);
      const req = await alice.next('REQ', (e) => e.connId === addressConn);
      expect(text(req.info)).toBe('please');
      let aliceConn: string;
      if (how === 'at once') {
        aliceConn = await alice.tx((tx) => alice.agent.prepareConnectionToAccept(tx, alice.userId, req.invId, pq));
        await alice.agent.acceptContact({
          userId: alice.userId,
          connId: aliceConn,
          invId: req.invId,
          info: bytes('welcome'),
          pqSupport: pq,
        });
      } else {
        aliceConn = await alice.tx((tx) =>
          alice.agent.acceptContactAsync(tx, 'acc', {
            userId: alice.userId,
            invId: req.invId,
            info: bytes('welcome'),
            pqSupport: pq,
          }),
        );
        await alice.next('JOINED', (e) => e.connId === aliceConn && e.corrId === 'acc');
      }
      const conf = await bob.next('CONF', (e) => e.connId === bobConn);
      expect(text(conf.info)).toBe('welcome');
      await bob.tx((tx) => bob.agent.allowConnection(tx, bobConn, conf.confId, bytes('thanks')));
      expect((await bob.next('CON', (e) => e.connId === bobConn)).pqEncryption).toBe(pq);
      await alice.next('CON', (e) => e.connId === aliceConn);
      await bob.send(bobConn, 'hello');
      expect(await alice.nextText(aliceConn)).toBe('hello');
      await expect(
        alice.tx((tx) => alice.agent.prepareConnectionToAccept(tx, alice.userId, req.invId, pq)),
      ).rejects.toMatchObject({ json: { type: 'CMD', cmdErr: { type: 'PROHIBITED' } } });
    });

    it('shows each request of several senders, and forgets a rejected one', async () => {
      const { connId, link } = await address();
      await request(link.connFullLink, false);
      await request(link.connFullLink, false);
      const first = await alice.next('REQ', (e) => e.connId === connId);
      const second = await alice.next('REQ', (e) => e.connId === connId);
      expect(first.invId).not.toBe(second.invId);
      await alice.tx((tx) => alice.agent.rejectContact(tx, first.invId));
      await expect(alice.tx((tx) => alice.agent.rejectContact(tx, first.invId))).rejects.toMatchObject({
        json: { type: 'CMD' },
      });
    });

    it('sends the same invitation when the request is repeated', async () => {
      const { connId, link } = await address();
      const bobConn = await request(link.connFullLink, false);
      await bob.agent.joinConnection({
        userId: bob.userId,
        connId: bobConn,
        link: link.connFullLink,
        info: bytes('again'),
        pqSupport: false,
      });
      const first = await alice.next('REQ', (e) => e.connId === connId);
      const second = await alice.next('REQ', (e) => e.connId === connId);
      expect([text(first.info), text(second.info)]).toEqual(['please', 'again']);
      const aliceConn = await alice.tx((tx) =>
        alice.agent.prepareConnectionToAccept(tx, alice.userId, second.invId, false),
      );
      await alice.agent.acceptContact({
        userId: alice.userId,
        connId: aliceConn,
        invId: second.invId,
        info: bytes('w'),
        pqSupport: false,
      });
      await bob.next('CONF', (e) => e.connId === bobConn);
    });

    it('gives a short link whose data can be read, replaced and deleted', async () => {
      const { connId, link } = await address(bytes('{"profile":1}'));
      const short = link.connShortLink ?? '';
      expect(short).toMatch(/^https:\/\/127\.0\.0\.1\/a#/);
      const read = await bob.agent.getConnShortLink(bob.userId, short);
      expect(text(read.userData)).toBe('{"profile":1}');
      expect(read).toMatchObject({ mode: 'contact', direct: true, link: link.connFullLink });
      expect(await alice.agent.setConnShortLink(connId, 'contact', bytes('new'))).toBe(short);
      expect(text((await bob.agent.getConnShortLink(bob.userId, short)).userData)).toBe('new');
      const bobConn = await request(read.link, true);
      expect(bobConn).toHaveLength(16);
      await alice.next('REQ', (e) => e.connId === connId);
      await alice.agent.deleteConnShortLink(connId, 'contact');
      await expect(bob.agent.getConnShortLink(bob.userId, short)).rejects.toMatchObject({
        json: { type: 'SMP', smpErr: { type: 'AUTH' } },
      });
    });

    it('gives an address without a short link one later', async () => {
      const { connId, link } = await address();
      expect(link.connShortLink).toBeUndefined();
      const short = await alice.agent.setConnShortLink(connId, 'contact', bytes('later'));
      const read = await bob.agent.getConnShortLink(bob.userId, short);
      expect(text(read.userData)).toBe('later');
      expect(read.link).toBe(link.connFullLink);
    });
  });

  describe('short invitation link', () => {
    it.each([false, true])('is read by one person only, who can then join, PQ %s', async (pq) => {
      const { connId: aliceConn, link } = await alice.agent.createConnection({
        userId: alice.userId,
        mode: 'invitation',
        initialKeys: pq ? 'linkPQOn' : 'linkPQOff',
        userLinkData: bytes('{"profile":2}'),
      });
      const short = link.connShortLink ?? '';
      expect(short).toMatch(/^https:\/\/127\.0\.0\.1\/i#/);
      // The KEM key would not fit a QR code.
      expect(link.connFullLink).not.toContain('kem_key');
      const read = await bob.agent.getConnShortLink(bob.userId, short);
      expect(read.link.includes('kem_key')).toBe(pq);
      expect(text(read.userData)).toBe('{"profile":2}');
      expect((await bob.agent.getConnShortLink(bob.userId, short)).link).toBe(read.link);
      await expect(alice.agent.getConnShortLink(alice.userId, short)).rejects.toMatchObject({
        json: { type: 'SMP', smpErr: { type: 'AUTH' } },
      });
      const bobConn = await bob.tx((tx) => bob.agent.prepareConnectionToJoin(tx, bob.userId, read.link, pq));
      const join = { userId: bob.userId, connId: bobConn, link: read.link, info: bytes('b'), pqSupport: pq };
      expect((await bob.agent.joinConnection(join)).sndSecured).toBe(true);
      const conf = await alice.next('CONF', (e) => e.connId === aliceConn);
      await alice.tx((tx) => alice.agent.allowConnection(tx, aliceConn, conf.confId, bytes('a')));
      expect((await bob.next('CON', (e) => e.connId === bobConn)).pqEncryption).toBe(pq);
      await alice.next('CON', (e) => e.connId === aliceConn);
      await bob.send(bobConn, 'hello');
      expect(await alice.nextText(aliceConn)).toBe('hello');
    });
  });
});
