import { type E2EKeys, generateE2EKeys, generateKeyPair, type KeyPair, senderIdForCorrId } from '../../crypto/index.js';
import type { QueueRequest, ServerWithAuth } from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { type AgentContext, newId, transaction } from '../context.js';
import { cmdError } from '../errors.js';
import type { ConnectionMode, ConnectionRequest, ShortLink } from '../links/index.js';
import type { Urgency } from '../network/network.js';
import { addRcvQueue, insertConn, loadConn } from '../rows/connections.js';
import { saveE2EKeys } from '../rows/ratchets.js';
import { connKind } from '../state/connection.js';
import type {
  ConnId,
  CreateConnectionParams,
  CreatedConnection,
  CreatedConnLink,
  InitialKeys,
  UserId,
} from '../types.js';
import { AgentV } from '../versions.js';
import { createdLink, e2eUriOf, ownRequest, sealLink, shortLinkOf } from './links.js';
import { addressOf, type MadeQueue, makeQueue } from './queue.js';

/** A queue on a server with the link to it; nothing is stored yet. */
export interface PreparedLink {
  readonly made: MadeQueue;
  readonly e2eKeys: E2EKeys | undefined;
  readonly request: ConnectionRequest;
  readonly link: CreatedConnLink;
}

interface LinkParams {
  readonly userId: UserId;
  readonly mode: ConnectionMode;
  readonly initialKeys: InitialKeys;
  readonly userLinkData?: Uint8Array | undefined;
  readonly clientData?: string | undefined;
  readonly subscribe: boolean;
}

/** Section 6.7: the connection's PQ support, decided by its creator. */
const pqSupportOf = (keys: InitialKeys): boolean => keys !== 'linkPQOff';

/** Our side of the key agreement of an invitation; with a KEM key when it is to be proposed. */
export async function invitationKeys(ctx: AgentContext, proposeKem: boolean): Promise<E2EKeys> {
  return generateE2EKeys(ctx.random, proposeKem ? await ctx.kem.keyPair() : undefined);
}

/** Makes queue, keys and link (sections 4.8 and 6.2, step 1). */
export async function prepareLink(
  ctx: AgentContext,
  params: LinkParams,
  server: ServerWithAuth<'smp'>,
  urgency: Urgency,
): Promise<PreparedLink> {
  const { userId, mode, initialKeys, userLinkData, clientData, subscribe } = params;
  if (mode === 'contact' && initialKeys === 'usePQ') throw cmdError('PROHIBITED', 'newConn: contact with PQ keys');
  // Servers before short links get no data: there is only a full link then.
  const short =
    userLinkData !== undefined &&
    (await ctx.operations.run(() => ctx.network.supportsShortLinks(userId, server.server, urgency)));
  const proposeKem = initialKeys === 'usePQ' || (initialKeys === 'linkPQOn' && short);
  const e2eKeys = mode === 'invitation' ? await invitationKeys(ctx, proposeKem) : undefined;
  const e2e = e2eKeys === undefined ? undefined : e2eUriOf(e2eKeys);
  const queueMode = mode === 'invitation' ? 'messaging' : 'contact';
  if (!short || userLinkData === undefined) {
    const made = await makeQueue(ctx, userId, server, { mode: queueMode, subscribe }, urgency);
    const address = addressOf(made.queue, mode === 'contact' ? 'contact' : made.queue.queueMode);
    const request = ownRequest(mode, address, e2e, clientData);
    return { made, e2eKeys, request, link: createdLink(request, undefined, true) };
  }
  const e2eKey = generateKeyPair('x25519', ctx.random);
  const corrId = ctx.random.bytes(24);
  const senderId = senderIdForCorrId(corrId);
  const request = ownRequest(
    mode,
    { server: server.server, senderId, dhPublicKey: e2eKey.publicKey, queueMode },
    e2e,
    clientData,
  );
  const rootKey: KeyPair<'ed25519'> = generateKeyPair('ed25519', ctx.random);
  const sealed = sealLink(ctx, rootKey, request, userLinkData);
  const made = await makeQueue(
    ctx,
    userId,
    server,
    {
      mode: queueMode,
      subscribe,
      e2eKey,
      link: {
        request: linkRequest(senderId, sealed),
        corrId,
        sndId: senderId,
        linkId: sealed.linkId,
        creds: { linkKey: sealed.linkKey, privateKey: rootKey.privateKey, fixed: sealed.data.fixed },
      },
    },
    urgency,
  );
  const creds = made.queue.link;
  const link: ShortLink | undefined =
    creds === undefined ? undefined : shortLinkOf(mode, server.server, creds, clientData);
  return { made, e2eKeys, request, link: createdLink(request, link, initialKeys === 'usePQ') };
}

function linkRequest(senderId: Uint8Array, sealed: ReturnType<typeof sealLink>): QueueRequest {
  const link = { senderId, ...sealed.data };
  return sealed.linkId === undefined
    ? { mode: 'messaging', link }
    : { mode: 'contact', link: { ...link, linkId: sealed.linkId } };
}

/** T2: stores the queue of a connection; it is subscribed from then on. */
export async function storePrepared(ctx: AgentContext, tx: Tx, connId: ConnId, p: PreparedLink): Promise<void> {
  const conn = await loadConn(ctx, tx, connId);
  if (connKind(conn) !== 'new') throw cmdError('PROHIBITED', 'newConn: connection has a queue');
  const rq = await addRcvQueue(ctx, tx, conn, p.made.queue);
  if (p.e2eKeys !== undefined) await saveE2EKeys(tx, connId, p.e2eKeys);
  const { userId } = conn;
  if (p.made.subscribed) tx.onCommit(() => ctx.subscriptions.added(userId, rq, p.made.client));
}

/** A new connection with its link (synchronous form). */
export async function createConnection(ctx: AgentContext, params: CreateConnectionParams): Promise<CreatedConnection> {
  const server = ctx.users.chooseStorage(params.userId, []);
  const prepared = await prepareLink(ctx, { ...params, subscribe: params.subscribe ?? true }, server, 'interactive');
  const created: CreatedConnection = { connId: newId(ctx), link: prepared.link };
  await transaction(ctx, 'create', async (tx) => {
    await insertConn(ctx, tx, {
      connId: created.connId,
      userId: params.userId,
      mode: params.mode,
      agentVersion: AgentV.Current,
      pqSupport: pqSupportOf(params.initialKeys),
    });
    await storePrepared(ctx, tx, created.connId, prepared);
    await params.stored?.(tx, created);
  });
  return created;
}

/** The asynchronous form: the worker makes the queue, INV tells the link. */
export async function createConnectionAsync(
  ctx: AgentContext,
  tx: Tx,
  corrId: string,
  params: { readonly userId: UserId; readonly mode: ConnectionMode; readonly initialKeys: InitialKeys },
): Promise<ConnId> {
  const connId = newId(ctx);
  const { userId, mode, initialKeys } = params;
  await insertConn(ctx, tx, {
    connId,
    userId,
    mode,
    agentVersion: AgentV.Current,
    pqSupport: pqSupportOf(initialKeys),
  });
  await ctx.commands.enqueue(tx, { connId, serverId: undefined }, corrId, { tag: 'NEW', mode, initialKeys });
  return connId;
}
