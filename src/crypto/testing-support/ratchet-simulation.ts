import { seededRandom } from '../../core/index.js';
import { repeatable } from '../../wire/testing-support/fuzz.js';
import {
  type DecryptResult,
  decodeMessageKey,
  decodeRatchetState,
  decrypt,
  e2eParamsOf,
  encodeMessageKey,
  encodeRatchetState,
  encryptBody,
  encryptHeader,
  generateE2EKeys,
  generateJoiningE2EKeys,
  generateKeyPair,
  initRcvRatchet,
  initSndRatchet,
  type RatchetKeys,
  ratchetPaddedLength,
  SkippedKeyMap,
} from '../index.js';
import type { RatchetErrorReason } from '../ratchet-errors.js';
import type { Sntrup761 } from '../sntrup761.js';

/** A message on its way. */
interface Message {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly text: string;
  /** Which sending chain of its sender, and its number there. */
  readonly chain: number;
  readonly number: number;
  /** What the sender reports: encrypted with the KEM. */
  readonly pq: boolean;
}

class Party {
  stored: Uint8Array;
  readonly skipped = new SkippedKeyMap();
  /** The chain in which it sends. */
  sndChain: number;
  /** The chain that it receives and the number expected next there: the model that tells which errors are right. */
  rcvChain = -1;
  nr = 0;
  pqEnc: boolean | undefined;
  sent = 0;
  /** Messages to this party: not yet delivered, and delivered ones that may come again. */
  readonly incoming: Message[] = [];
  readonly delivered: Message[] = [];
  /** Ids of messages that were decrypted, or lost to damage. */
  readonly decrypted = new Set<number>();
  readonly consumed = new Set<number>();

  constructor(stored: Uint8Array, sndChain: number) {
    this.stored = stored;
    this.sndChain = sndChain;
  }
}

export interface SimulationOptions {
  readonly kem: Sntrup761;
  readonly seed: number;
  readonly messages: number;
}

export interface SimulationResult {
  readonly sent: number;
  readonly lost: number;
  readonly decrypted: number;
  /** Decrypted ones with a KEM secret in their chain. */
  readonly pq: number;
  readonly steps: number;
  /** How many steps were repeated because no KEM key pair was at hand. */
  readonly waits: number;
  readonly errors: Readonly<Partial<Record<RatchetErrorReason, number>>>;
}

/**
 * Two parties write to each other; messages are delivered in random order, twice, damaged or never; each party
 * switches the KEM on and off at will. Every state goes through its stored form. Throws at the first outcome that
 * the model does not expect: a first delivery decrypts to its text, everything else is a named error.
 */
