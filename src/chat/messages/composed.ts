import type { CIForwardedFrom, ComposedMessage, CryptoFile, MsgContent } from '../../api/index.js';
import type { ChatContext } from '../engine/context.js';
import { commandFailure } from '../engine/errors.js';
import type { FileToSend } from '../engine/file-hooks.js';

/** A message that is asked for: by a client, or made from an item that is forwarded. */
export interface Composed {
  readonly content: MsgContent;
  readonly file?: CryptoFile | undefined;
  readonly quotedItemId?: number | undefined;
  /** Where it was forwarded from; present for forwards only. */
  readonly forwarded?: CIForwardedFrom | undefined;
  /** Mentioned members of a group by the name in the text. */
  readonly mentions?: Readonly<Record<string, number>> | undefined;
}

/** What a client asked to send; `commandError` for contents that have commands of their own. */
export function composedMessages(messages: readonly ComposedMessage[]): Composed[] {
  return messages.map((m) => {
    if (m.msgContent.type === 'report') throw commandFailure('sending reports via this API is not supported');
    return { content: m.msgContent, file: m.fileSource, quotedItemId: m.quotedItemId, mentions: m.mentions };
  });
}

/** Only groups have mentions. */
export function checkNoMentions(messages: readonly Composed[]): void {
  if (messages.some((m) => m.mentions !== undefined && Object.keys(m.mentions).length > 0)) {
    throw commandFailure('mentions are not supported in this chat');
  }
}

/** Several messages in one command are not live and have one quote at most. */
export function checkMultiSend(messages: readonly Composed[], live: boolean): void {
  if (messages.length < 2) return;
  const quotes = messages.filter((m) => m.quotedItemId !== undefined).length;
  if (live || quotes > 1) {
    throw commandFailure('invalid multi send: live and more than one quote not supported');
  }
}

/** Looks at the files of messages, in their order. Outside of transactions. `fileNotFound`, `fileSize`. */
export async function inspectFiles(
  ctx: ChatContext,
  messages: readonly Composed[],
): Promise<(FileToSend | undefined)[]> {
  const files: (FileToSend | undefined)[] = [];
  for (const { file } of messages) {
    if (file === undefined) {
      files.push(undefined);
      continue;
    }
    if (ctx.files === undefined) throw commandFailure('files are not supported');
    files.push(await ctx.files.inspect(ctx, file));
  }
  return files;
}
