// npm run bench -- crypto [size of the test file in MB]
import { benchBoxes, benchFiles, benchKeys } from './crypto-boxes.js';
import { ratchetRows } from './crypto-ratchet.js';
import { against, heading, line } from './lib.js';

/** Runs all parts; each prints its figures and the targets it has. */
export async function run(args) {
  heading('boxes');
  benchBoxes();
  heading('keys, signatures, chains');
  benchKeys();
  heading('files');
  await benchFiles(args);
  heading('ratchet');
  for (const { name, value, unit, target } of await ratchetRows()) {
    if (Array.isArray(value)) console.log(`${name}: ${value.map((v) => v.toFixed(2)).join(' / ')} ${unit}`);
    else if (target !== undefined) against(name, value, unit, target, 'lower');
    else line(name, value, unit);
  }
}
