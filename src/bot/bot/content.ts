import type { ChatItem, MsgContent } from '../../api/index.js';

/** What to send: a text, or the content of a message. */
export type Content = string | MsgContent;

/** The content of a message with this text. */
export function messageContent(content: Content): MsgContent {
  return typeof content === 'string' ? { type: 'text', text: content } : content;
}

/** The content of a message that was received or sent; `undefined` for other chat items. */
export function itemContent(item: ChatItem): MsgContent | undefined {
  const { content } = item;
  return content.type === 'rcvMsgContent' || content.type === 'sndMsgContent' ? content.msgContent : undefined;
}

/** The text of a message, empty if it has none. */
export function contentText(content: MsgContent): string {
  return typeof content.text === 'string' ? content.text : '';
}

/** A command of a chat: `/square 12` has the keyword `square` and the parameters `12`. */
export interface BotCommand {
  readonly keyword: string;
  readonly params: string;
}

/** The command in a text that begins with `/`. */
export function botCommand(text: string): BotCommand | undefined {
  const [, keyword, params] = /^\/([^\s]+)([\s\S]*)/.exec(text) ?? [];
  return keyword === undefined ? undefined : { keyword, params: (params ?? '').trim() };
}
