import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeWhole, hex, Reader } from '../wire/index.js';
import {
  decodeMessageKey,
  decodePrivateKey,
  decodePublicKey,
  decrypt,
  dh,
  type E2EKeys,
  encodeMessageKey,
  encryptBody,
  encryptHeader,
  generateKeyPair,
  initRcvRatchet,
  type KeyPair,
  noSkippedKeys,
  openBoxPadded,
  publicKeyOf,
  type RatchetKeys,
  type RatchetState,
  readE2EParams,
  readPublicKey,
} from './index.js';
import { kemKeyPairOf, loadSntrup761, type Sntrup761 } from './sntrup761.js';
import {
  keysOfStateAfter,
  type RatchetJson,
  ratchetFromJson,
  ratchetToJson,
  withoutNulls,
} from './testing-support/ratchet-json.js';

const unhex = (s: string): Uint8Array => new Uint8Array(Buffer.from(s, 'hex'));
const b64 = (s: string): Uint8Array => new Uint8Array(Buffer.from(s, 'base64'));

let kem: Sntrup761;
beforeAll(async () => {
  kem = await loadSntrup761();
});

type Operation =
  | {
      readonly op: 'encryptHeader';
      readonly stateBefore: RatchetJson;
      readonly stateAfter: RatchetJson;
      readonly pqEnc: boolean | null;
      readonly msgEncryptKey: string;
    }
  | {
      readonly op: 'encryptBody';
      readonly msgEncryptKey: string;
      readonly paddedLen: number;
      readonly plaintext: string;
      readonly ciphertext: string;
    }
  | {
      readonly op: 'decrypt';
      readonly stateBefore: RatchetJson;
      readonly stateAfter: RatchetJson;
      readonly ciphertext: string;
      readonly result: { readonly plaintext: string };
    };

describe('ratchet operations of two recorded sessions (session-ratchet.json)', () => {
  const { sessions } = JSON.parse(readFileSync('test/vectors/session-ratchet.json', 'utf8')) as {
    sessions: { name: string; clients: Record<string, Operation[]> }[];
  };
  for (const session of sessions) {
    for (const [client, operations] of Object.entries(session.clients)) {
      it(`${session.name}, ${client}: the same bytes and states`, () => {
        for (const operation of operations) replay(operation);
      });
    }
  }

  function replay(o: Operation): void {
    switch (o.op) {
      case 'encryptHeader': {
        const made = encryptHeader(ratchetFromJson(o.stateBefore), { pqEnc: o.pqEnc ?? undefined });
        expect(ratchetToJson(made.state)).toEqual(withoutNulls(o.stateAfter));
        expect(hex(encodeMessageKey(made.messageKey))).toBe(o.msgEncryptKey);
        return;
      }
      case 'encryptBody': {
        const key = decodeMessageKey(unhex(o.msgEncryptKey));
        expect(hex(encryptBody(key, unhex(o.plaintext), o.paddedLen))).toBe(o.ciphertext);
        return;
      }
      case 'decrypt': {
        const keys = keysOfStateAfter(ratchetFromJson(o.stateAfter), kem);
        const result = decrypt(ratchetFromJson(o.stateBefore), noSkippedKeys, unhex(o.ciphertext), keys);
        if (result.type !== 'decrypted') throw new Error(result.type);
        expect(hex(result.plaintext)).toBe(o.result.plaintext);
        expect(ratchetToJson(result.state)).toEqual(withoutNulls(o.stateAfter));
      }
    }
  }
});

interface PairJson {
  readonly priv: string;
  readonly pub: string;
}

interface StateJson {
  readonly cur: number;
  readonly maxV: number;
  readonly ad: string;
  readonly dhs: PairJson;
  readonly kem?: {
    readonly pk: string;
    readonly sk: string;
    readonly acc?: { readonly peerPk: string; readonly ss: string; readonly ct: string } | null;
  } | null;
  readonly supportKEM: boolean;
  readonly enableKEM: boolean;
  readonly sndKEM: boolean;
  readonly rcvKEM: boolean;
  readonly rk: string;
  readonly snd: { readonly dhr: string; readonly ck: string; readonly hk: string } | null;
  readonly rcv: { readonly ck: string; readonly hk: string } | null;
  readonly ns: number;
  readonly nr: number;
  readonly pn: number;
  readonly nhks: string;
  readonly nhkr: string;
}

interface SessionJson {
  readonly pq: boolean;
  readonly events: readonly {
    readonly kind: string;
    readonly sendBody: string;
    readonly queueDhPrivate: string;
    readonly e2eSecretBefore: string | null;
    readonly ratchetBefore: StateJson | null;
    readonly agentMessage: string;
    readonly after: {
      readonly nr: number;
      readonly cur: number;
      readonly rcvKEM: boolean;
      readonly rcvHk: string;
      readonly rcvCk: string;
    };
  }[];
  readonly x3dhPriv1?: PairJson;
  readonly x3dhPriv2?: PairJson;
  readonly kem?: { readonly pk: string; readonly sk: string } | null;
}

