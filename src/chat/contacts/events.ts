import type { AgentCryptoErrorJson } from '../../agent/index.js';
import type { Contact, MsgDecryptError, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { updateConnection } from '../connections/queries.js';
import type { ConnectionHandlers, ConnectionInput } from '../engine/capability.js';
import type { ChatContext } from '../engine/context.js';
import { contentColumns, emitDirectItems, viewDirectItem } from '../items/create.js';
import { updateItemRow } from '../items/queries.js';
import { itemContent } from '../items/view.js';
import { connectionContinues, connectionEntity, connectionFailed, connectionWarned, sndError } from './errors.js';
import { integrityOfReceipts, messageReceived } from './frame.js';
import { confirmationReceived, connected, infoReceived } from './handshake.js';
import { getContact } from './queries.js';
import { updateDirectStatuses } from './statuses.js';

/** Events of connections with contacts, or that will become contacts (50, section 6.2). */
export const contactEvents: ConnectionHandlers = {
  CONF: confirmationReceived,
  INFO: infoReceived,
  CON: connected,
  MSG: messageReceived,

  async RCVD(ctx, tx, { user, connection, event }) {
    if (connection.contact_id === null) return;
    if (event.meta.integrity.type !== 'msgOk') {
      const contact = await getContact(tx, user, connection.contact_id);
      await integrityOfReceipts(ctx, tx, user, contact, event.meta);
    }
    // Receipts that were collected come together: one event for all items.
    for (const msgRcptStatus of ['ok', 'badMsgHash'] as const) {
      const ids = event.receipts.filter((r) => r.msgRcptStatus === msgRcptStatus).map((r) => r.agentMsgId);
      const status = { type: 'sndRcvd', msgRcptStatus, sndProgress: 'complete' } as const;
      if (ids.length > 0) await updateDirectStatuses(ctx, tx, user, connection, ids, status);
    }
  },

  async SENT(ctx, tx, { user, connection, event }) {
    await connectionContinues(ctx, tx, user, connection);
    const status = { type: 'sndSent', sndProgress: 'complete' } as const;
    const viaProxy = event.proxyServer !== undefined;
    await updateDirectStatuses(ctx, tx, user, connection, [event.msgId], status, viaProxy);
    await ctx.files?.delivered(ctx, tx, user, connection, event.msgId);
  },

  async MWARN(ctx, tx, { user, connection, event }) {
    const status = { type: 'sndWarning', agentError: sndError(event.error) } as const;
    await updateDirectStatuses(ctx, tx, user, connection, [event.msgId], status);
    await connectionWarned(ctx, tx, user, connection, event.error);
  },

  async MERR(ctx, tx, { user, connection, event }) {
    const status = { type: 'sndError', agentError: sndError(event.error) } as const;
    await updateDirectStatuses(ctx, tx, user, connection, [event.msgId], status);
    await connectionFailed(ctx, tx, user, connection, event.error);
  },

  async MERRS(ctx, tx, { user, connection, event }) {
    const status = { type: 'sndError', agentError: sndError(event.error) } as const;
    await updateDirectStatuses(ctx, tx, user, connection, event.msgIds, status);
    await connectionFailed(ctx, tx, user, connection, event.error, false);
  },

  ERR: (ctx, tx, { user, connection, event }) => connectionFailed(ctx, tx, user, connection, event.error, false),
  QCONT: (ctx, tx, { user, connection }) => connectionContinues(ctx, tx, user, connection),

  async END(ctx, tx, { user, connection }) {
    if (connection.contact_id !== null) {
      const contact = await getContact(tx, user, connection.contact_id);
      await ctx.emit(tx, { type: 'contactAnotherClient', user, contact });
      return;
    }
    const entity = await connectionEntity(tx, user, connection);
    if (entity !== undefined) await ctx.emit(tx, { type: 'subscriptionEnd', user, connectionEntity: entity });
  },

  async SWITCH(ctx, tx, { user, connection, event }) {
    if (connection.contact_id === null) return;
    const contact = await getContact(tx, user, connection.contact_id);
    const { phase } = event;
    const switchProgress = { queueDirection: event.direction, switchPhase: phase, connectionStats: event.stats };
    await ctx.emit(tx, { type: 'contactSwitch', user, contact, switchProgress });
    if (phase !== 'started' && phase !== 'completed') return;
    const change = { type: 'switchQueue', phase } as const;
    const own = event.direction === 'rcv';
    await emitDirectItems(ctx, tx, user, contact, own, [
      {
        content: own ? { type: 'sndConnEvent', sndConnEvent: change } : { type: 'rcvConnEvent', rcvConnEvent: change },
      },
    ]);
  },

  RSYNC: ratchetSync,
};

/** The ratchets of both sides went apart, or together again (50, section 6.7). */
async function ratchetSync(
  ctx: ChatContext,
  tx: Tx,
  { user, connection, event }: ConnectionInput<'RSYNC'>,
): Promise<void> {
  if (connection.contact_id === null) return;
  const contact = await getContact(tx, user, connection.contact_id);
  const { state, error, stats } = event;
  const ratchetSyncProgress = { ratchetSyncStatus: state, connectionStats: stats };
  if ((state === 'required' || state === 'allowed') && error !== undefined) {
    if (await countDecryptionError(ctx, tx, user, contact, error)) return;
    await ctx.emit(tx, { type: 'contactRatchetSync', user, contact, ratchetSyncProgress });
    const [msgDecryptError, msgCount] = decryptionError(error);
    await emitDirectItems(ctx, tx, user, contact, false, [
      { content: { type: 'rcvDecryptionError', msgDecryptError, msgCount } },
    ]);
    return;
  }
  const verified = state === 'agreed' && connection.security_code !== null;
  if (verified) {
    const none = { security_code: null, security_code_verified_at: null };
    await updateConnection(tx, connection.connection_id, none, ctx.clock.now());
  }
  const after = verified ? await getContact(tx, user, contact.contactId) : contact;
  await ctx.emit(tx, { type: 'contactRatchetSync', user, contact: after, ratchetSyncProgress });
  await emitDirectItems(ctx, tx, user, after, false, [
    { content: { type: 'rcvConnEvent', rcvConnEvent: { type: 'ratchetSync', syncStatus: state } } },
  ]);
  if (verified) {
    await emitDirectItems(ctx, tx, user, after, false, [
      { content: { type: 'rcvConnEvent', rcvConnEvent: { type: 'verificationCodeReset' } } },
    ]);
  }
}

/** The kind of a decryption error, and how many messages it stands for. */
export function decryptionError(error: AgentCryptoErrorJson): readonly [MsgDecryptError, number] {
  switch (error.type) {
    case 'DECRYPT_AES':
    case 'DECRYPT_CB':
      return ['other', 1];
    case 'RATCHET_HEADER':
      return ['ratchetHeader', 1];
    case 'RATCHET_EARLIER':
      return ['ratchetEarlier', 1];
    case 'RATCHET_SKIPPED':
      return ['tooManySkipped', error.data];
    case 'RATCHET_SYNC':
      return ['ratchetSync', 0];
  }
}

/** Errors of one kind in a row are one item with a count. */
async function countDecryptionError(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  error: AgentCryptoErrorJson,
): Promise<boolean> {
  const [kind, count] = decryptionError(error);
  const last = await tx.db
    .selectFrom('chat_items')
    .selectAll()
    .where('contact_id', '=', contact.contactId)
    .orderBy('created_at', 'desc')
    .orderBy('chat_item_id', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (last === undefined) return false;
  const content = itemContent(last);
  if (content.type !== 'rcvDecryptionError' || content.msgDecryptError !== kind) return false;
  const msgCount = kind === 'tooManySkipped' ? count : kind === 'ratchetSync' ? 0 : content.msgCount + count;
  const row = await updateItemRow(tx, last.chat_item_id, {
    ...contentColumns({ ...content, msgCount }),
    updated_at: ctx.clock.now(),
  });
  await ctx.emit(tx, { type: 'chatItemUpdated', user, chatItem: await viewDirectItem(ctx, tx, contact, row) });
  return true;
}
