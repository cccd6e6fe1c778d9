import type { FileEvent } from '../../agent/index.js';
import type { Tx } from '../../store/index.js';
import type { Capability } from '../engine/capability.js';
import type { ChatContext } from '../engine/context.js';
import { acceptMarked } from './accept.js';
import { cancelOfItems, discardFile, removeOfItems, removeOfUser } from './cancel.js';
import { fileCommands } from './commands.js';
import { fileExists, inspectFile } from './disk.js';
import { copyForForward, history } from './forward.js';
import { autoAccept, fileMessages, groupCancel, groupDescription } from './receive.js';
import { downloadEvent } from './receive-events.js';
import { markedFiles } from './rows.js';
import { delivered, uploadEvent } from './send-events.js';
import { linkItem, storeLocal, storeReceived, storeSent } from './store.js';

/** Files that were marked earlier than this are not on their servers any more. */
const markedMs = 2 * 24 * 3600_000;

function fileEvent(ctx: ChatContext, tx: Tx, event: FileEvent): Promise<void> {
  switch (event.type) {
    case 'RFPROG':
    case 'RFDONE':
    case 'RFWARN':
    case 'RFERR':
      return downloadEvent(ctx, tx, event);
    default:
      return uploadEvent(ctx, tx, event);
  }
}

/** Sending and receiving files (40-xftp, sections 7 and 8). */
export const files: Capability = {
  commands: fileCommands,
  directMessages: fileMessages,
  fileEvent,
  fileHooks: {
    inspect: inspectFile,
    storeSent,
    storeLocal,
    storeReceived,
    linkItem,
    discard: discardFile,
    received: autoAccept,
    removeOfItems,
    cancelOfItems,
    removeOfUser,
    exists: fileExists,
    copyForForward,
    delivered,
    groupDescription,
    groupCancel,
    history,
  },
  async onStart(ctx) {
    const marked = await ctx.store.read((tx) => markedFiles(tx, ctx.clock.now() - markedMs));
    for (const fileId of marked) ctx.background('accept a file', () => acceptMarked(ctx, fileId));
  },
};
