// The ratchet's part of `npm run bench -- crypto`: time per message, and what the event loop feels of the KEM.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { systemRandom } from '../dist/core/index.js';
import {
  createKemPool,
  decodeRatchetState,
  decrypt,
  e2eParamsOf,
  encodeRatchetState,
  encryptBody,
  encryptHeader,
  generateE2EKeys,
  generateJoiningE2EKeys,
  generateKeyPair,
  initRcvRatchet,
  initSndRatchet,
  noSkippedKeys,
  ratchetPaddedLength,
} from '../dist/crypto/index.js';

const poolSize = 32;

/** CPU milliseconds of this process (all threads) per call. */
function cpuPerCall(count, run) {
  const before = process.cpuUsage();
  for (let i = 0; i < count; i++) run(i);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / count;
}

/** Two parties with ratchets; `keys` gives KEM pairs made before, so that their making is not measured. */
async function connect(pool, pq, spare) {
  const keys = {
    kem: pool.kem,
    ratchetKeyPair: () => generateKeyPair('x448', systemRandom),
    kemKeyPair: () => spare.pop() ?? pool.kem.generateKeyPair(),
  };
  const offered = generateE2EKeys(systemRandom, pq ? await pool.keyPair() : undefined);
  const offer = e2eParamsOf(offered);
  const joining = generateJoiningE2EKeys(
    systemRandom,
    offer,
    pq ? { kem: pool.kem, keyPair: await pool.keyPair() } : undefined,
  );
  return {
    keys,
    bob: initSndRatchet(joining, offer, keys.ratchetKeyPair()),
    alice: initRcvRatchet(offered, e2eParamsOf(joining), pq, pool.kem),
  };
}

function receive(state, message, keys) {
  const result = decrypt(state, noSkippedKeys, message, keys);
  if (result.type !== 'decrypted') throw new Error(`bench: ${result.type}`);
  return result.state;
}

async function perMessage(pool, pq) {
  const steps = 40;
  const spare = [];
  if (pq) for (let i = 0; i < 2 * steps + 4; i++) spare.push(await pool.keyPair());
  let { alice, bob, keys } = await connect(pool, pq, spare);
  // The worker's time is not the message's: let it finish.
  while (pq && pool.available < poolSize) await new Promise((resolve) => setTimeout(resolve, 20));
  const padded = ratchetPaddedLength('message', pq);
  const text = new Uint8Array(padded - 2).fill(0x61);
  const send = (state) => {
    const made = encryptHeader(state);
    return [made.state, encryptBody(made.messageKey, text, padded)];
  };
  let message;
  const both = (count) => {
    const messages = [];
    const encrypt = cpuPerCall(count, () => {
      [bob, message] = send(bob);
      messages.push(message);
    });
    const open = cpuPerCall(count, (i) => {
      alice = receive(alice, messages[i], keys);
    });
    return { encrypt, decrypt: open };
  };
  both(300);
  const plain = both(2000);
  // A conversation: each message comes after a change of direction.
  let decryptStep = 0;
  let encryptStep = 0;
  for (let i = 0; i < steps; i++) {
    encryptStep += cpuPerCall(1, () => {
      [alice, message] = send(alice);
    });
    decryptStep += cpuPerCall(1, () => {
      bob = receive(bob, message, keys);
    });
    [bob, message] = send(bob);
    alice = receive(alice, message, keys);
  }
  const codec = cpuPerCall(2000, () => decodeRatchetState(encodeRatchetState(bob)));
  return { ...plain, encryptStep: encryptStep / steps, decryptStep: decryptStep / steps, codec };
}

async function loopDelay(work) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await work();
  delay.disable();
  return { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 };
}

/**
 * Rows of the ratchet section: `{ name, value, unit, target? }`; a target is the largest value that is right.
 */
export async function ratchetRows() {
  const rows = [];
  const pool = await createKemPool({ size: poolSize });
  for (const pq of [false, true]) {
    const kind = pq ? 'with PQ' : 'without PQ';
    const r = await perMessage(pool, pq);
    rows.push(
      { name: `ratchet encrypt, 15 kB ${kind}`, value: r.encrypt, unit: 'ms CPU', target: 0.3 },
      { name: `ratchet decrypt, 15 kB ${kind}`, value: r.decrypt, unit: 'ms CPU', target: 0.3 },
      { name: `ratchet encrypt after a step, ${kind}`, value: r.encryptStep, unit: 'ms CPU' },
      { name: `ratchet decrypt with a step, ${kind}`, value: r.decryptStep, unit: 'ms CPU' },
      { name: `ratchet state to bytes and back, ${kind}`, value: r.codec, unit: 'ms CPU' },
    );
  }
  rows.push({
    name: 'KEM key pair (worker thread)',
    value: cpuPerCall(10, () => pool.kem.generateKeyPair()),
    unit: 'ms CPU',
  });
  const idle = await loopDelay(() => new Promise((resolve) => setTimeout(resolve, 500)));
  const busy = await loopDelay(() => Promise.all(Array.from({ length: 64 }, () => pool.keyPair())));
  rows.push(
    { name: 'event-loop delay, idle, p50 / p99 / max', value: [idle.p50, idle.p99, idle.max], unit: 'ms' },
    {
      name: 'event-loop delay while 64 KEM pairs are made, p50 / p99 / max',
      value: [busy.p50, busy.p99, busy.max],
      unit: 'ms',
    },
  );
  await pool.close();
  return rows;
}
