import { dh, generateKeyPair, type KeyPair, publicKeyOf } from '../../crypto/index.js';
import {
  formatServer,
  type QueueAddress,
  type QueueMode,
  type QueueRequest,
  type ServerWithAuth,
  type SmpClient,
  type SmpClientVersion,
  smpClientRange,
} from '../../smp/index.js';
import type { AgentContext } from '../context.js';
import { AgentError } from '../errors.js';
import type { Urgency } from '../network/network.js';
import type { NewRcvQueue, NewSndQueue } from '../rows/queues.js';
import type { LinkCreds, RcvQueue, SndQueue } from '../state/connection.js';
import type { UserId } from '../types.js';
import { lowerVersion } from '../versions.js';

/** A queue that a server made for us, not stored yet, and the connection on which it is subscribed. */
export interface MadeQueue {
  readonly queue: NewRcvQueue;
  readonly client: SmpClient;
  readonly subscribed: boolean;
}

/** A queue to be made on a server. `replacesId`: row of the queue that it is to replace (rotation). */
export interface MakeQueue {
  readonly mode: QueueMode;
  readonly subscribe: boolean;
  readonly clientVersion?: SmpClientVersion;
  readonly replacesId?: number;
  /** Link data: sender id and keys were made before. */
  readonly link?: {
    readonly request: QueueRequest;
    readonly corrId: Uint8Array;
    readonly sndId: Uint8Array;
    /** Of contact links; the server makes the id of invitation links. */
    readonly linkId: Uint8Array | undefined;
    readonly creds: Omit<LinkCreds, 'linkId'>;
  };
  readonly e2eKey?: KeyPair<'x25519'>;
}

/** NEW with fresh keys. Not idempotent: a lost answer leaves an orphan on the server. */
export async function makeQueue(
  ctx: AgentContext,
  userId: UserId,
  server: ServerWithAuth<'smp'>,
  params: MakeQueue,
  urgency: Urgency,
): Promise<MadeQueue> {
  const authKey = generateKeyPair('ed25519', ctx.random);
  const dhKey = generateKeyPair('x25519', ctx.random);
  const e2eKey = params.e2eKey ?? generateKeyPair('x25519', ctx.random);
  const { link, mode } = params;
  const { ids, client } = await ctx.operations.run(() =>
    ctx.network.createQueue(
      userId,
      server,
      {
        authKey,
        dhKey,
        subscribe: params.subscribe,
        request: link?.request ?? { mode },
        corrId: link?.corrId,
      },
      urgency,
    ),
  );
  const linkId = checkLink(server, params, ids);
  return {
    queue: {
      server: server.server,
      rcvId: ids.rcvId,
      sndId: ids.sndId,
      rcvPrivateKey: authKey.privateKey,
      rcvDhSecret: dh(ids.relayDhKey, dhKey.privateKey),
      e2ePrivateKey: e2eKey.privateKey,
      // Servers before version 9 do not tell: their queues have no mode.
      queueMode: ids.queueMode,
      clientVersion: params.clientVersion ?? smpClientRange.max,
      primary: true,
      replacesId: params.replacesId,
      link: link === undefined || linkId === undefined ? undefined : { ...link.creds, linkId },
    },
    client,
    subscribed: params.subscribe,
  };
}

/** Section 4.8, step 6: the answer must be the queue that the link data describe. */
function checkLink(
  server: ServerWithAuth<'smp'>,
  { link, mode }: MakeQueue,
  ids: {
    readonly sndId: Uint8Array;
    readonly queueMode: QueueMode | undefined;
    readonly linkId: Uint8Array | undefined;
  },
): Uint8Array | undefined {
  if (link === undefined) return undefined;
  const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
  const ok =
    same(ids.sndId, link.sndId) &&
    ids.queueMode === mode &&
    ids.linkId !== undefined &&
    (link.linkId === undefined || same(ids.linkId, link.linkId));
  if (!ok) {
    throw new AgentError({
      type: 'BROKER',
      brokerAddress: formatServer(server.server),
      brokerErr: { type: 'UNEXPECTED', respErr: 'Create queue: wrong link data' },
    });
  }
  return ids.linkId;
}

/** The address of a receive queue as its sender gets it. */
export function addressOf(
  rq: Pick<RcvQueue, 'server' | 'sndId' | 'e2ePrivateKey' | 'queueMode'>,
  mode: QueueMode | undefined = rq.queueMode,
): QueueAddress {
  return {
    server: rq.server,
    senderId: rq.sndId,
    dhPublicKey: publicKeyOf(rq.e2ePrivateKey),
    queueMode: mode,
  };
}

/** A send queue for an address, with fresh keys. `sndPrivateKey` when the queue was secured with it before (LKEY). */
export function newSndQueue(
  ctx: AgentContext,
  address: QueueAddress,
  options: {
    readonly clientVersion: SmpClientVersion;
    readonly secured?: SndQueue['sndPrivateKey'] | undefined;
    readonly replacesId?: number;
  },
): NewSndQueue {
  const e2eKey = generateKeyPair('x25519', ctx.random);
  return {
    server: address.server,
    sndId: address.senderId,
    queueMode: address.queueMode,
    sndPrivateKey: options.secured ?? generateKeyPair('ed25519', ctx.random).privateKey,
    e2ePublicKey: e2eKey.publicKey.raw,
    e2eDhSecret: dh(address.dhPublicKey, e2eKey.privateKey),
    status: options.secured === undefined ? 'new' : 'secured',
    primary: true,
    replacesId: options.replacesId,
    clientVersion: lowerVersion(options.clientVersion, smpClientRange.max),
  };
}
