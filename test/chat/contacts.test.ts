import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiResponse, Contact, Responses, ResponseTag } from '../../src/api/index.js';
import { connectedPair, type Pair, type Peer } from './pair.js';

async function answer<T extends ResponseTag>(peer: Peer, command: string, type: T): Promise<Responses[T]> {
  const response: ApiResponse = await peer.ok(command, type);
  return response as Responses[T];
}

describe('contacts', () => {
  let pair: Pair;
  let alice: Peer;
  let bob: Peer;

  beforeAll(async () => {
    pair = await connectedPair();
    ({ alice, bob } = pair);
  });
  afterAll(() => pair.close());

  test('both sides have the same security code, and verifying it is remembered', async () => {
    const a = `@${pair.bobContact.contactId}`;
    const b = `@${pair.aliceContact.contactId}`;
    const { connectionCode } = await answer(alice, `/_get code ${a}`, 'contactCode');
    expect((await answer(bob, `/_get code ${b}`, 'contactCode')).connectionCode).toBe(connectionCode);
    const wrong = await answer(alice, `/_verify code ${a} 12345`, 'connectionVerified');
    expect(wrong).toMatchObject({ verified: false, expectedCode: connectionCode });
    const right = await answer(alice, `/_verify code ${a} ${connectionCode.replaceAll(' ', '')}`, 'connectionVerified');
    expect(right.verified).toBe(true);
    const { contact } = await answer(alice, `/_get code ${a}`, 'contactCode');
    expect(contact.activeConn?.connectionCode?.securityCode).toBe(connectionCode);
    await alice.ok(`/_verify code ${a}`, 'connectionVerified');
  });

  test('a contact is shown with its queues, by id and by name', async () => {
    const { connectionStats_: stats } = await answer(alice, `/_info @${pair.bobContact.contactId}`, 'contactInfo');
    expect(stats?.rcvQueuesInfo).toHaveLength(1);
    expect(stats?.sndQueuesInfo).toHaveLength(1);
    await alice.ok('/info @bob', 'contactInfo');
    const none = await answer(alice, '/info @nobody', 'chatCmdError');
    expect(none.chatError).toEqual({
      type: 'errorStore',
      storeError: { type: 'contactNotFoundByName', contactName: 'nobody' },
    });
  });

  test('an alias and own data stay with the contact', async () => {
    const id = pair.bobContact.contactId;
    const { toContact } = await answer(alice, `/_set alias @${id} my friend`, 'contactAliasUpdated');
    expect(toContact.profile.localAlias).toBe('my friend');
    await alice.ok(`/_set custom @${id} {"a":[1,{"b":null}]}`, 'cmdOk');
    const { contacts } = await answer(alice, '/_contacts 1', 'contactsList');
    expect(contacts[0]?.customData).toEqual({ a: [1, { b: null }] });
    await alice.ok(`/_set custom @${id}`, 'cmdOk');
    await alice.ok(`/_set alias @${id}`, 'contactAliasUpdated');
  });

  test('incognito: the other side sees a random profile, which a change of the own profile does not touch', async () => {
    const made = await answer(alice, '/_connect 1', 'invitation');
    const { connLinkInvitation: link } = made;
    const joined = await answer(bob, `/connect i ${link.connShortLink}`, 'sentConfirmation');
    expect(joined.customUserProfile?.displayName).toMatch(/^[A-Z][a-z]+[A-Z][a-z]+$/);
    const connected = await bob.event('contactConnected', (e) => e.userCustomProfile !== undefined);
    expect(connected.userCustomProfile).toEqual(joined.customUserProfile);
    const { contact } = await alice.event(
      'contactConnected',
      (e) => e.contact.profile.displayName === joined.customUserProfile?.displayName,
    );
    expect(contact.profile.peerType).toBeUndefined();
    expect(contact.mergedPreferences.files.contactPreference).toEqual({ allow: 'always' });
    const update = await answer(bob, '/set voice no', 'userProfileUpdated');
    expect(update.updateSummary).toMatchObject({ updateSuccesses: 1, updateFailures: 0 });
    await bob.ok('/set voice yes', 'userProfileUpdated');
    await bob.ok(`/_delete @${connected.contact.contactId} full`, 'contactDeleted');
    await alice.event('contactDeletedByContact', (e) => e.contact.contactId === contact.contactId);
    const refused = await answer(alice, `/_send @${contact.contactId} text hello?`, 'chatCmdError');
    expect(JSON.stringify(refused.chatError)).toContain('"contactNotReady"');
  });

  test('a new invitation can get another profile, incognito mode and an alias', async () => {
    const { connection } = await answer(alice, '/_connect 1', 'invitation');
    const id = connection.pccConnId;
    const on = await answer(alice, `/_set incognito :${id} on`, 'connectionIncognitoUpdated');
    expect(on.toConnection.customUserProfileId).toBeDefined();
    const again = await answer(alice, `/_set incognito :${id} on`, 'chatCmdError');
    expect(JSON.stringify(again.chatError)).toContain('connectionIncognitoChangeProhibited');
    const off = await answer(alice, `/_set incognito :${id} off`, 'connectionIncognitoUpdated');
    expect(off.toConnection.customUserProfileId).toBeUndefined();
    const named = await answer(alice, `/_set alias :${id} for later`, 'connectionAliasUpdated');
    expect(named.toConnection.localAlias).toBe('for later');
    await alice.ok('/create user work', 'activeUser');
    await alice.ok('/_user 1', 'activeUser');
    const work = (await answer(alice, '/users', 'usersList')).users.find((u) => u.user.localDisplayName === 'work');
    const moved = await answer(alice, `/_set conn user :${id} ${work?.user.userId}`, 'connectionUserChanged');
    expect(moved.toConnection.connLinkInv?.connFullLink).not.toBe(connection.connLinkInv?.connFullLink);
    await alice.ok(`/_user ${work?.user.userId}`, 'activeUser');
    await alice.ok(`/_delete :${moved.toConnection.pccConnId} full`, 'contactConnectionDeleted');
    await alice.ok('/_user 1', 'activeUser');
    await alice.ok(`/_delete user ${work?.user.userId} del_smp=on`, 'cmdOk');
  });

  test('the receive address moves while messages go on', async () => {
    const a = `@${pair.bobContact.contactId}`;
    await alice.ok(`/_switch ${a}`, 'contactSwitchStarted');
    await alice.ok(`/_send ${a} text while moving`, 'newChatItems');
    expect(await bob.text()).toBe('while moving');
    await alice.event('contactSwitch', (e) => e.switchProgress.switchPhase === 'completed');
    await bob.ok(`/_send @${pair.aliceContact.contactId} text to the new address`, 'newChatItems');
    expect(await alice.text()).toBe('to the new address');
  });

  test('deleting the conversation keeps the contact, deleting the entity keeps the conversation', async () => {
    const id = pair.bobContact.contactId;
    const cleared = await answer(alice, `/_delete @${id} messages`, 'contactDeleted');
    expect(cleared.contact.chatDeleted).toBe(true);
    await bob.ok(`/_send @${pair.aliceContact.contactId} text are you there?`, 'newChatItems');
    expect(await alice.text()).toBe('are you there?');
    const { contacts } = await answer(alice, '/_contacts 1', 'contactsList');
    expect(contacts.find((c: Contact) => c.contactId === id)?.chatDeleted).toBe(false);
    const gone = await answer(alice, `/_delete @${id} entity`, 'contactDeleted');
    expect(gone.contact).toMatchObject({ contactStatus: 'deletedByUser' });
    expect(gone.contact.activeConn).toBeUndefined();
    const chat = await answer(alice, `/_get chat @${id} count=10`, 'apiChat');
    expect(chat.chat.chatItems.some((i) => i.meta.itemText === 'are you there?')).toBe(true);
    await bob.event('contactDeletedByContact', (e) => e.contact.contactId === pair.aliceContact.contactId);
  });

  test('servers are listed, set and tested', async () => {
    const { userServers } = await answer(alice, '/_servers 1', 'userServers');
    const server = userServers[0]?.smpServers[0]?.server ?? '';
    expect(server).toMatch(/^smp:/);
    const tested = await answer(alice, `/smp test ${server}`, 'serverTestResult');
    expect(tested.testFailure).toBeUndefined();
    await alice.ok(`/smp ${server}`, 'cmdOk');
    const entry = { server, preset: false, enabled: true, deleted: false };
    const all = [{ smpServers: [entry, { ...entry, deleted: true }], xftpServers: [] }];
    await alice.ok(`/_validate_servers 1 ${JSON.stringify(all)}`, 'userServersValidation');
    await alice.ok(`/_servers 1 ${JSON.stringify(all)}`, 'cmdOk');
    const now = await answer(alice, '/_servers 1', 'userServers');
    expect(now.userServers[0]?.smpServers.map((s) => s.server)).toEqual([server]);
    expect(now.userServers[0]?.xftpServers).toEqual([]);
    await alice.ok('/network', 'networkConfig');
  });
});
