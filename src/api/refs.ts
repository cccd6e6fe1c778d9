import type { ChatPagination, TimePagination } from './commands/types.js';
import type { ChatDeleteMode, ChatRef, ChatType, CreatedConnLink, GroupChatScope } from './types.generated.js';

const chatTypeSigns: Partial<Record<ChatType, string>> = {
  direct: '@',
  group: '#',
  local: '*',
  contactConnection: ':',
};

/** The sign of a chat type in commands: `@`, `#`, `*` or `:`; empty for types that commands cannot name. */
function chatTypeSign(type: ChatType): string {
  return chatTypeSigns[type] ?? '';
}

/** `(_support)` or `(_support:<groupMemberId>)`. */
function groupChatScopeString(scope: GroupChatScope): string {
  return scope.groupMemberId_ === undefined ? '(_support)' : `(_support:${scope.groupMemberId_})`;
}

/** A chat as commands name it: `@1`, `#2`, `#2(_support:5)`, `*1`, `:3`. */
export function chatRefString(ref: ChatRef): string {
  const scope = ref.chatScope === undefined ? '' : groupChatScopeString(ref.chatScope);
  return `${chatTypeSign(ref.chatType)}${ref.chatId}${scope}`;
}

/** `full`, `entity` or `messages`, with ` notify=off` when the peer shall not be told. */
export function chatDeleteModeString(mode: ChatDeleteMode): string {
  return mode.type === 'messages' || mode.notify ? mode.type : `${mode.type} notify=off`;
}

/** The full link, followed by the short one if there is one. */
export function createdConnLinkString(link: CreatedConnLink): string {
  return link.connShortLink === undefined ? link.connFullLink : `${link.connFullLink} ${link.connShortLink}`;
}

/** `count=10`, `after=5 count=10`, `initial=10` and so on. */
export function chatPaginationString(p: ChatPagination): string {
  if (p.type === 'last') return `count=${p.count}`;
  if (p.type === 'initial') return `initial=${p.count}`;
  return `${p.type}=${p.itemId} count=${p.count}`;
}

/** `count=10`, `after=<time> count=10` or `before=<time> count=10`. */
export function timePaginationString(p: TimePagination): string {
  return p.type === 'last' ? `count=${p.count}` : `${p.type}=${new Date(p.time).toISOString()} count=${p.count}`;
}
