import type {
  ApiEvent,
  CEvtNewChatItems,
  CIFile,
  Events,
  EventTag,
  MsgContent,
  MsgContentChat,
  MsgContentFile,
  MsgContentImage,
  MsgContentLink,
  MsgContentReport,
  MsgContentText,
  MsgContentVideo,
  MsgContentVoice,
} from '../../api/index.js';
import { itemOf } from '../events.js';
import { itemContent } from './content.js';
import type { Context, MessageContext } from './context.js';

/** Filters for received messages by what they are. `message:file` is any message that comes with a file. */
export interface MessageFilters {
  message: { readonly content: MsgContent };
  'message:text': { readonly content: MsgContentText };
  'message:link': { readonly content: MsgContentLink };
  'message:image': { readonly content: MsgContentImage };
  'message:video': { readonly content: MsgContentVideo };
  'message:voice': { readonly content: MsgContentVoice };
  'message:report': { readonly content: MsgContentReport };
  'message:chat': { readonly content: MsgContentChat };
  'message:document': { readonly content: MsgContentFile };
  'message:file': { readonly content: MsgContent; readonly file: CIFile };
}

/** Names for the events that bots use most. */
export const eventNames = {
  'message:edited': ['chatItemUpdated'],
  'message:deleted': ['chatItemsDeleted'],
  'message:reaction': ['chatItemReaction'],
  'message:status': ['chatItemsStatusesUpdated'],
  'contact:request': ['receivedContactRequest'],
  'contact:connected': ['contactConnected'],
  'contact:updated': ['contactUpdated'],
  'contact:deleted': ['contactDeletedByContact'],
  'group:invited': ['receivedGroupInvitation'],
  'group:joined': ['userJoinedGroup'],
  'group:updated': ['groupUpdated'],
  'group:deleted': ['groupDeleted'],
  'group:removed': ['deletedMemberUser'],
  'group:member:joined': ['joinedGroupMember', 'connectedToGroupMember'],
  'group:member:left': ['leftMember'],
  'group:member:removed': ['deletedMember'],
  'group:member:role': ['memberRole'],
  'business:request': ['acceptingBusinessRequest'],
  'file:received': ['rcvFileComplete'],
  'file:sent': ['sndFileCompleteXFTP'],
  'file:failed': ['rcvFileError', 'sndFileError'],
} as const satisfies Record<string, readonly EventTag[]>;

export type EventName = keyof typeof eventNames;

/** What `bot.on` accepts: messages by kind, names of events, or the tags of the API. */
export type Filter = keyof MessageFilters | EventName | EventTag;

/** The event that a filter lets through. */
export type FilterEvent<F extends Filter> = F extends keyof MessageFilters
  ? CEvtNewChatItems
  : F extends EventName
    ? Events[(typeof eventNames)[F][number]]
    : F extends EventTag
      ? Events[F]
      : never;

/** The context that handlers of a filter get. */
export type FilterContext<S, F extends Filter> = F extends keyof MessageFilters
  ? MessageContext<S> & MessageFilters[F]
  : Context<S, FilterEvent<F>>;

/** Whether the filter lets this event through. */
export function matches(filter: Filter, event: ApiEvent): boolean {
  if (isMessageFilter(filter)) {
    const item = event.type === 'newChatItems' ? itemOf(event)?.chatItem : undefined;
    if (item?.content.type !== 'rcvMsgContent') return false;
    const kind = filter.slice('message:'.length);
    if (kind === '') return true;
    if (kind === 'file') return item.file !== undefined;
    return itemContent(item)?.type === (kind === 'document' ? 'file' : kind);
  }
  const tags: readonly string[] = isEventName(filter) ? eventNames[filter] : [filter];
  return tags.includes(event.type);
}

function isEventName(filter: string): filter is EventName {
  return Object.hasOwn(eventNames, filter);
}

function isMessageFilter(filter: Filter): filter is keyof MessageFilters {
  return filter === 'message' || (filter.startsWith('message:') && !isEventName(filter));
}
