import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { getContact } from '../../src/chat/contacts/queries.js';
import { noDescription } from '../../src/chat/files/descriptions.js';
import { findDescription, findFile, sndFilesOf } from '../../src/chat/files/rows.js';
import { type OutMessage, sendDirectMessage } from '../../src/chat/messaging/send.js';
import type { JsonChatEvent } from '../../src/chat/protocol/index.js';
import { cryptoFileFromJson, readCryptoFileWhole } from '../../src/crypto/index.js';
import { parseFileDescription } from '../../src/xftp/index.js';
import { connect, digest, FileNetwork, type Party, receivedInvitation, sendFile } from './files-support.js';

const network = new FileNetwork();
let alice: Party;
let bob: Party;
let A: string;
let B: string;

beforeAll(async () => {
  await network.start();
  alice = await network.party('alice');
  bob = await network.party('bob');
  const [a, b] = await connect(alice, bob);
  A = `@${a}`;
  B = `@${b}`;
});
afterAll(() => network.close());

/** Sends a file that bob sees next. */
async function offer(file: string): Promise<readonly [sent: number, received: number]> {
  const from = bob.events.length;
  const sent = await sendFile(alice, A, file);
  return [sent.fileId, (await receivedInvitation(bob, from)).fileId];
}

/** Sends any message to the other side, as a peer that does not keep the rules. */
async function tell(from: Party, message: OutMessage): Promise<void> {
  const user = from.context.users.active();
  if (user === undefined) throw new Error('no user');
  await from.context.store.transaction(async (tx) => {
    const contact = await getContact(tx, user, Number(A.slice(1)));
    await sendDirectMessage(from.context, tx, user, contact, message);
  });
}

const ofFile = (fileId: number) => (e: { readonly chatItem: { readonly chatItem: { readonly file?: unknown } } }) =>
  JSON.stringify(e.chatItem.chatItem.file).includes(`"fileId":${fileId},`);

/** The description that the other side got of a sent file. */
async function descriptionOf(sentId: number): Promise<string> {
  await alice.event('sndFileCompleteXFTP', ofFile(sentId));
  return alice.context.store.read(async (tx) => {
    const [transfer] = await sndFilesOf(tx, sentId);
    return (await findDescription(tx, transfer?.file_descr_id ?? null))?.file_descr_text ?? '';
  });
}

