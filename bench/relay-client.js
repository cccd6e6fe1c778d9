// A client that costs little, so that the figures are the relay's: the codec on a socket, without state of its own.

import { randomBytes } from 'node:crypto';
import { connect } from 'node:tls';
import { decodeSignedKey, dh, generateKeyPair, pad, unpad } from '../dist/crypto/index.js';
import {
  blockCiphers,
  blockSize,
  decodeBatch,
  decodeServerHello,
  decodeTransmission,
  encodeClientHello,
  encodeCommandTransmission,
  packBatches,
  parseServerWithAuth,
  smpRange,
} from '../dist/smp/index.js';

const none = new Uint8Array(0);
const word = (tail) => Buffer.from(tail.buffer, tail.byteOffset, Math.min(4, tail.length)).toString('latin1');

export class BenchClient {
  version = smpRange.max;
  waiting = new Map();
  /** Called with (entity id as latin1, message id) for each MSG, answers to ACK included. */
  onMessage = () => {};
  /** Called with the correlation id as latin1 and the first word, for answers that nobody waits for. */
  onAnswer = () => {};
  out = [];
  scheduled = false;

  static connect(address) {
    const { server } = parseServerWithAuth(address, 'smp');
    const client = new BenchClient();
    const socket = connect({
      host: server.hosts[0],
      port: Number(server.port),
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      ALPNProtocols: ['smp/1'],
      ciphers: 'TLS_CHACHA20_POLY1305_SHA256',
      ecdhCurve: 'X25519',
      sigalgs: 'ed25519:ed448',
    });
    socket.setNoDelay(true);
    client.socket = socket;
    return new Promise((resolve, reject) => {
      socket.on('error', reject);
      let part = [];
      let size = 0;
      socket.on('data', (chunk) => {
        part.push(chunk);
        size += chunk.length;
        if (size < blockSize) return;
        let all = part.length === 1 ? part[0] : Buffer.concat(part);
        for (; all.length >= blockSize; all = all.subarray(blockSize)) {
          const block = all.subarray(0, blockSize);
          if (client.opener === undefined) {
            const hello = decodeServerHello(unpad(block));
            client.sessionId = Uint8Array.from(hello.sessionId);
            const relayKey = decodeSignedKey(hello.credentials.signedKey, 'key', ['x25519']).key;
            const pair = generateKeyPair('x25519');
            const clientHello = {
              version: client.version,
              keyHash: server.keyHash,
              sessionKey: pair.publicKey,
              proxyServer: false,
              service: undefined,
            };
            socket.write(pad(encodeClientHello(clientHello), blockSize));
            Object.assign(client, blockCiphers('client', hello.sessionId, dh(relayKey, pair.privateKey)));
            resolve(client);
          } else client.receive(block);
        }
        part = all.length > 0 ? [all] : [];
        size = all.length;
      });
    });
  }

  receive(block) {
    for (const bytes of decodeBatch(this.opener.open(block))) {
      const t = decodeTransmission(bytes, this.version);
      const corr = Buffer.from(t.corrId).toString('latin1');
      const w = word(t.body);
      if (w === 'MSG ') {
        const length = t.body[4];
        this.onMessage(Buffer.from(t.entityId).toString('latin1'), t.body.slice(5, 5 + length));
        continue;
      }
      const wait = this.waiting.get(corr);
      if (wait !== undefined) {
        this.waiting.delete(corr);
        wait(t.body);
      } else this.onAnswer(corr, w, t.body);
    }
  }

  /** Queues a command; those of one turn of the event loop share blocks. Gives the correlation id. */
  send(entityId, command, key) {
    const corrId = randomBytes(24);
    this.out.push(encodeCommandTransmission(this, corrId, entityId, command, key, undefined));
    if (!this.scheduled) {
      this.scheduled = true;
      setImmediate(() => {
        this.scheduled = false;
        const out = this.out;
        this.out = [];
        this.socket.cork();
        for (const batch of packBatches(out)) this.socket.write(this.sealer.sealBatch(batch.transmissions));
        this.socket.uncork();
      });
    }
    return corrId;
  }

  request(entityId, command, key) {
    const corrId = this.send(entityId, command, key);
    return new Promise((resolve) => this.waiting.set(corrId.toString('latin1'), resolve));
  }

  /** A new queue, subscribed on this connection and secured. */
  async queue(rcv, snd) {
    const rcvDh = generateKeyPair('x25519');
    const answer = await this.request(
      none,
      {
        cmd: 'NEW',
        rcvAuthKey: rcv.publicKey,
        rcvDhKey: rcvDh.publicKey,
        basicAuth: undefined,
        subMode: 'subscribe',
        queueReq: { mode: 'messaging' },
        notifier: undefined,
      },
      rcv.privateKey,
    );
    if (word(answer) !== 'IDS ') throw new Error(Buffer.from(answer).toString('latin1'));
    const rcvId = answer.slice(5, 29);
    const sndId = answer.slice(30, 54);
    await this.request(sndId, { cmd: 'SKEY', key: snd.publicKey }, snd.privateKey);
    return { rcvId, sndId, key: Buffer.from(rcvId).toString('latin1') };
  }

  close() {
    this.socket.destroy();
  }
}