export function simulateRatchet({ kem, seed, messages }: SimulationOptions): SimulationResult {
  const next = repeatable(seed);
  const random = seededRandom(`ratchet ${seed}`);
  const errors: Partial<Record<RatchetErrorReason, number>> = {};
  const count = { sent: 0, lost: 0, decrypted: 0, pq: 0, steps: 0, waits: 0 };
  let missing = false;
  const keys: RatchetKeys = {
    kem,
    ratchetKeyPair: () => generateKeyPair('x448', random),
    kemKeyPair: () => {
      // Now and then the pool is empty.
      missing = !missing && next(4) === 0;
      return missing ? undefined : kem.generateKeyPair();
    },
  };

  const offered = generateE2EKeys(random, next(2) === 0 ? kem.generateKeyPair() : undefined);
  const offer = e2eParamsOf(offered);
  const joining = generateJoiningE2EKeys(
    random,
    offer,
    next(3) > 0 ? { kem, keyPair: kem.generateKeyPair() } : undefined,
  );
  const snd = initSndRatchet(joining, offer, keys.ratchetKeyPair());
  const rcv = initRcvRatchet(offered, e2eParamsOf(joining), true, kem);
  const bob = new Party(encodeRatchetState(snd), 0);
  const alice = new Party(encodeRatchetState(rcv), -1);

  const send = (from: Party, to: Party): void => {
    const before = decodeRatchetState(from.stored);
    if (before.snd === undefined) return;
    if (next(12) === 0) from.pqEnc = [true, false, undefined][next(3)];
    const { state, messageKey } = encryptHeader(before, { pqEnc: from.pqEnc });
    from.stored = encodeRatchetState(state);
    const id = count.sent++;
    const text = `message ${id} `.repeat(next(30));
    const body = new TextEncoder().encode(text);
    const storedKey = decodeMessageKey(encodeMessageKey(messageKey));
    const bytes = encryptBody(storedKey, body, ratchetPaddedLength('message', state.supportKem));
    const message = { id, bytes, text, chain: from.sndChain, number: before.ns, pq: state.sndKem };
    if (next(100) < 3) count.lost++;
    else to.incoming.push(message);
  };

  const expectedError = (to: Party, m: Message): RatchetErrorReason => {
    if (m.chain < to.rcvChain) return 'HEADER';
    return m.number + 1 === to.nr ? 'DUPLICATE' : 'EARLIER';
  };

  const open = (to: Party, bytes: Uint8Array): Exclude<DecryptResult, { type: 'needsKemKeyPair' }> => {
    for (;;) {
      const result = decrypt(decodeRatchetState(to.stored), to.skipped, bytes, keys);
      if (result.type !== 'needsKemKeyPair') return result;
      count.waits++;
    }
  };

  const fail = (m: Message, what: string): never => {
    throw new Error(`seed ${seed}, message ${m.id} (chain ${m.chain}, number ${m.number}): ${what}`);
  };

  const deliver = (to: Party): void => {
    const again = to.delivered.length > 0 && next(10) === 0;
    const list = again ? to.delivered : to.incoming;
    // Any of those that wait for long, or the one decrypted last once more.
    const at = again && next(2) === 0 ? list.length - 1 : next(Math.min(list.length, 15));
    const m = list[at];
    if (m === undefined) return;
    const damage = next(60) === 0 ? 1 + next(2) : 0;
    if (!again && damage !== 2) {
      list.splice(at, 1);
      to.delivered.push(m);
      if (to.delivered.length > 200) to.delivered.shift();
    }
    const bytes = damage === 0 ? m.bytes : new Uint8Array(m.bytes);
    // The last byte is the body's; byte 60 is in the encrypted header.
    const position = damage === 1 ? bytes.length - 1 : 60;
    if (damage !== 0) bytes[position] = (bytes[position] ?? 0) ^ 0x10;

    const result = open(to, bytes);
    if (damage === 2) {
      if (result.type !== 'failed' || result.error.reason !== 'HEADER') fail(m, `damaged header: ${result.type}`);
      return;
    }
    if (result.type === 'failed') {
      if (!to.consumed.has(m.id)) fail(m, result.error.message);
      if (result.error.reason !== expectedError(to, m)) fail(m, `${result.error.reason} after decryption`);
      errors[result.error.reason] = (errors[result.error.reason] ?? 0) + 1;
      return;
    }
    to.stored = encodeRatchetState(result.state);
    to.skipped.apply(result.skipped);
    const first = !to.consumed.has(m.id);
    if (first) {
      to.consumed.add(m.id);
      if (m.chain > to.rcvChain) {
        to.rcvChain = m.chain;
        to.nr = 0;
        to.sndChain++;
        count.steps++;
      }
      if (m.chain === to.rcvChain) to.nr = Math.max(to.nr, m.number + 1);
    }
    if (result.type === 'bodyError') {
      const { reason } = result.error;
      const right = first ? 'DECRYPT_AES' : expectedError(to, m);
      if (reason !== right || (first && damage === 0)) fail(m, `${reason}, not ${right}`);
      errors[reason] = (errors[reason] ?? 0) + 1;
      return;
    }
    if (!first) fail(m, 'decrypted twice');
    if (damage !== 0) fail(m, 'decrypted though damaged');
    if (new TextDecoder().decode(result.plaintext) !== m.text) fail(m, 'another text');
    if (m.chain === to.rcvChain && result.state.rcvKem !== m.pq) fail(m, 'the parties differ about the KEM');
    to.decrypted.add(m.id);
    count.decrypted++;
    if (m.pq) count.pq++;
  };

  while (count.sent < messages) {
    const [from, to] = next(2) === 0 ? [alice, bob] : [bob, alice];
    for (let n = next(8); n > 0 && count.sent < messages; n--) send(from, to);
    for (let n = next(11); n > 0; n--) deliver(next(3) === 0 ? from : to);
  }
  for (const party of [alice, bob]) while (party.incoming.length > 0) deliver(party);
  return { ...count, errors };
}
