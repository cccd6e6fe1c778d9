import { readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { getGroup } from '../../src/chat/groups/queries.js';
import { groupRecipients } from '../../src/chat/groups/recipients.js';
import { sendToMembers } from '../../src/chat/groups/send.js';
import { connect, digest, FileNetwork, type Party, receivedInvitation, sendFile } from './files-support.js';

const network = new FileNetwork();
let alice: Party;
let bob: Party;
let cath: Party;
let groupId: number;

beforeAll(async () => {
  await network.start();
  alice = await network.party('alice');
  bob = await network.party('bob');
  cath = await network.party('cath');
  const profile = JSON.stringify({
    displayName: 'team',
    fullName: '',
    groupPreferences: { history: { enable: 'on' } },
  });
  const made = await alice.ok(`/_group 1 ${profile}`, 'groupCreated');
  groupId = made.groupInfo.groupId;
  for (const member of [bob, cath]) {
    const [contactId] = await connect(alice, member);
    const from = alice.events.length;
    await alice.ok(`/_add #${groupId} ${contactId} member`, 'sentGroupInvitation');
    const { groupInfo } = await member.event('receivedGroupInvitation');
    await member.ok(`/_join #${groupInfo.groupId}`, 'userAcceptedGroupSent');
    await alice.event('joinedGroupMember', undefined, from);
    await member.event('userJoinedGroup');
  }
  await bob.event('connectedToGroupMember');
  await cath.event('connectedToGroupMember');
});
afterAll(() => network.close());

async function receive(party: Party, from: number, name: string, source: string): Promise<void> {
  const { fileId } = await receivedInvitation(party, from);
  await party.ok(`/freceive ${fileId}`, 'rcvFileAccepted');
  await party.event('rcvFileComplete', (e) => e.chatItem.chatItem.file?.fileId === fileId, from);
  expect(digest(path.join(party.filesFolder, name))).toBe(digest(source));
}

test('a file for a group is uploaded once, and each member gets a description of its own', async () => {
  const source = network.file('shared.bin', 100_000);
  const from = [alice.events.length, bob.events.length, cath.events.length];
  const sent = await sendFile(alice, `#${groupId}`, source);
  await Promise.all([
    receive(bob, from[1] ?? 0, 'shared.bin', source),
    receive(cath, from[2] ?? 0, 'shared.bin', source),
  ]);
  const complete = await alice.event('sndFileCompleteXFTP', undefined, from[0]);
  expect(complete.chatItem.chatItem.file).toMatchObject({ fileId: sent.fileId, fileStatus: { type: 'sndComplete' } });
  const texts = [bob, cath].map((party, i) =>
    party.events
      .slice(from[i + 1])
      .flatMap((e) => (e.type === 'rcvFileDescrReady' ? [e.rcvFileDescr.fileDescrText] : [])),
  );
  expect(texts.map((t) => t.length)).toEqual([1, 1]);
  expect(texts[0]).not.toEqual(texts[1]);
});

test('a member sends to the others', async () => {
  const source = network.file('from-bob.bin', 5000);
  const from = [alice.events.length, cath.events.length];
  await sendFile(bob, '#1', source);
  await Promise.all([
    receive(alice, from[0] ?? 0, 'from-bob.bin', source),
    receive(cath, from[1] ?? 0, 'from-bob.bin', source),
  ]);
});

test('all members learn that a file is taken back', async () => {
  const from = [bob.events.length, cath.events.length];
  const sent = await sendFile(alice, `#${groupId}`, network.file('regret.bin', 3000));
  for (const [i, party] of [bob, cath].entries()) await receivedInvitation(party, from[i]);
  const cancelled = await alice.ok(`/fcancel ${sent.fileId}`, 'sndFileCancelled');
  expect(cancelled.chatItem_?.chatItem.file?.fileStatus).toEqual({ type: 'sndCancelled' });
  expect(cancelled.sndFileTransfers.map((t) => t.recipientDisplayName).sort()).toEqual(['bob', 'cath']);
  for (const [i, party] of [bob, cath].entries()) {
    const told = await party.event('rcvFileSndCancelled', undefined, from[i]);
    expect(told.chatItem.chatItem.file?.fileStatus).toEqual({ type: 'rcvCancelled' });
  }
});

test('who joins later gets the files of the history', async () => {
  const source = network.file('history.bin', 70_000);
  const sent = await sendFile(alice, `#${groupId}`, source, 'for all');
  await alice.event('sndFileCompleteXFTP', (e) => e.fileTransferMeta.fileId === sent.fileId);
  const link = await alice.ok(`/_create link #${groupId} member`, 'groupLinkCreated');
  const dan = await network.party('dan');
  const { connShortLink, connFullLink } = link.groupLink.connLinkContact;
  await dan.ok(`/connect ${connShortLink ?? connFullLink}`, 'sentInvitation');
  const ready = await dan.event(
    'rcvFileDescrReady',
    (e) => e.rcvFileTransfer.fileInvitation.fileName === 'history.bin',
  );
  await dan.ok(`/freceive ${ready.rcvFileTransfer.fileId}`, 'rcvFileAccepted');
  await dan.event('rcvFileComplete');
  expect(digest(path.join(dan.filesFolder, 'history.bin'))).toBe(digest(source));
  expect(readdirSync(dan.filesFolder)).toEqual(['history.bin']);
});

test('a member does not describe or cancel the file of another', async () => {
  const from = cath.events.length;
  const sent = await sendFile(alice, `#${groupId}`, network.file('mine.bin', 3000));
  const { fileId } = await receivedInvitation(cath, from);
  await cath.event('rcvFileDescrReady', (e) => e.rcvFileTransfer.fileId === fileId, from);
  await bob.event('rcvFileDescrReady', (e) => e.rcvFileTransfer.fileInvitation.fileName === 'mine.bin');
  const ownId = await alice.context.store.read((tx) =>
    tx.db.selectFrom('files').select('shared_msg_id').where('file_id', '=', sent.fileId).executeTakeFirstOrThrow(),
  );
  const user = bob.context.users.active();
  if (user === undefined) throw new Error('no user');
  await bob.context.store.transaction(async (tx) => {
    const group = await getGroup(tx, user, 1);
    const members = await groupRecipients(tx, 1);
    const event = { type: 'x.file.cancel', msgId: ownId.shared_msg_id ?? '' } as const;
    await sendToMembers(bob.context, tx, group, members, [{ event }]);
  });
  const told = await cath.event('messageError', undefined, from);
  expect(told.errorMessage).toContain('file of another member');
  await cath.ok(`/freceive ${fileId}`, 'rcvFileAccepted');
  await cath.event('rcvFileComplete', (e) => e.chatItem.chatItem.file?.fileId === fileId, from);
});

test('files are refused where the group does not allow them', async () => {
  const profile = JSON.stringify({ displayName: 'team', fullName: '', groupPreferences: { files: { enable: 'off' } } });
  await alice.ok(`/_group_profile #${groupId} ${profile}`, 'groupUpdated');
  const message = [{ fileSource: { filePath: network.file('no.bin', 10) }, msgContent: { type: 'file', text: '' } }];
  const refused = await alice.ok(`/_send #${groupId} json ${JSON.stringify(message)}`, 'chatCmdError');
  expect(refused.chatError).toMatchObject({
    errorType: { type: 'commandError', message: 'feature not allowed Files and media' },
  });
});