function x448Pair({ priv }: PairJson): KeyPair<'x448'> {
  const privateKey = decodePrivateKey(b64(priv), 'priv', ['x448']);
  return { privateKey, publicKey: publicKeyOf(privateKey) };
}

function stateOf(s: StateJson): RatchetState {
  const acc = s.kem?.acc;
  return {
    version: s.cur,
    maxVersion: s.maxV,
    associatedData: b64(s.ad),
    ratchetKey: x448Pair(s.dhs),
    ...(s.kem
      ? {
          kem: {
            keyPair: { publicKey: b64(s.kem.pk), secretKey: b64(s.kem.sk) },
            ...(acc
              ? { accepted: { peerKey: b64(acc.peerPk), sharedSecret: b64(acc.ss), ciphertext: b64(acc.ct) } }
              : {}),
          },
        }
      : {}),
    supportKem: s.supportKEM,
    enableKem: s.enableKEM,
    sndKem: s.sndKEM,
    rcvKem: s.rcvKEM,
    rootKey: b64(s.rk),
    ...(s.snd
      ? {
          snd: {
            peerKey: decodePublicKey(b64(s.snd.dhr), 'dhr', ['x448']),
            chainKey: b64(s.snd.ck),
            headerKey: b64(s.snd.hk),
          },
        }
      : {}),
    ...(s.rcv ? { rcv: { chainKey: b64(s.rcv.ck), headerKey: b64(s.rcv.hk) } } : {}),
    ns: s.ns,
    nr: s.nr,
    pn: s.pn,
    nextSndHeaderKey: b64(s.nhks),
    nextRcvHeaderKey: b64(s.nhkr),
  };
}

describe('invitations with the official program, recorded with our own keys (sessions/*.json)', () => {
  for (const name of ['joiner-pq', 'joiner-nopq', 'initiator-pq', 'initiator-nopq']) {
    it(`${name}: each received message decrypts to the recorded agent message`, () => {
      const session = JSON.parse(readFileSync(`test/vectors/sessions/${name}.json`, 'utf8')) as SessionJson;
      const keys: RatchetKeys = {
        kem,
        ratchetKeyPair: () => generateKeyPair('x448'),
        kemKeyPair: () => kem.generateKeyPair(),
      };
      let count = 0;
      for (const event of session.events) {
        if (event.kind !== 'received') continue;
        // Client envelope, queue box, client message, agent envelope: the way down to the ratchet.
        const { envelope, secret } = openEnvelope(b64(event.sendBody), event);
        const r = new Reader(openBoxPadded(secret, envelope.nonce, envelope.box));
        if (r.char('header') === 'K') r.str('senderKey');
        r.u16('agentVersion');
        const confirmation = r.char('tag') === 'C';
        const params = confirmation ? r.maybe('e2e', readE2EParams) : undefined;
        const before =
          event.ratchetBefore !== null
            ? stateOf(event.ratchetBefore)
            : initRcvRatchet(initiatorKeys(session), params ?? fail('no parameters'), session.pq, kem);
        const result = decrypt(before, noSkippedKeys, r.tail(), keys);
        if (result.type !== 'decrypted') throw new Error(result.type);
        expect(hex(result.plaintext)).toBe(hex(b64(event.agentMessage)));
        const { state } = result;
        expect({ nr: state.nr, cur: state.version, rcvKEM: state.rcvKem }).toEqual({
          nr: event.after.nr,
          cur: event.after.cur,
          rcvKEM: event.after.rcvKEM,
        });
        expect(hex(state.rcv?.headerKey ?? new Uint8Array())).toBe(hex(b64(event.after.rcvHk)));
        expect(hex(state.rcv?.chainKey ?? new Uint8Array())).toBe(hex(b64(event.after.rcvCk)));
        count++;
      }
      expect(count).toBe(session.events.length);
    });
  }

  function openEnvelope(
    body: Uint8Array,
    event: SessionJson['events'][number],
  ): { envelope: { nonce: Uint8Array; box: Uint8Array }; secret: Uint8Array } {
    return decodeWhole(body, 'envelope', (r) => {
      r.u16('version');
      const publicKey = r.maybe('key', (k) => readPublicKey(k, 'key', ['x25519']));
      const nonce = r.fixed(24, 'nonce');
      const secret =
        publicKey === undefined
          ? b64(event.e2eSecretBefore ?? '')
          : dh(publicKey, decodePrivateKey(b64(event.queueDhPrivate), 'queueDhPrivate', ['x25519']));
      return { envelope: { nonce, box: r.tail() }, secret };
    });
  }

  function initiatorKeys(s: SessionJson): E2EKeys {
    const key1 = x448Pair(s.x3dhPriv1 ?? fail('no key 1'));
    const key2 = x448Pair(s.x3dhPriv2 ?? fail('no key 2'));
    if (!s.kem) return { key1, key2 };
    return { key1, key2, kem: { type: 'proposed', keyPair: kemKeyPairOf(b64(s.kem.sk)) } };
  }

  function fail(message: string): never {
    throw new Error(message);
  }
});
