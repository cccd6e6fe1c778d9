import type { FileEvent } from '../../agent/index.js';
import type { AgentErrorType, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { statusColumn } from '../items/status.js';
import { dropDownload, resetReceived } from './accept.js';
import { fileAgent } from './agent.js';
import { fileErrorOf, isNotApproved } from './errors.js';
import { absolutePath } from './names.js';
import { fileOfDownload, type ReceivedFile, updateFile, updateRcvFile } from './rows.js';
import { itemOfFile, rcvTransfer } from './view.js';

export type DownloadEvent = Extract<FileEvent, { readonly type: `RF${string}` }>;

/** What the agent tells about a download (40-xftp, sections 7.4, 8.6). */
export async function downloadEvent(ctx: ChatContext, tx: Tx, event: DownloadEvent): Promise<void> {
  const received = await fileOfDownload(tx, event.fileId);
  const user = received === undefined ? undefined : ctx.users.get(received.file.user_id);
  if (received === undefined || user === undefined) {
    await fileAgent(ctx).deleteRcvFile(tx, event.fileId);
    return;
  }
  const { file, rcv } = received;
  if (file.cancelled !== 0 || rcv.file_status === 'complete' || rcv.file_status === 'cancelled') return;
  const now = ctx.clock.now();
  switch (event.type) {
    case 'RFPROG': {
      const { received: receivedSize, total: totalSize } = event;
      const status = { type: 'rcvTransfer', rcvProgress: receivedSize, rcvTotal: totalSize } as const;
      const updated = await updateFile(tx, file.file_id, { ci_file_status: statusColumn(status) }, now);
      const chatItem_ = await itemOfFile(ctx, tx, user, updated);
      const rcvFileTransfer = rcvTransfer(received);
      tx.onCommit(() =>
        ctx.emitLive({ type: 'rcvFileProgressXFTP', user, chatItem_, receivedSize, totalSize, rcvFileTransfer }),
      );
      return;
    }
    case 'RFDONE':
      await completed(ctx, tx, user, received);
      return;
    case 'RFWARN': {
      const status = { type: 'rcvWarning', rcvFileError: fileErrorOf(event.error) } as const;
      const updated = await updateFile(tx, file.file_id, { ci_file_status: statusColumn(status) }, now);
      const chatItem_ = await itemOfFile(ctx, tx, user, updated);
      const agentError = apiError(event.error);
      await ctx.emit(tx, {
        type: 'rcvFileWarning',
        user,
        chatItem_,
        agentError,
        rcvFileTransfer: rcvTransfer(received),
      });
      return;
    }
    case 'RFERR': {
      if (isNotApproved(event.error)) {
        await resetReceived(ctx, tx, user, file.file_id, { type: 'rcvAborted' }, true);
        return;
      }
      await dropDownload(ctx, tx, received);
      await updateRcvFile(tx, file.file_id, { agent_rcv_file_deleted: 1 }, now);
      const status = { type: 'rcvError', rcvFileError: fileErrorOf(event.error) } as const;
      const updated = await updateFile(tx, file.file_id, { ci_file_status: statusColumn(status), cancelled: 1 }, now);
      const chatItem_ = await itemOfFile(ctx, tx, user, updated);
      const agentError = apiError(event.error);
      await ctx.emit(tx, { type: 'rcvFileError', user, chatItem_, agentError, rcvFileTransfer: rcvTransfer(received) });
      return;
    }
  }
}

/** The agent's JSON is this type by specification (30-agent.md, section 16.1); its file errors are open objects. */
const apiError = (error: Extract<DownloadEvent, { type: 'RFERR' | 'RFWARN' }>['error']): AgentErrorType =>
  error as AgentErrorType;

/** The file is in its place, whole. */
async function completed(ctx: ChatContext, tx: Tx, user: User, received: ReceivedFile): Promise<void> {
  const { file, rcv } = received;
  const now = ctx.clock.now();
  await updateRcvFile(tx, file.file_id, { file_status: 'complete', agent_rcv_file_deleted: 1 }, now);
  const updated = await updateFile(tx, file.file_id, { ci_file_status: 'rcvComplete' }, now);
  if (rcv.agent_rcv_file_id !== null) await fileAgent(ctx).deleteRcvFile(tx, rcv.agent_rcv_file_id);
  const chatItem = await itemOfFile(ctx, tx, user, updated);
  if (chatItem !== undefined) {
    await ctx.emit(tx, { type: 'rcvFileComplete', user, chatItem });
    return;
  }
  const targetPath = absolutePath(ctx.state.filesFolder, file.file_path ?? '');
  await ctx.emit(tx, { type: 'rcvStandaloneFileComplete', user, targetPath, rcvFileTransfer: rcvTransfer(received) });
}
