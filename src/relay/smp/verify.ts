import { timingSafeEqual } from 'node:crypto';
import { authenticatorSize, generateKeyPair, type PrivateKey, signatureSize } from '../../crypto/index.js';
import {
  cmdError,
  type RawTransmission,
  type SmpCommand,
  type SmpCommandName,
  type SmpError,
  verifyTransmission,
} from '../../smp/index.js';
import { type AuthKey, type QueueIdKind, type QueueRecord, type SmpStorage, sameKey } from './storage.js';

/** Which commands need an authorization and an entity (20-smp.md, section 5.4). Absent: both are required. */
const credentials: Partial<Record<SmpCommandName, (auth: boolean, entity: boolean) => SmpError | undefined>> = {
  NEW: (auth, entity) => (!auth ? cmdError('NO_AUTH') : entity ? cmdError('HAS_AUTH') : undefined),
  SEND: (_auth, entity) => (entity ? undefined : cmdError('NO_ENTITY')),
  LGET: entityOnly,
  PFWD: entityOnly,
  PING: nothing,
  PRXY: nothing,
  RFWD: nothing,
};

function entityOnly(auth: boolean, entity: boolean): SmpError | undefined {
  return !entity ? cmdError('NO_ENTITY') : auth ? cmdError('HAS_AUTH') : undefined;
}

function nothing(auth: boolean, entity: boolean): SmpError | undefined {
  return auth || entity ? cmdError('HAS_AUTH') : undefined;
}

/** The error of a command that comes with too many or too few credentials. */
export function checkCredentials(t: RawTransmission, name: SmpCommandName): SmpError | undefined {
  const auth = t.authorization.length > 0;
  const entity = t.entityId.length > 0;
  const check = credentials[name];
  if (check !== undefined) return check(auth, entity);
  return auth && entity ? undefined : cmdError('NO_AUTH');
}

/** By which id a command names its queue. Commands that name none are absent. */
const entityKinds: Partial<Record<SmpCommandName, QueueIdKind>> = {
  SUB: 'recipient',
  KEY: 'recipient',
  RKEY: 'recipient',
  LSET: 'recipient',
  LDEL: 'recipient',
  NKEY: 'recipient',
  NDEL: 'recipient',
  GET: 'recipient',
  ACK: 'recipient',
  OFF: 'recipient',
  DEL: 'recipient',
  QUE: 'recipient',
  SEND: 'sender',
  SKEY: 'sender',
  LKEY: 'link',
  LGET: 'link',
  NSUB: 'notifier',
};

export type Verified =
  | { readonly kind: 'queue'; readonly queue: QueueRecord }
  /** The command is not about an existing queue. */
  | { readonly kind: 'free' }
  | { readonly kind: 'error'; readonly error: SmpError };

const authError: Verified = { kind: 'error', error: { type: 'AUTH' } };

/** Keys that no command is signed by: a check against them takes the time of a real one. */
const dummyKeys: Readonly<Record<number, AuthKey>> = {
  [signatureSize.ed25519]: generateKeyPair('ed25519').publicKey,
  [signatureSize.ed448]: generateKeyPair('ed448').publicKey,
  [authenticatorSize]: generateKeyPair('x25519').publicKey,
};

/** What a transmission was authorized for: the session of the connection and the relay's key in it. */
export interface AuthorizationContext {
  readonly sessionId: Uint8Array;
  readonly sessionKey: PrivateKey<'x25519'>;
}

/**
 * Whether one of the keys authorizes the transmission. Without a key that could, a dummy check is made, so that the
 * time does not tell whether a queue exists (section 11.2).
 */
function authorizes(t: RawTransmission, context: AuthorizationContext, keys: readonly AuthKey[]): boolean {
  const dummy = dummyKeys[t.authorization.length];
  let checked = false;
  for (const key of keys) {
    if (key.alg !== dummy?.alg) continue;
    checked = true;
    if (verifyTransmission(t, context.sessionId, key, context.sessionKey)) return true;
  }
  if (!checked && dummy !== undefined) verifyTransmission(t, context.sessionId, dummy, context.sessionKey);
  return false;
}

function keysFor(command: SmpCommand, queue: QueueRecord): readonly AuthKey[] {
  switch (command.cmd) {
    case 'SKEY':
    case 'LKEY':
      if (queue.mode !== 'M') return [];
      return queue.senderKey === undefined || sameKey(queue.senderKey, command.key) ? [command.key] : [];
    case 'SEND':
      return queue.senderKey === undefined ? [] : [queue.senderKey];
    case 'NSUB':
      return queue.notifier === undefined ? [] : [queue.notifier.key];
    default:
      return queue.recipientKeys;
  }
}

/** Finds the queue of a command and checks that the client may execute it. */
export async function verifyCommand(
  t: RawTransmission,
  command: SmpCommand,
  context: AuthorizationContext,
  storage: SmpStorage,
): Promise<Verified> {
  // Services are not offered: nobody can have a service session.
  if (t.serviceSignature !== undefined || command.cmd === 'NSUBS') {
    return { kind: 'error', error: { type: 'SERVICE' } };
  }
  if (command.cmd === 'SUBS') return { kind: 'error', error: cmdError('PROHIBITED') };
  if (command.cmd === 'NEW') return authorizes(t, context, [command.rcvAuthKey]) ? { kind: 'free' } : authError;
  const kind = entityKinds[command.cmd];
  if (kind === undefined) return { kind: 'free' };
  const queue = await storage.findQueue(kind, t.entityId);
  if (queue === undefined) {
    authorizes(t, context, []);
    return authError;
  }
  if (command.cmd === 'LGET') {
    const readable = queue.mode === 'C' || (queue.mode === undefined && queue.senderKey === undefined);
    return readable ? { kind: 'queue', queue } : authError;
  }
  if (command.cmd === 'SEND' && queue.senderKey === undefined) {
    if (t.authorization.length === 0) return { kind: 'queue', queue };
    authorizes(t, context, []);
    return authError;
  }
  return authorizes(t, context, keysFor(command, queue)) ? { kind: 'queue', queue } : authError;
}

/** Comparison of passwords that does not tell by its time where they differ. */
export function samePassword(expected: string, given: string | undefined): boolean {
  if (given === undefined) return false;
  const a = Buffer.from(expected);
  const b = Buffer.from(given);
  return a.length === b.length && timingSafeEqual(a, b);
}
