import { decodePrivateKey, encodePrivateKey, generateKeyPair, type PrivateKey } from '../../crypto/index.js';
import type { QueueAddress, SmpServer } from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { equalBytes } from '../../wire/index.js';
import type { AgentContext } from '../context.js';

/** The keys with which we read one-time short links: reading secures the queue for them (section 4.8). */

interface InvLink {
  readonly server: SmpServer;
  readonly linkId: Uint8Array;
  readonly linkKey: Uint8Array;
}

/** The key for a link: the stored one, or a new one that is stored now - before the server sees it. */
export async function invLinkKey(ctx: AgentContext, tx: Tx, link: InvLink): Promise<PrivateKey<'ed25519'>> {
  const serverId = await ctx.servers.id(tx, link.server);
  const row = await tx.db
    .selectFrom('agent_inv_links')
    .select(['link_key', 'snd_private_key'])
    .where('server_id', '=', serverId)
    .where('link_id', '=', link.linkId)
    .executeTakeFirst();
  if (row !== undefined && equalBytes(row.link_key, link.linkKey)) {
    return decodePrivateKey(row.snd_private_key, 'key', ['ed25519']);
  }
  const { privateKey } = generateKeyPair('ed25519', ctx.random);
  if (row !== undefined) await deleteRow(tx, serverId, link.linkId);
  await tx.db
    .insertInto('agent_inv_links')
    .values({
      server_id: serverId,
      link_id: link.linkId,
      link_key: link.linkKey,
      snd_private_key: encodePrivateKey(privateKey),
      snd_id: null,
    })
    .execute();
  return privateKey;
}

async function deleteRow(tx: Tx, serverId: number, linkId: Uint8Array): Promise<void> {
  await tx.db.deleteFrom('agent_inv_links').where('server_id', '=', serverId).where('link_id', '=', linkId).execute();
}

/** Remembers the queue that was secured, so that joining finds the key. */
export async function saveInvLinkQueue(ctx: AgentContext, tx: Tx, link: InvLink, sndId: Uint8Array): Promise<void> {
  await tx.db
    .updateTable('agent_inv_links')
    .set({ snd_id: sndId })
    .where('server_id', '=', await ctx.servers.id(tx, link.server))
    .where('link_id', '=', link.linkId)
    .execute();
}

/** The link cannot be used any more: its queue is secured by the deleted key. */
export async function deleteInvLink(ctx: AgentContext, tx: Tx, link: Omit<InvLink, 'linkKey'>): Promise<void> {
  await deleteRow(tx, await ctx.servers.id(tx, link.server), link.linkId);
}

/** The key that secured a queue through its link. */
export async function findInvLinkKey(
  ctx: AgentContext,
  tx: Tx,
  queue: QueueAddress,
): Promise<PrivateKey<'ed25519'> | undefined> {
  const row = await tx.db
    .selectFrom('agent_inv_links')
    .select('snd_private_key')
    .where('server_id', '=', await ctx.servers.id(tx, queue.server))
    .where('snd_id', '=', queue.senderId)
    .executeTakeFirst();
  return row === undefined ? undefined : decodePrivateKey(row.snd_private_key, 'key', ['ed25519']);
}

/** The queue belongs to a connection now. */
export async function deleteInvLinkKey(ctx: AgentContext, tx: Tx, queue: QueueAddress): Promise<void> {
  await tx.db
    .deleteFrom('agent_inv_links')
    .where('server_id', '=', await ctx.servers.id(tx, queue.server))
    .where('snd_id', '=', queue.senderId)
    .execute();
}
