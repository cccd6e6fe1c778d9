// Makes KEM key pairs in a worker thread: one for each message. Plain JavaScript, so that it runs from src and dist.
import { parentPort } from 'node:worker_threads';
import { createSntrup761 } from '@oqs/liboqs-js/kem';

const kem = createSntrup761();

parentPort?.on('message', async () => {
  const { publicKey, secretKey } = (await kem).generateKeyPair();
  parentPort?.postMessage({ publicKey, secretKey }, [publicKey.buffer, secretKey.buffer]);
});
