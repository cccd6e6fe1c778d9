import { expect, it } from 'vitest';
import { checkIntegrity } from './integrity.js';

const a = Uint8Array.of(1);
const b = Uint8Array.of(2);

it.each([
  [6, a, { type: 'msgOk' }],
  [4, a, { type: 'msgError', errorInfo: { type: 'msgBadId', msgId: 4 } }],
  [5, a, { type: 'msgError', errorInfo: { type: 'msgDuplicate' } }],
  [7, a, { type: 'msgError', errorInfo: { type: 'msgSkipped', fromMsgId: 6, toMsgId: 6 } }],
  [9, b, { type: 'msgError', errorInfo: { type: 'msgSkipped', fromMsgId: 6, toMsgId: 8 } }],
  [6, b, { type: 'msgError', errorInfo: { type: 'msgBadHash' } }],
])('judges message %i after message 5 by the table of section 8.3', (id, hash, expected) => {
  expect(checkIntegrity(5, a, id, hash)).toEqual(expected);
});
