import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { encode, hex } from '../wire/index.js';
import {
  decodeMessageKey,
  decodeRatchetState,
  decrypt,
  encodeMessageKey,
  encodeRatchetState,
  encryptBody,
  encryptHeader,
  RatchetError,
  SkippedKeyMap,
} from './index.js';
import { type Kem, loadSntrup761 } from './sntrup761.js';
import {
  keysOfStateAfter,
  officialName,
  type RatchetJson,
  ratchetFromJson,
  ratchetToJson,
  type SkippedJson,
  skippedFromJson,
  skippedToJson,
  withoutNulls,
} from './testing-support/ratchet-json.js';

interface SkippedSummary {
  readonly count: number;
  readonly headerKeys: number;
  readonly first: readonly SkippedJson[];
  readonly last: readonly SkippedJson[];
  readonly sha256OfAll: string;
}

interface EncryptStep {
  readonly op: 'encrypt';
  readonly by: string;
  readonly msgId: string;
  readonly plaintext: string;
  readonly paddedLen: number;
  readonly pqEnc: boolean | null;
  readonly stateBefore: string;
  readonly stateAfter?: string;
  readonly msgEncryptKey?: string;
  readonly ciphertext?: string;
  readonly sndKEM?: boolean;
  readonly error?: string;
  readonly errorBody?: string;
}

interface DecryptStep {
  readonly op: 'decrypt';
  readonly by: string;
  readonly msgId: string;
  readonly ciphertext?: string;
  readonly stateBefore: string;
  readonly skippedBefore?: readonly SkippedJson[] | SkippedSummary;
  readonly stateAfter?: string;
  readonly skippedAfter?: readonly SkippedJson[] | SkippedSummary;
  readonly rcvKEM?: boolean;
  readonly failed?: string;
  readonly result?: { readonly plaintext?: string; readonly error?: string };
}

interface Sequence {
  readonly name: string;
  readonly states: Readonly<Record<string, RatchetJson>>;
  readonly steps: readonly (EncryptStep | DecryptStep)[];
}

const unhex = (s: string): Uint8Array => Buffer.from(s, 'hex');

function isSummary(s: readonly SkippedJson[] | SkippedSummary): s is SkippedSummary {
  return 'sha256OfAll' in s;
}

function expectSkipped(actual: SkippedKeyMap, expected: readonly SkippedJson[] | SkippedSummary | undefined): void {
  const rows = skippedToJson(actual.rows());
  if (expected === undefined || !isSummary(expected)) {
    expect(rows).toEqual(
      [...(expected ?? [])].sort((a, b) =>
        a.headerKey === b.headerKey ? a.msgNs - b.msgNs : a.headerKey < b.headerKey ? -1 : 1,
      ),
    );
    return;
  }
  expect(rows.length).toBe(expected.count);
  expect(new Set(rows.map((r) => r.headerKey)).size).toBe(expected.headerKeys);
  expect(rows.slice(0, expected.first.length)).toEqual(expected.first);
  expect(rows.slice(-expected.last.length)).toEqual(expected.last);
  const all = encode((w) => {
    for (const r of rows) w.str(unhex(r.headerKey)).u32(r.msgNs).str(unhex(r.key)).str(unhex(r.iv));
  });
  expect(createHash('sha256').update(all).digest('hex')).toBe(expected.sha256OfAll);
}

/** Errors of the vectors may have details in quotes, which are free. */
const errorName = (recorded: string): string => recorded.replace(/ ".*$/, '');

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (e) {
    if (e instanceof RatchetError) return officialName(e);
    throw e;
  }
  return 'no error';
}

let kem: Kem;
beforeAll(async () => {
  kem = await loadSntrup761();
});

for (const file of ['ratchet', 'ratchet-pq']) {
  const { sequences } = JSON.parse(readFileSync(`test/vectors/${file}.json`, 'utf8')) as { sequences: Sequence[] };
  describe(`recorded ratchet sequences of ${file}.json`, () => {
    for (const sequence of sequences) {
      it(`${sequence.name}: every step gives the recorded bytes, states, skipped keys and errors`, () => {
        replay(sequence);
      });
    }
  });
}

function replay({ states, steps }: Sequence): void {
  const stateJson = (id: string | undefined): RatchetJson => {
    const json = id === undefined ? undefined : states[id];
    if (json === undefined) throw new Error(`no state ${id}`);
    return json;
  };
  const ciphertexts = new Map<string, string>();
  const skipped = new Map<string, SkippedKeyMap>();
  for (const step of steps) {
    const before = ratchetFromJson(stateJson(step.stateBefore));
    // What is stored is what was made.
    expect(decodeRatchetState(encodeRatchetState(before))).toEqual(before);
    if (step.op === 'encrypt') {
      replayEncrypt(step, before, stateJson);
      if (step.ciphertext !== undefined) ciphertexts.set(step.msgId, step.ciphertext);
      continue;
    }
    const mine =
      step.skippedBefore === undefined || isSummary(step.skippedBefore)
        ? (skipped.get(step.by) ?? new SkippedKeyMap())
        : new SkippedKeyMap(skippedFromJson(step.skippedBefore));
    skipped.set(step.by, mine);
    expectSkipped(mine, step.skippedBefore);
    const after = step.stateAfter === undefined ? before : ratchetFromJson(stateJson(step.stateAfter));
    const message = unhex(step.ciphertext ?? ciphertexts.get(step.msgId) ?? '');
    const result = decrypt(before, mine, message, keysOfStateAfter(after, kem));
    if (step.failed !== undefined) {
      expect(result.type === 'failed' && officialName(result.error), step.msgId).toBe(errorName(step.failed));
      continue;
    }
    if (result.type !== 'decrypted' && result.type !== 'bodyError') {
      throw new Error(`${step.msgId}: ${result.type === 'failed' ? result.error.message : result.type}`);
    }
    if (result.type === 'decrypted') expect(hex(result.plaintext), step.msgId).toBe(step.result?.plaintext);
    else expect(officialName(result.error), step.msgId).toBe(step.result?.error);
    expect(ratchetToJson(result.state), step.msgId).toEqual(withoutNulls(stateJson(step.stateAfter)));
    if (step.rcvKEM !== undefined) expect(result.state.rcvKem).toBe(step.rcvKEM);
    mine.apply(result.skipped);
    expectSkipped(mine, step.skippedAfter);
  }
}

function replayEncrypt(
  step: EncryptStep,
  before: ReturnType<typeof ratchetFromJson>,
  stateJson: (id: string | undefined) => RatchetJson,
): void {
  const options = { pqEnc: step.pqEnc ?? undefined };
  if (step.error !== undefined) {
    expect(refusal(() => encryptHeader(before, options))).toBe(step.error);
    return;
  }
  const { state, messageKey } = encryptHeader(before, options);
  expect(ratchetToJson(state), step.msgId).toEqual(withoutNulls(stateJson(step.stateAfter)));
  if (step.sndKEM !== undefined) expect(state.sndKem).toBe(step.sndKEM);
  if (step.msgEncryptKey !== undefined) {
    expect(hex(encodeMessageKey(messageKey)), step.msgId).toBe(step.msgEncryptKey);
    const body = (): Uint8Array =>
      encryptBody(decodeMessageKey(unhex(step.msgEncryptKey ?? '')), unhex(step.plaintext), step.paddedLen);
    if (step.errorBody === undefined) expect(hex(body()), step.msgId).toBe(step.ciphertext);
    else expect(refusal(body)).toBe(step.errorBody);
  }
}
