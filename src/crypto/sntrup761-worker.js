// Makes KEM key pairs in a worker thread: one for each message. Plain JavaScript, so that it runs from src and dist.
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import path from 'node:path';
import { parentPort } from 'node:worker_threads';
import { createSntrup761 } from '@oqs/liboqs-js/kem';

// Pairs are made ahead of need: messages that are on their way go first. Linux alone gives threads a priority of their
// own, and names them.
try {
  setPriority(Number(path.basename(readlinkSync('/proc/thread-self'))), 10);
} catch {
  // Without it messages wait a little.
}

const kem = createSntrup761();

parentPort?.on('message', async () => {
  const { publicKey, secretKey } = (await kem).generateKeyPair();
  parentPort?.postMessage({ publicKey, secretKey }, [publicKey.buffer, secretKey.buffer]);
});
