/** What must and must not compile: a line after `@ts-expect-error` that compiles is an error of this file. */
import { type ApiClient, type CEvtNewChatItems, type ChatItem, type GroupMember, tagOf, type User } from 'fanion';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_equal: Equal<A, B>): void {}

export async function commands(api: ApiClient): Promise<void> {
  const sent = await api.sendMessages({
    sendRef: { chatType: 'direct', chatId: 1 },
    composedMessages: [{ msgContent: { type: 'text', text: 'x' } }],
  });
  same<(typeof sent)['type'], 'newChatItems'>(true);

  await api.sendMessages({
    // @ts-expect-error: the parameter is called sendRef
    chatRef: { chatType: 'direct', chatId: 1 },
    composedMessages: [],
  });
  // @ts-expect-error: the messages are missing
  await api.sendMessages({ sendRef: { chatType: 'direct', chatId: 1 } });
  await api.sendMessages({
    // @ts-expect-error: there is no such type of chat
    sendRef: { chatType: 'contact', chatId: 1 },
    composedMessages: [],
  });
  await api.sendMessages({
    sendRef: { chatType: 'direct', chatId: 1 },
    // @ts-expect-error: a text message has a text
    composedMessages: [{ msgContent: { type: 'text' } }],
  });
  await api.addMember({ groupId: 1, contactId: 2, memberRole: 'moderator' });
  // @ts-expect-error: there is no such role
  await api.addMember({ groupId: 1, contactId: 2, memberRole: 'boss' });
  // @ts-expect-error: no command takes this role, although the documents list it
  await api.addMember({ groupId: 1, contactId: 2, memberRole: 'author' });
  // @ts-expect-error: ids are numbers
  await api.joinGroup({ groupId: '1' });
  await api.deleteChatItem({
    chatRef: { chatType: 'direct', chatId: 1 },
    chatItemIds: [1],
    // @ts-expect-error: there is no such mode
    deleteMode: 'everywhere',
  });
  // @ts-expect-error: there is no such command
  await api.sendMessage({});

  const connected = await api.connect({ userId: 1 });
  // @ts-expect-error: only sentInvitation and contactAlreadyExists have further fields
  connected.contact;
  if (connected.type === 'contactAlreadyExists') same<(typeof connected.contact)['contactId'], number>(true);

  const members = await api.listMembers({ groupId: 1 });
  same<typeof members.group.members, readonly GroupMember[]>(true);
  const { user } = await api.showActiveUser();
  same<typeof user, User>(true);
  // @ts-expect-error: what the API gives is not changed
  user.userId = 2;

  const response = await api.execute('/version');
  if (response.type === 'versionInfo') same<typeof response.versionInfo.version, string>(true);
  // @ts-expect-error: no response has this tag
  if (response.type === 'versions') tagOf(response);
  // Nothing without a tag that was looked at.
  // @ts-expect-error: not all responses have it
  response.versionInfo;
}

export function narrowing(event: CEvtNewChatItems, item: ChatItem): void {
  for (const { chatInfo } of event.chatItems) {
    if (chatInfo.type === 'direct') same<typeof chatInfo.contact.contactId, number>(true);
    // @ts-expect-error: only direct chats have a contact
    else chatInfo.contact;
  }
  if (item.content.type !== 'rcvMsgContent') return;
  const { msgContent } = item.content;
  // Kinds that this version does not know do not spoil those that it does.
  if (msgContent.type === 'voice') same<typeof msgContent.duration, number>(true);
  // @ts-expect-error: not all messages have a duration
  msgContent.duration;
  same<ReturnType<typeof tagOf>, string>(true);
}