describe('a received file', () => {
  test('goes into the files folder under its name, and the next one under a free name', async () => {
    const source = network.file('report.tar.gz', 1000);
    for (const name of ['report.tar.gz', 'report_1.tar.gz']) {
      const [, id] = await offer(source);
      const accepted = await bob.ok(`/freceive ${id}`, 'rcvFileAccepted');
      expect(accepted.chatItem.chatItem.file?.fileSource?.filePath).toBe(name);
      await bob.event('rcvFileComplete', ofFile(id));
      expect(digest(path.join(bob.filesFolder, name))).toBe(digest(source));
    }
  });

  test('accepted before its description: the events come in the order of the protocol', async () => {
    const [sentId, id] = await offer(network.file('early.bin', 300_000));
    await bob.ok(`/freceive ${id} approved_relays=on`, 'rcvFileAccepted');
    await bob.event('rcvFileComplete', ofFile(id));
    expect(bob.fileEvents(id)).toEqual([
      'newChatItems',
      'rcvFileDescrReady',
      'rcvFileStart',
      'rcvFileProgressXFTP',
      'rcvFileComplete',
    ]);
    await alice.event('sndFileCompleteXFTP', ofFile(sentId));
    expect(alice.fileEvents(sentId)).toEqual(['sndFileProgressXFTP', 'sndFileCompleteXFTP']);
  });

  test('never leaves the folder, whatever name the sender gives', async () => {
    for (const fileName of [
      '../../../etc/passwd',
      '..\\..\\boot.ini',
      '.bashrc',
      '..',
      '',
      'a/b/\u202egnp.exe',
      '/dev/null',
    ]) {
      const from = bob.events.length;
      const file = { fileName, fileSize: 5, fileDescr: noDescription };
      await tell(alice, { event: { type: 'x.msg.new', content: { type: 'file', text: '' }, file } });
      const { fileId } = await receivedInvitation(bob, from);
      const accepted = await bob.ok(`/freceive ${fileId}`, 'rcvFileAccepted');
      const stored = accepted.chatItem.chatItem.file?.fileSource?.filePath ?? '';
      expect(stored).toBe(path.basename(stored));
      expect(stored).not.toMatch(/^\.|[/\\\u202e]/);
      expect(lstatSync(path.join(bob.filesFolder, stored)).size).toBe(0);
      await bob.ok(`/fcancel ${fileId}`, 'rcvFileCancelled');
    }
  });

  test('comes with a description in parts; repeated and misplaced ones change nothing', async () => {
    const source = network.file('parts.bin', 1000);
    const [sentId] = await offer(source);
    const text = await descriptionOf(sentId);
    const from = bob.events.length;
    const send = (event: JsonChatEvent, sharedMsgId?: string) => tell(alice, { event, sharedMsgId });
    const msgId = 'c2hhcmVkMDAwMDAx';
    const file = { fileName: 'parts.bin', fileSize: 1000, fileDescr: noDescription };
    await send({ type: 'x.msg.new', content: { type: 'file', text: '' }, file }, msgId);
    const { fileId } = await receivedInvitation(bob, from);
    await bob.ok(`/freceive ${fileId} approved_relays=on`, 'rcvFileAccepted');
    const part = (fileDescrPartNo: number, start: number, end: number) =>
      send({
        type: 'x.msg.file.descr',
        msgId,
        fileDescr: { fileDescrText: text.slice(start, end), fileDescrPartNo, fileDescrComplete: end >= text.length },
      });
    await part(2, 100, 200);
    await part(1, 0, 100);
    await part(1, 0, 100);
    await part(2, 100, 200);
    await part(3, 200, text.length);
    await part(3, 200, text.length);
    await bob.event('rcvFileComplete', ofFile(fileId), from);
    await send({ type: 'x.msg.file.descr', msgId: 'bm9uZQ==', fileDescr: noDescription });
    await bob.event('chatError', (e) => JSON.stringify(e).includes('fileIdNotFoundBySharedMsgId'), from);
    const errors = bob.events.slice(from).flatMap((e) => (e.type === 'chatError' ? [e.chatError] : []));
    expect(errors).toEqual([
      { type: 'errorStore', storeError: { type: 'rcvFileInvalidDescrPart' } },
      { type: 'errorStore', storeError: { type: 'rcvFileInvalidDescrPart' } },
      { type: 'errorStore', storeError: { type: 'rcvFileInvalidDescrPart' } },
      { type: 'errorStore', storeError: { type: 'fileIdNotFoundBySharedMsgId', sharedMsgId: 'bm9uZQ==' } },
    ]);
  });

  test('whose description says another size is refused', async () => {
    const source = network.file('huge.bin', 3_000_000);
    const [sentId] = await offer(source);
    const text = await descriptionOf(sentId);
    const from = bob.events.length;
    const msgId = 'c2hhcmVkMDAwMDAy';
    const file = { fileName: 'tiny.bin', fileSize: 10, fileDescr: noDescription };
    await tell(alice, { event: { type: 'x.msg.new', content: { type: 'file', text: '' }, file }, sharedMsgId: msgId });
    const { fileId } = await receivedInvitation(bob, from);
    const before = readdirSync(bob.filesFolder);
    await bob.ok(`/freceive ${fileId} approved_relays=on`, 'rcvFileAccepted');
    await tell(alice, {
      event: {
        type: 'x.msg.file.descr',
        msgId,
        fileDescr: { fileDescrText: text, fileDescrPartNo: 1, fileDescrComplete: true },
      },
    });
    const told = await bob.event('chatItemUpdated', ofFile(fileId), from);
    expect(told.chatItem.chatItem.file?.fileStatus.type).toBe('rcvError');
    expect((await bob.event('chatError', undefined, from)).chatError).toMatchObject({
      errorType: { type: 'invalidFileDescription' },
    });
    await expect.poll(() => readdirSync(bob.filesFolder)).toEqual(before);
  });

  test('on a server that cannot be reached is a warning, and can be given up', async () => {
    const [sentId] = await offer(network.file('onion.bin', 1000));
    const text = (await descriptionOf(sentId)).replace('@127.0.0.1', `@${'a'.repeat(56)}.onion`);
    expect(text).toContain('.onion');
    const from = bob.events.length;
    const msgId = 'c2hhcmVkMDAwMDAz';
    const file = { fileName: 'onion.bin', fileSize: 1000, fileDescr: noDescription };
    await tell(alice, { event: { type: 'x.msg.new', content: { type: 'file', text: '' }, file }, sharedMsgId: msgId });
    const { fileId } = await receivedInvitation(bob, from);
    await bob.ok(`/freceive ${fileId} approved_relays=on`, 'rcvFileAccepted');
    await tell(alice, {
      event: {
        type: 'x.msg.file.descr',
        msgId,
        fileDescr: { fileDescrText: text, fileDescrPartNo: 1, fileDescrComplete: true },
      },
    });
    const warned = await bob.event('rcvFileWarning', (e) => e.rcvFileTransfer.fileId === fileId, from);
    expect(warned.chatItem_?.chatItem.file?.fileStatus).toEqual({
      type: 'rcvWarning',
      rcvFileError: { type: 'relay', srvError: { type: 'host' } },
    });
    await bob.ok(`/fcancel ${fileId}`, 'rcvFileCancelled');
    await expect.poll(() => readdirSync(bob.filesFolder)).not.toContain('onion.bin');
  });

  test('of an old peer is shown, and cannot be received', async () => {
    const from = bob.events.length;
    await tell(alice, { event: { type: 'x.file', file: { fileName: 'old.bin', fileSize: 10 } } });
    const { fileId, fileProtocol } = await receivedInvitation(bob, from);
    expect(fileProtocol).toBe('smp');
    expect(await bob.ok(`/freceive ${fileId}`, 'chatCmdError')).toMatchObject({
      chatError: { errorType: { type: 'fallbackToSMPProhibited', fileId } },
    });
  });

  test('does not follow a link that has its name, nor replace a file', async () => {
    const outside = path.join(network.folder, 'outside.txt');
    writeFileSync(outside, 'mine');
    symlinkSync(outside, path.join(bob.filesFolder, 'link.txt'));
    symlinkSync(path.join(network.folder, 'nowhere'), path.join(bob.filesFolder, 'dangling.txt'));
    for (const name of ['link.txt', 'dangling.txt']) {
      const [, id] = await offer(network.file(name, 100));
      await bob.ok(`/freceive ${id}`, 'rcvFileAccepted');
      const done = await bob.event('rcvFileComplete', ofFile(id));
      expect(done.chatItem.chatItem.file?.fileSource?.filePath).toBe(name.replace('.', '_1.'));
    }
    expect(readFileSync(outside, 'utf8')).toBe('mine');
    expect(existsSync(path.join(network.folder, 'nowhere'))).toBe(false);
    const [, id] = await offer(network.file('given.txt', 100));
    for (const given of [outside, path.join(bob.filesFolder, 'dangling.txt')]) {
      const refused = await bob.ok(`/freceive ${id} ${given}`, 'chatCmdError');
      expect(refused.chatError).toEqual({ type: 'error', errorType: { type: 'fileAlreadyExists', filePath: given } });
    }
  });

  test('that cannot be written is refused, leaves nothing, and can be accepted again', async () => {
    const [, id] = await offer(network.file('fine.txt', 100));
    const notAFolder = path.join(network.folder, 'plain');
    writeFileSync(notAFolder, '');
    const before = readdirSync(bob.filesFolder);
    for (const given of [path.join(notAFolder, 'x.txt'), path.join(network.folder, 'no', 'folder', 'x.txt')]) {
      const refused = await bob.ok(`/freceive ${id} ${given}`, 'chatCmdError');
      expect(refused.chatError).toMatchObject({ errorType: { type: 'fileWrite', filePath: given } });
      expect(JSON.stringify(refused)).toMatch(/ENOTDIR|ENOENT/);
    }
    expect(readdirSync(bob.filesFolder)).toEqual(before);
    const folder = path.join(network.folder, 'chosen');
    mkdirSync(folder);
    const accepted = await bob.ok(`/freceive ${id} ${folder}`, 'rcvFileAccepted');
    expect(accepted.chatItem.chatItem.file?.fileSource?.filePath).toBe(path.join(folder, 'fine.txt'));
    await bob.event('rcvFileComplete', ofFile(id));
    const again = await bob.ok(`/freceive ${id}`, 'chatCmdError');
    expect(again.chatError).toMatchObject({ errorType: { type: 'fileAlreadyReceiving', message: 'fine.txt' } });
  });

  test('is encrypted on the disk when that is asked for, or set', async () => {
    const source = network.file('secret.bin', 70_000);
    await bob.ok('/_files_encrypt on', 'cmdOk');
    for (const option of ['', ' encrypt=on', ' encrypt=off']) {
      const [, id] = await offer(source);
      await bob.ok(`/freceive ${id}${option}`, 'rcvFileAccepted');
      const done = await bob.event('rcvFileComplete', ofFile(id));
      const { filePath = '', cryptoArgs } = done.chatItem.chatItem.file?.fileSource ?? {};
      const absolute = path.join(bob.filesFolder, filePath);
      if (option === ' encrypt=off') {
        expect(cryptoArgs).toBeUndefined();
        expect(digest(absolute)).toBe(digest(source));
        continue;
      }
      if (cryptoArgs === undefined) throw new Error('not encrypted');
      expect(lstatSync(absolute).size).toBe(70_016);
      const content = await readCryptoFileWhole(cryptoFileFromJson({ filePath: absolute, cryptoArgs }));
      expect(Buffer.from(content).equals(readFileSync(source))).toBe(true);
    }
    await bob.ok('/_files_encrypt off', 'cmdOk');
  });

  test('whose chunks are gone from the server is an error that leaves nothing', async () => {
    const [sentId, id] = await offer(network.file('gone.bin', 1000));
    await bob.event('rcvFileDescrReady', ofFile(id));
    await alice.event('sndFileCompleteXFTP', ofFile(sentId));
    await alice.context.store.transaction(async (tx) => {
      const file = await findFile(tx, sentId);
      const description = parseFileDescription(file?.private_snd_file_descr ?? '', 'sender');
      await alice.context.fileAgent?.deleteSndFileRemote(tx, 1, description);
    });
    await expect.poll(() => network.relays.xftp.usedStorage).toBeLessThan(10_000_000);
    await expect
      .poll(async () => {
        const { rows } = await alice.context.store.read((tx) =>
          tx.execute<{ n: number }>('SELECT count(*) AS n FROM xftp_deleted_replicas', []),
        );
        return Number(rows[0]?.n);
      })
      .toBe(0);
    const before = readdirSync(bob.filesFolder);
    await bob.ok(`/freceive ${id}`, 'rcvFileAccepted');
    const failed = await bob.event('rcvFileError', (e) => e.rcvFileTransfer.fileId === id);
    expect(failed.agentError).toMatchObject({ type: 'XFTP', xftpErr: { type: 'AUTH' } });
    expect(failed.chatItem_?.chatItem.file?.fileStatus).toEqual({ type: 'rcvError', rcvFileError: { type: 'auth' } });
    await expect.poll(() => readdirSync(bob.filesFolder)).toEqual(before);
    const again = await bob.ok(`/fcancel ${id}`, 'chatCmdError');
    expect(again.chatError).toMatchObject({ errorType: { type: 'fileCancel', message: 'file already cancelled' } });
  });

  test('cancelled by its receiver can be accepted again', async () => {
    const source = network.file('twice.bin', 2_000_000);
    const [, id] = await offer(source);
    const before = readdirSync(bob.filesFolder);
    await bob.ok(`/freceive ${id}`, 'rcvFileAccepted');
    const cancelled = await bob.ok(`/fcancel ${id}`, 'rcvFileCancelled');
    expect(cancelled.chatItem_?.chatItem.file?.fileStatus).toEqual({ type: 'rcvInvitation' });
    await expect.poll(() => readdirSync(bob.filesFolder)).toEqual(before);
    await bob.event('rcvFileDescrReady', ofFile(id));
    await bob.ok(`/freceive ${id}`, 'rcvFileAccepted');
    await bob.event('rcvFileComplete', ofFile(id));
    expect(digest(path.join(bob.filesFolder, 'twice.bin'))).toBe(digest(source));
  });

  test('goes with its item from the files folder, and stays elsewhere', async () => {
    const kept = path.join(network.folder, 'kept.bin');
    for (const [given, stays] of [
      ['', false],
      [` ${kept}`, true],
    ] as const) {
      const from = bob.events.length;
      const [, id] = await offer(network.file('deleted.bin', 500));
      await bob.ok(`/freceive ${id}${given}`, 'rcvFileAccepted');
      const done = await bob.event('rcvFileComplete', ofFile(id), from);
      const file = path.resolve(bob.filesFolder, done.chatItem.chatItem.file?.fileSource?.filePath ?? '');
      expect(existsSync(file)).toBe(true);
      await bob.ok(`/_delete item ${B} ${done.chatItem.chatItem.meta.itemId} internal`, 'chatItemsDeleted');
      if (stays) expect(existsSync(file)).toBe(true);
      else await expect.poll(() => existsSync(file)).toBe(false);
      expect(await bob.ok(`/fstatus ${id}`, 'chatCmdError')).toMatchObject({
        chatError: { storeError: { type: 'fileNotFound' } },
      });
      expect(bob.events.slice(from).filter((e) => e.type === 'chatError')).toEqual([]);
    }
  });
});

