import type { FileError, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { statusColumn } from '../items/status.js';
import { fileAgent } from './agent.js';
import { type FileRow, updateFile } from './rows.js';
import { fileMeta, itemOfFile } from './view.js';

/** The upload has failed for good: the file counts as cancelled. */
export async function failUpload(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  file: FileRow,
  sndFileError: FileError,
  errorMessage: string,
): Promise<void> {
  const ci_file_status = statusColumn({ type: 'sndError', sndFileError });
  const updated = await updateFile(tx, file.file_id, { ci_file_status, cancelled: 1 }, ctx.clock.now());
  if (file.agent_snd_file_id !== null) await fileAgent(ctx).deleteSndFile(tx, file.agent_snd_file_id);
  await ctx.emit(tx, {
    type: 'sndFileError',
    user,
    chatItem_: await itemOfFile(ctx, tx, user, updated),
    fileTransferMeta: fileMeta(file),
    errorMessage,
  });
}
