import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ApiEvent } from '../../src/api/index.js';
import { connect, digest, FileNetwork, type Party, receivedInvitation, sendFile } from './files-support.js';

const network = { current: new FileNetwork() };
beforeEach(async () => {
  network.current = new FileNetwork();
  await network.current.start();
});
afterEach(() => network.current.close());

const count = (party: Party, type: ApiEvent['type']): number => party.events.filter((e) => e.type === type).length;

describe('a restart in the middle', () => {
  test('of the receiver: the file arrives whole, and once', async () => {
    const alice = await network.current.party('alice');
    const bob = await network.current.party('bob');
    const [a] = await connect(alice, bob);
    const source = network.current.file('large.bin', 30_000_000);
    await sendFile(alice, `@${a}`, source);
    const { fileId } = await receivedInvitation(bob);
    // Accepted early: the description comes while Bob is away.
    await bob.ok(`/freceive ${fileId} approved_relays=on`, 'rcvFileAccepted');
    await bob.close();
    await alice.event('sndFileCompleteXFTP');
    await bob.open();
    await bob.event('rcvFileProgressXFTP');
    await bob.restart();
    await bob.event('rcvFileComplete');
    expect(count(bob, 'rcvFileComplete')).toBe(1);
    expect(count(bob, 'rcvFileStart')).toBe(1);
    expect(digest(path.join(bob.filesFolder, 'large.bin'))).toBe(digest(source));
    expect(readdirSync(bob.filesFolder)).toEqual(['large.bin']);
    await expect.poll(() => readdirSync(bob.tempFolder)).toEqual([]);
  });

  test('of the sender: the upload goes on, and is complete once', async () => {
    const alice = await network.current.party('alice');
    const bob = await network.current.party('bob', { autoAcceptFileSize: 100_000_000 });
    const [a] = await connect(alice, bob);
    const source = network.current.file('large.bin', 30_000_000);
    await sendFile(alice, `@${a}`, source);
    await alice.event('sndFileProgressXFTP');
    await alice.restart();
    await bob.event('rcvFileComplete');
    await alice.event('sndFileCompleteXFTP');
    expect(count(alice, 'sndFileCompleteXFTP')).toBe(1);
    expect(digest(path.join(bob.filesFolder, 'large.bin'))).toBe(digest(source));
    await expect.poll(() => readdirSync(alice.tempFolder)).toEqual([]);
  });
});

describe('files that accept themselves', () => {
  test('are those below the size, and are told by events in their order', async () => {
    const alice = await network.current.party('alice');
    const bob = await network.current.party('bob', { autoAcceptFileSize: 1000 });
    const [a] = await connect(alice, bob);
    await sendFile(alice, `@${a}`, network.current.file('small.bin', 999));
    await bob.event('rcvFileComplete');
    const [small] = bob.events.flatMap((e) => (e.type === 'rcvFileAccepted' ? [e.chatItem.chatItem.file] : []));
    expect(small?.fileStatus).toEqual({ type: 'rcvAccepted' });
    expect(bob.fileEvents(small?.fileId ?? 0)).toEqual([
      'newChatItems',
      'rcvFileAccepted',
      'rcvFileDescrReady',
      'rcvFileStart',
      'rcvFileProgressXFTP',
      'rcvFileComplete',
    ]);
    await sendFile(alice, `@${a}`, network.current.file('limit.bin', 1000));
    await bob.event('rcvFileDescrReady', (e) => e.rcvFileTransfer.fileInvitation.fileName === 'limit.bin');
    expect(count(bob, 'rcvFileAccepted')).toBe(1);
  });

  test('marked ones are accepted at the next start', async () => {
    const alice = await network.current.party('alice');
    const bob = await network.current.party('bob');
    const [a] = await connect(alice, bob);
    const source = network.current.file('later.bin', 5000);
    await sendFile(alice, `@${a}`, source);
    const { fileId } = await receivedInvitation(bob);
    await bob.event('rcvFileDescrReady');
    await bob.ok(`/_set_file_to_receive ${fileId} encrypt=on`, 'cmdOk');
    expect(count(bob, 'rcvFileAccepted')).toBe(0);
    await bob.restart();
    const done = await bob.event('rcvFileComplete');
    expect(done.chatItem.chatItem.file?.fileSource?.cryptoArgs).toBeDefined();
  });
});

