import type { MsgContent } from '../../api/index.js';
import { tagOf } from '../../api/index.js';
import { storeFailure } from '../engine/errors.js';
import { contentText } from '../items/text.js';
import { type ItemRow, itemMsgContent } from '../items/view.js';

/** Contents that are large themselves: what they quote is reduced to text. */
const small: ReadonlySet<string> = new Set(['text', 'file', 'voice', 'report']);

/**
 * What a message quotes of another one (50, section 5.1): `content` is the new message's, `fileName` that of the
 * quoted item's file.
 */
export function quotedContent(content: MsgContent, quoted: MsgContent, fileName: string | undefined): MsgContent {
  const text = contentText(quoted);
  const shown = text === '' && fileName !== undefined ? fileName : text;
  if (!small.has(tagOf(content))) return { type: 'text', text: shown };
  if (quoted.type === 'image') return { type: 'image', text: shown, image: quoted.image };
  return quoted.type === 'file' ? { type: 'file', text: shown } : quoted;
}

/** The content of an item that can be quoted: a message that is not deleted; `invalidQuote`. */
export function quotableContent(row: ItemRow): MsgContent {
  const content = row.item_deleted === 0 ? itemMsgContent(row) : undefined;
  if (content === undefined) throw storeFailure({ type: 'invalidQuote' });
  return content;
}
