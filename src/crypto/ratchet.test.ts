import { beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../core/index.js';
import { DecodeError } from '../wire/index.js';
import {
  atRatchetPosition,
  type DecryptResult,
  decodeRatchetState,
  decrypt,
  e2eParamsOf,
  encodeRatchetPosition,
  encodeRatchetState,
  encryptBody,
  encryptHeader,
  generateE2EKeys,
  generateJoiningE2EKeys,
  generateKeyPair,
  initRcvRatchet,
  initSndRatchet,
  noSkippedKeys,
  RatchetError,
  type RatchetKeys,
  type RatchetState,
  ratchetPaddedLength,
  SkippedKeyMap,
  sameRatchetKeys,
} from './index.js';
import { decryptOpened, openHeader } from './ratchet-decrypt.js';
import { loadSntrup761, type Sntrup761 } from './sntrup761.js';
import { simulateRatchet } from './testing-support/ratchet-simulation.js';

const random = seededRandom('ratchet');
const bytes = (s: string): Uint8Array => new TextEncoder().encode(s);
const text = (b: Uint8Array): string => new TextDecoder().decode(b);

let kem: Sntrup761;
let keys: RatchetKeys;
beforeAll(async () => {
  kem = await loadSntrup761();
  keys = {
    kem,
    ratchetKeyPair: () => generateKeyPair('x448', random),
    kemKeyPair: () => kem.generateKeyPair(),
  };
});

/** A party that stores what it is told to store. */
class Party {
  state: RatchetState;
  readonly skipped = new SkippedKeyMap();
  constructor(state: RatchetState) {
    this.state = state;
  }

  send(message: string, pqEnc?: boolean): Uint8Array {
    const { state, messageKey } = encryptHeader(this.state, { pqEnc });
    this.state = state;
    return encryptBody(messageKey, bytes(message), 200);
  }

  receive(message: Uint8Array): DecryptResult {
    const result = decrypt(this.state, this.skipped, message, keys);
    if (result.type === 'decrypted' || result.type === 'bodyError') {
      this.state = result.state;
      this.skipped.apply(result.skipped);
    }
    return result;
  }

  read(message: Uint8Array): string {
    const result = this.receive(message);
    if (result.type === 'decrypted') return text(result.plaintext);
    if (result.type === 'needsKemKeyPair') return result.type;
    return `${result.type} ${result.error.reason} ${result.error.count}`;
  }
}

/** bob joins what alice offered. `pq`: who wants the KEM. */
function connect(pq: 'accepted' | 'proposed' | 'off' = 'off'): { alice: Party; bob: Party } {
  const offered = generateE2EKeys(random, pq === 'accepted' ? kem.generateKeyPair() : undefined);
  const offer = e2eParamsOf(offered);
  const joining = generateJoiningE2EKeys(
    random,
    offer,
    pq === 'off' ? undefined : { kem, keyPair: kem.generateKeyPair() },
  );
  return {
    bob: new Party(initSndRatchet(joining, offer, keys.ratchetKeyPair())),
    alice: new Party(initRcvRatchet(offered, e2eParamsOf(joining), pq !== 'off', kem)),
  };
}

describe('the ratchet', () => {
  it('reports repeated and late messages by name (section 5.12)', () => {
    const { alice, bob } = connect();
    const [m1, m2, m3] = [bob.send('1'), bob.send('2'), bob.send('3')];
    expect(alice.read(m3)).toBe('3');
    expect(alice.skipped.size).toBe(2);
    expect(alice.read(m3)).toBe('bodyError DUPLICATE 0');
    expect(alice.read(m2)).toBe('2');
    expect(alice.read(m1)).toBe('1');
    expect(alice.skipped.size).toBe(0);
    expect(alice.read(m1)).toBe('bodyError EARLIER 2');
  });

  it('the initiator cannot send before it received, and a failed decryption changes nothing', () => {
    const { alice, bob } = connect();
    expect(() => alice.send('too early')).toThrow(RatchetError);
    const before = encodeRatchetState(alice.state);
    expect(alice.read(bytes('no message'))).toBe('failed PARSE 0');
    expect(encodeRatchetState(alice.state)).toEqual(before);
    // The first confirmation may come with another number than 0.
    bob.send('lost');
    expect(alice.read(bob.send('second'))).toBe('second');
    expect(bob.read(alice.send('answer'))).toBe('answer');
  });

  it('keeps the skipped keys of the previous chain when it steps, and a step that failed keeps none', () => {
    const { alice, bob } = connect();
    const late = bob.send('late');
    expect(alice.read(bob.send('a'))).toBe('a');
    expect(bob.read(alice.send('b'))).toBe('b');
    const late2 = bob.send('late 2');
    expect(alice.read(bob.send('c'))).toBe('c');
    expect(alice.skipped.size).toBe(2);
    expect([alice.read(late), alice.read(late2)]).toEqual(['late', 'late 2']);
    expect(alice.read(late)).toBe('failed HEADER 0');
  });

  it('a damaged body advances the chain', () => {
    const { alice, bob } = connect();
    const damaged = bob.send('damaged');
    damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
    expect(alice.read(damaged)).toBe('bodyError DECRYPT_AES 0');
    expect(alice.state.nr).toBe(1);
    expect(alice.read(bob.send('next'))).toBe('next');
  });

  it('encrypts a stored message key again to the same bytes, and refuses what does not fit without using it up', () => {
    const { bob } = connect('accepted');
    const { messageKey } = encryptHeader(bob.state);
    const padded = ratchetPaddedLength('message', true);
    expect(encryptBody(messageKey, bytes('x'), padded)).toEqual(encryptBody(messageKey, bytes('x'), padded));
    expect(encryptBody(messageKey, new Uint8Array(padded - 2), padded).length).toBe(padded + 2364);
    expect(() => encryptBody(messageKey, new Uint8Array(padded - 1), padded)).toThrow(RatchetError);
  });

  it('has the sizes of sections 5.3 and 5.4', () => {
    const size = (pq: 'off' | 'accepted', content: 'connInfo' | 'message'): number => {
      const { messageKey } = encryptHeader(connect(pq).bob.state);
      return encryptBody(messageKey, bytes('x'), ratchetPaddedLength(content, pq !== 'off')).length;
    };
    expect(size('off', 'message')).toBe(15840 + 142);
    expect(size('accepted', 'message')).toBe(13618 + 2364);
    expect(size('off', 'connInfo')).toBe(14832 + 142);
    expect(size('accepted', 'connInfo')).toBe(11106 + 2364);
  });
});

describe('the KEM in the ratchet', () => {
  it('is on in both directions from the first message when it was accepted in the key agreement', () => {
    const { alice, bob } = connect('accepted');
    expect(alice.read(bob.send('1'))).toBe('1');
    expect([bob.state.sndKem, alice.state.rcvKem, alice.state.sndKem]).toEqual([true, true, true]);
    expect(bob.read(alice.send('2'))).toBe('2');
    expect(bob.state.rcvKem).toBe(true);
  });

  it('comes on with the answer when it was proposed in the reply', () => {
    const { alice, bob } = connect('proposed');
    expect(alice.read(bob.send('1'))).toBe('1');
    expect([bob.state.sndKem, alice.state.rcvKem, alice.state.sndKem]).toEqual([false, false, true]);
    expect(bob.read(alice.send('2'))).toBe('2');
    expect([bob.state.rcvKem, bob.state.sndKem]).toEqual([true, true]);
  });

  it('goes off for both when one switches it off, and on again when both want it (section 5.7)', () => {
    const { alice, bob } = connect('accepted');
    const exchange = (pqAlice: boolean | undefined, pqBob: boolean | undefined): void => {
      expect(alice.read(bob.send('b', pqBob))).toBe('b');
      expect(bob.read(alice.send('a', pqAlice))).toBe('a');
    };
    exchange(undefined, undefined);
    expect([alice.state.sndKem, bob.state.sndKem]).toEqual([true, true]);
    for (let i = 0; i < 3; i++) exchange(undefined, false);
    expect([alice.state.sndKem, bob.state.sndKem]).toEqual([false, false]);
    expect(bob.state.supportKem).toBe(true);
    for (let i = 0; i < 3; i++) exchange(true, true);
    expect([alice.state.sndKem, bob.state.sndKem, alice.state.rcvKem]).toEqual([true, true, true]);
  });

  it('switching off loses no message when the second one of the chain comes first', () => {
    const { alice, bob } = connect('accepted');
    alice.read(bob.send('1'));
    const first = alice.send('first', false);
    const second = alice.send('second', false);
    expect(bob.read(second)).toBe('second');
    expect(bob.read(first)).toBe('first');
    // What is withdrawn survives the store.
    expect(decodeRatchetState(encodeRatchetState(alice.state))).toEqual(alice.state);
    expect(alice.state.kem?.withdrawn).toBeDefined();
  });

  it('tells when no key pair is ready, changes nothing, and goes on when there is one', () => {
    const { alice, bob } = connect('accepted');
    const message = bob.send('1');
    const empty = { ...keys, kemKeyPair: () => undefined };
    expect(decrypt(alice.state, noSkippedKeys, message, empty)).toEqual({ type: 'needsKemKeyPair' });
    expect(alice.read(message)).toBe('1');
    // Without a ratchet step none is needed.
    expect(decrypt(alice.state, noSkippedKeys, bob.send('2'), empty).type).toBe('decrypted');
  });
});

describe('decryption in two halves', () => {
  it('tells which skipped key to load', () => {
    const { alice, bob } = connect();
    const late = bob.send('late');
    expect(alice.read(bob.send('a'))).toBe('a');
    expect(bob.read(alice.send('b'))).toBe('b');
    expect(alice.read(bob.send('c'))).toBe('c');
    const [row] = alice.skipped.rows();
    if (row === undefined) throw new Error('no skipped key');
    const opened = openHeader(alice.state, () => [row.headerKey], late);
    if (opened.type !== 'opened') throw new Error(opened.error.message);
    expect([opened.message.headerKey, opened.message.header.ns]).toEqual([row.headerKey, row.number]);
    const result = decryptOpened(alice.state, opened.message, row, keys);
    expect(result.type === 'decrypted' && text(result.plaintext)).toBe('late');
    expect(openHeader(alice.state, () => [], late).type).toBe('failed');
  });
});

describe('the stored state', () => {
  it('refuses bytes that are none', () => {
    const { bob } = connect('accepted');
    const stored = encodeRatchetState(bob.state);
    expect(decodeRatchetState(stored)).toEqual(bob.state);
    expect(stored.length).toBeLessThan(4700);
    expect(encodeRatchetState(connect().bob.state).length).toBeLessThan(500);
    for (const wrong of [stored.subarray(1), stored.subarray(0, -1), Buffer.concat([stored, stored])]) {
      expect(() => decodeRatchetState(wrong)).toThrow(DecodeError);
    }
  });
});

describe('two parties with random order, loss, duplicates, damage and the KEM switched on and off', () => {
  it.each([1, 2, 3])('seed %i: each message is decrypted exactly once or reported as the right error', (seed) => {
    const result = simulateRatchet({ kem, seed, messages: 200 });
    expect(result.sent).toBe(200);
    expect(result.decrypted + result.lost + (result.errors.DECRYPT_AES ?? 0)).toBe(200);
    expect(result.steps).toBeGreaterThan(10);
    expect((result.errors.DUPLICATE ?? 0) + (result.errors.EARLIER ?? 0) + (result.errors.HEADER ?? 0)).toBeGreaterThan(
      5,
    );
  });

  it('is its keys and its position, whatever was said', () => {
    const { alice, bob } = connect('accepted');
    const stored = new Map<Party, { keys: RatchetState; bytes: Uint8Array }>();
    let writes = 0;
    const store = (party: Party): void => {
      let last = stored.get(party);
      if (last === undefined || !sameRatchetKeys(last.keys, party.state)) {
        last = { keys: party.state, bytes: encodeRatchetState(party.state) };
        stored.set(party, last);
        writes++;
      }
      const position = encodeRatchetPosition(party.state);
      expect(position.length).toBeLessThanOrEqual(82);
      expect(atRatchetPosition(decodeRatchetState(last.bytes), position)).toEqual(party.state);
    };
    let [from, to] = [bob, alice];
    let messages = 0;
    for (const pqEnc of [undefined, undefined, false, false, undefined, true, true, undefined]) {
      for (let i = 0; i < 5; i++) {
        const message = from.send(`${i}`, pqEnc);
        store(from);
        // One is lost in each turn.
        if (i === 2) continue;
        expect(to.read(message)).toBe(`${i}`);
        store(to);
        messages += 2;
      }
      [from, to] = [to, from];
    }
    expect(writes).toBeLessThan(messages / 2);
    const position = encodeRatchetPosition(alice.state);
    for (const wrong of [position.subarray(1), position.subarray(0, -1), Buffer.concat([position, position])]) {
      expect(() => atRatchetPosition(alice.state, wrong)).toThrow(DecodeError);
    }
  });
});