describe('servers that the user does not have', () => {
  test('learn our address only after approval', async () => {
    const other = await network.current.otherXftpRelay();
    const alice = await network.current.party('alice');
    const bob = await network.current.party('bob', { xftpServers: [other.address] });
    const [a] = await connect(alice, bob);
    const source = network.current.file('foreign.bin', 5000);
    // Accepted before the description: its servers are looked at when it comes.
    await sendFile(alice, `@${a}`, source);
    const { fileId } = await receivedInvitation(bob);
    await bob.ok(`/freceive ${fileId}`, 'rcvFileAccepted');
    const told = await bob.event('chatItemUpdated');
    expect(told.chatItem.chatItem.file?.fileStatus).toEqual({ type: 'rcvInvitation' });
    const unknownServers = [network.current.relays.xftp.address];
    const refusal = { type: 'error', errorType: { type: 'fileNotApproved', fileId, unknownServers } };
    expect((await bob.event('chatError')).chatError).toEqual(refusal);
    // The description is there: the answer says it at once, and nothing stays.
    expect((await bob.ok(`/freceive ${fileId}`, 'chatCmdError')).chatError).toEqual(refusal);
    await expect.poll(() => readdirSync(bob.filesFolder)).toEqual([]);
    expect(count(bob, 'rcvFileStart')).toBe(0);
    await bob.ok(`/freceive ${fileId} approved_relays=on`, 'rcvFileAccepted');
    await bob.event('rcvFileComplete');
    expect(digest(path.join(bob.filesFolder, 'foreign.bin'))).toBe(digest(source));
  });
});

describe('folders that are lost', () => {
  test('of the receiver: an error, and the file can not be half there', async () => {
    const alice = await network.current.party('alice');
    const bob = await network.current.party('bob');
    const [a] = await connect(alice, bob);
    await sendFile(alice, `@${a}`, network.current.file('lost.bin', 500_000));
    const { fileId } = await receivedInvitation(bob);
    await bob.ok(`/freceive ${fileId}`, 'rcvFileAccepted');
    rmSync(bob.filesFolder, { recursive: true });
    const failed = await bob.event('rcvFileError');
    expect(failed.agentError).toMatchObject({ type: 'FILE', fileErr: { type: 'FILE_IO' } });
    expect(failed.chatItem_?.chatItem.file?.fileStatus).toMatchObject({
      type: 'rcvError',
      rcvFileError: { type: 'other', fileError: expect.stringContaining('ENOENT') },
    });
    expect(existsSync(bob.filesFolder)).toBe(false);
  });

  test('of the sender: an error, and nobody waits for the file', async () => {
    const alice = await network.current.party('alice');
    const bob = await network.current.party('bob');
    const [a] = await connect(alice, bob);
    // Another upload before it: the encryption waits for its turn.
    await sendFile(alice, `@${a}`, network.current.file('first.bin', 30_000_000));
    const source = network.current.file('second.bin', 1000);
    const { fileId } = await sendFile(alice, `@${a}`, source);
    rmSync(source);
    const failed = await alice.event('sndFileError');
    expect(failed.fileTransferMeta.fileId).toBe(fileId);
    expect(failed.chatItem_?.chatItem.file?.fileStatus).toMatchObject({ type: 'sndError' });
    expect(failed.errorMessage).toContain('ENOENT');
    await alice.event('sndFileCompleteXFTP', (e) => e.fileTransferMeta.fileName === 'first.bin');
  });
});

test('a deleted user takes its files along', async () => {
  const alice = await network.current.party('alice');
  const bob = await network.current.party('bob', { autoAcceptFileSize: 10_000 });
  const [a] = await connect(alice, bob);
  await sendFile(alice, `@${a}`, network.current.file('small.bin', 500));
  await bob.event('rcvFileComplete');
  await sendFile(alice, `@${a}`, network.current.file('large.bin', 20_000_000));
  const large = await bob.event('newChatItems', (e) => e.chatItems[0]?.chatItem.file?.fileSize === 20_000_000);
  await bob.ok(`/freceive ${large.chatItems[0]?.chatItem.file?.fileId} approved_relays=on`, 'rcvFileAccepted');
  await alice.event('sndFileProgressXFTP', (e) => e.fileTransferMeta.fileName === 'large.bin');
  for (const party of [alice, bob]) await party.ok('/_delete user 1 del_smp=off', 'cmdOk');
  for (const folder of [bob.filesFolder, bob.tempFolder, alice.tempFolder]) {
    await expect.poll(() => readdirSync(folder), { timeout: 10_000 }).toEqual([]);
  }
});

describe('items that go', () => {
  test('take their transfers along', async () => {
    const alice = await network.current.party('alice');
    const bob = await network.current.party('bob');
    const [a, b] = await connect(alice, bob);
    await sendFile(alice, `@${a}`, network.current.file('large.bin', 30_000_000));
    const { fileId } = await receivedInvitation(bob);
    await bob.ok(`/freceive ${fileId} approved_relays=on`, 'rcvFileAccepted');
    await alice.event('sndFileProgressXFTP');
    await alice.ok(`/_clear chat @${a}`, 'chatCleared');
    await bob.ok(`/_clear chat @${b}`, 'chatCleared');
    await expect.poll(() => readdirSync(alice.tempFolder), { timeout: 20_000 }).toEqual([]);
    await expect.poll(() => readdirSync(bob.filesFolder)).toEqual([]);
    // What was uploaded does not stay on the server.
    await expect.poll(() => network.current.relays.xftp.usedStorage, { timeout: 20_000 }).toBe(0);
    for (const party of [alice, bob]) {
      const rows = await party.context.store.read((tx) => tx.db.selectFrom('files').selectAll().execute());
      expect(rows).toEqual([]);
    }
  });
});