describe('a sent file', () => {
  test('that is cancelled goes from the server, and the other side learns it', async () => {
    const [sentId, id] = await offer(network.file('regret.bin', 5_000_000));
    await bob.ok(`/freceive ${id} approved_relays=on`, 'rcvFileAccepted');
    const cancelled = await alice.ok(`/fcancel ${sentId}`, 'sndFileCancelled');
    expect(cancelled.chatItem_?.chatItem.file?.fileStatus).toEqual({ type: 'sndCancelled' });
    const told = await bob.event('rcvFileSndCancelled', ofFile(id));
    expect(told.chatItem.chatItem.file?.fileStatus).toEqual({ type: 'rcvCancelled' });
    await expect.poll(() => readdirSync(bob.filesFolder)).not.toContain('regret.bin');
    const refused = await bob.ok(`/freceive ${id}`, 'chatCmdError');
    expect(refused.chatError).toMatchObject({ errorType: { type: 'fileCancelled', message: 'regret.bin' } });
    const again = await alice.ok(`/fcancel ${sentId}`, 'chatCmdError');
    expect(again.chatError).toMatchObject({ errorType: { type: 'fileCancel', message: 'file already cancelled' } });
    await expect.poll(() => readdirSync(alice.tempFolder), { timeout: 10_000 }).toEqual([]);
  });

  test('is looked at before anything is stored', async () => {
    const folder = path.join(network.folder, 'sources');
    const message = (filePath: string) =>
      `/_send ${A} json ${JSON.stringify([{ fileSource: { filePath }, msgContent: { type: 'file', text: '' } }])}`;
    for (const filePath of [folder, path.join(folder, 'none')]) {
      const refused = await alice.ok(message(filePath), 'chatCmdError');
      expect(refused.chatError).toEqual({ type: 'error', errorType: { type: 'fileNotFound', message: filePath } });
    }
    expect(await alice.ok(`/img ${'@bob'} ${network.file('a.bmp', 10)}`, 'chatCmdError')).toMatchObject({
      chatError: { errorType: { type: 'fileImageType' } },
    });
    expect(await alice.ok(`/img @bob ${network.file('large.png', 522_241)}`, 'chatCmdError')).toMatchObject({
      chatError: { errorType: { type: 'fileImageSize' } },
    });
  });

  test('can be named as people type it, come from an encrypted file, and be forwarded', async () => {
    let from = bob.events.length;
    await alice.ok(`/img @bob ${network.file('typed.png', 3000)}`, 'newChatItems');
    const image = await receivedInvitation(bob, from);
    expect(image.fileName).toBe('typed.png');
    await bob.ok(`/freceive ${image.fileId} encrypt=on`, 'rcvFileAccepted');
    const done = await bob.event('rcvFileComplete', ofFile(image.fileId));
    const source = done.chatItem.chatItem.file?.fileSource;
    // Back, from the encrypted copy.
    from = alice.events.length;
    const message = [{ fileSource: source, msgContent: { type: 'file', text: 'back' }, mentions: {} }];
    await bob.ok(`/_send ${B} json ${JSON.stringify(message)}`, 'newChatItems');
    const back = await receivedInvitation(alice, from);
    expect(back.fileSize).toBe(3000);
    await alice.ok(`/fr ${back.fileId}`, 'rcvFileAccepted');
    await alice.event('rcvFileComplete', ofFile(back.fileId));
    expect(digest(path.join(alice.filesFolder, 'typed.png'))).toBe(digest(network.file('typed.png', 3000)));
    // Forwarded as an item: a copy, which lives on when the first one is deleted.
    from = bob.events.length;
    const item = alice.events.flatMap((e) => (e.type === 'rcvFileComplete' ? [e.chatItem.chatItem.meta.itemId] : []));
    const forwarded = await alice.ok(`/_forward ${A} ${A} ${item.at(-1)}`, 'newChatItems');
    expect(forwarded.chatItems[0]?.chatItem.file?.fileSource).toEqual({ filePath: 'typed_1.png' });
    const again = await receivedInvitation(bob, from);
    await bob.ok(`/fr ${again.fileId}`, 'rcvFileAccepted');
    await bob.event('rcvFileComplete', ofFile(again.fileId));
    // And by its number.
    from = bob.events.length;
    await alice.ok(`/ff @bob ${back.fileId}`, 'newChatItems');
    expect((await receivedInvitation(bob, from)).fileName).toBe('typed.png');
  });

  test('without a message has links, through a redirect when it is large', async () => {
    for (const size of [1000, 500_000]) {
      const source = network.file(`link-${size}.bin`, size);
      const from = alice.events.length;
      const created = await alice.ok(`/_upload 1 ${source}`, 'sndStandaloneFileCreated');
      const done = await alice.event('sndStandaloneFileComplete', undefined, from);
      expect(done.fileTransferMeta.fileId).toBe(created.fileTransferMeta.fileId);
      const redirected = alice.events.slice(from).filter((e) => e.type === 'sndFileRedirectStartXFTP');
      expect(redirected).toHaveLength(size > 64_000 ? 1 : 0);
      const target = path.join(network.folder, `linked-${size}.bin`);
      const started = await bob.ok(`/_download 1 ${done.rcvURIs[0]} ${target}`, 'rcvStandaloneFileCreated');
      const received = await bob.event(
        'rcvStandaloneFileComplete',
        (e) => e.rcvFileTransfer.fileId === started.rcvFileTransfer.fileId,
      );
      expect(received.targetPath).toBe(target);
      expect(digest(target)).toBe(digest(source));
      expect(
        await bob.ok(`/_download info ${done.rcvURIs[0]}&data=%7B%22a%22%3A1%7D`, 'standaloneFileInfo'),
      ).toMatchObject({ fileMeta: { a: 1 } });
    }
  });
});

test('private notes hold files', async () => {
  const source = network.file('note.txt', 20);
  const message = [{ fileSource: { filePath: source }, msgContent: { type: 'file', text: 'n' }, mentions: {} }];
  const made = await alice.ok(`/_create *1 json ${JSON.stringify(message)}`, 'newChatItems');
  const file = made.chatItems[0]?.chatItem.file;
  expect(file).toMatchObject({ fileProtocol: 'local', fileStatus: { type: 'sndStored' }, fileSize: 20 });
  expect(await alice.ok(`/fcancel ${file?.fileId}`, 'chatCmdError')).toMatchObject({
    chatError: { storeError: { type: 'localFileNoTransfer' } },
  });
});
