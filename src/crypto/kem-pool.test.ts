import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock, systemRandom } from '../core/index.js';
import { hex } from '../wire/index.js';
import { createKemPool, type KemPool, ratchetKeys } from './index.js';

let pool: KemPool | undefined;
afterEach(async () => {
  await pool?.close();
  pool = undefined;
});

describe('the KEM pool', () => {
  it('gives each caller a pair of its own, also to more callers than it keeps pairs', async () => {
    pool = await createKemPool({ size: 2 });
    const made = pool;
    const pairs = await Promise.all(Array.from({ length: 7 }, () => made.keyPair()));
    expect(new Set(pairs.map((p) => hex(p.publicKey))).size).toBe(7);
    const [first] = pairs;
    if (first === undefined) throw new Error('no pair');
    const { ciphertext, sharedSecret } = pool.kem.encapsulate(first.publicKey);
    expect(pool.kem.decapsulate(ciphertext, first.secretKey)).toEqual(sharedSecret);
  });

  it('starts empty without a thread, fills up to its size, and gives synchronously what is ready', async () => {
    pool = await createKemPool({ size: 3 });
    expect(pool.available).toBe(0);
    const keys = ratchetKeys(systemRandom, pool);
    expect(keys.kemKeyPair()).toBeUndefined();
    expect(ratchetKeys(systemRandom, pool, 'make').kemKeyPair()?.publicKey.length).toBe(1158);
    await pool.ready();
    expect(keys.kemKeyPair()?.publicKey.length).toBe(1158);
    expect(keys.ratchetKeyPair().publicKey.raw.length).toBe(56);
    // Filled again behind the caller's back, and no further.
    while (pool.available < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(pool.available).toBe(3);
  });

  it('lets the event loop turn while pairs are made', async () => {
    pool = await createKemPool({ size: 8 });
    const made = pool;
    await made.ready();
    let turns = 0;
    let done = false;
    const turn = (): void => {
      turns++;
      if (!done) setImmediate(turn);
    };
    turn();
    await Promise.all(Array.from({ length: 16 }, () => made.keyPair()));
    done = true;
    // Made on this thread, there would be a turn for each pair.
    expect(turns).toBeGreaterThan(160);
  });

  it('ends its threads when nothing was needed for long, and starts them again', async () => {
    const clock = new ManualClock();
    pool = await createKemPool({ size: 1, clock, idleMs: 1000 });
    for (let round = 0; round < 2; round++) {
      const made = pool.keyPair();
      expect((await made).secretKey.length).toBe(1763);
      while (pool.available < 1) await new Promise((resolve) => setTimeout(resolve, 5));
      expect(pool.threads).toBe(1);
      clock.advance(999);
      expect(pool.threads).toBe(1);
      clock.advance(1);
      expect(pool.threads).toBe(0);
      // The pair that was ready stays.
      expect(pool.available).toBe(1);
    }
  });

  it('rejects those who wait when it is closed', async () => {
    pool = await createKemPool({ size: 1 });
    const waiting = pool.keyPair();
    await Promise.all([expect(waiting).rejects.toThrow('closed'), pool.close()]);
    await expect(pool.ready()).rejects.toThrow('closed');
  });

  it('a worker that nobody waits for does not keep the process alive', () => {
    const script = `
      const { Worker } = await import('node:worker_threads');
      const worker = new Worker(new URL('./src/crypto/sntrup761-worker.js', 'file://' + process.cwd() + '/'), { execArgv: [] });
      worker.unref();
      worker.ref();
      await new Promise((resolve) => { worker.once('message', resolve); worker.postMessage(undefined); });
      worker.unref();
      worker.postMessage(undefined);
      console.log('end');`;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      timeout: 20_000,
      encoding: 'utf8',
    });
    expect(run.status).toBe(0);
    expect(run.stdout.trim()).toBe('end');
  });
});
