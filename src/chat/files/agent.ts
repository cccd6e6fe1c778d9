import type { FileAgent } from '../../agent/index.js';
import type { User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { parseFileDescription } from '../../xftp/index.js';
import type { ChatContext } from '../engine/context.js';
import { commandFailure } from '../engine/errors.js';
import type { FileRow } from './rows.js';

/** The agent of uploads and downloads; `commandError` in programs that have none. */
export function fileAgent(ctx: ChatContext): FileAgent {
  if (ctx.fileAgent === undefined) throw commandFailure('files are not supported');
  return ctx.fileAgent;
}

export const agentUserId = (user: User): number => Number(user.agentUserId);

/** Ends an upload; what is on the servers already is removed from them when `remote`. */
export async function dropUpload(ctx: ChatContext, tx: Tx, user: User, file: FileRow, remote: boolean): Promise<void> {
  if (file.agent_snd_file_id === null) return;
  const agent = fileAgent(ctx);
  await agent.deleteSndFile(tx, file.agent_snd_file_id);
  if (remote && file.private_snd_file_descr !== null && file.agent_snd_file_deleted === 0) {
    await agent.deleteSndFileRemote(tx, agentUserId(user), parseFileDescription(file.private_snd_file_descr, 'sender'));
  }
}
