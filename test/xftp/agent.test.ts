import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../src/core/index.js';
import { randomCryptoFileArgs, readCryptoFileWhole, writeCryptoFile } from '../../src/crypto/index.js';
import { networkConfig } from '../../src/smp/index.js';
import {
  descriptionServers,
  formatFileDescription,
  formatFileLink,
  parseFileDescription,
  parseFileLink,
} from '../../src/xftp/index.js';
import { openTestAgent, randomFile, send, type TestAgent } from './agent-support.js';
import { Cleanup } from './support.js';

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

type Description = Parameters<typeof formatFileDescription>[0];

async function receive(
  agent: TestAgent,
  description: Description,
  target: string,
  approvedRelays = true,
): Promise<string> {
  return agent.store.transaction((tx) =>
    agent.files.receiveFile(tx, { userId: agent.userId, description, target: { filePath: target }, approvedRelays }),
  );
}

const outcome = (agent: TestAgent, fileId: string) =>
  agent.wait((e) => ((e.type === 'RFDONE' || e.type === 'RFERR') && e.fileId === fileId ? e : undefined));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('upload and download', () => {
  for (const size of [0, 1, 65_536, 3_000_000, 11_000_000]) {
    it(`a file of ${size} bytes arrives whole`, async () => {
      const relays = [await cleanup.relay(), await cleanup.relay()];
      const alice = await openTestAgent(
        cleanup,
        relays.map((r) => r.address),
      );
      const bob = await openTestAgent(cleanup, []);
      const file = randomFile(alice.folder, 'файл.bin', size);
      const done = await send(alice, { filePath: file.path }, 4);
      expect(done.recipientDescriptions.length).toBe(4);
      const progress = alice.events.filter((e) => e.type === 'SFPROG');
      expect(progress.length).toBe(done.senderDescription.chunks.length);
      expect(progress.at(-1)).toMatchObject({ sent: done.senderDescription.size, total: done.senderDescription.size });
      for (const i of [0, 3]) {
        const description = parseFileDescription(
          formatFileDescription(done.recipientDescriptions[i] as Description),
          'recipient',
        );
        const target = path.join(bob.folder, `target${i}`);
        const result = await outcome(bob, await receive(bob, description, target));
        expect(result).toMatchObject({ type: 'RFDONE', path: target, contentSize: size });
        expect(readFileSync(target).equals(file.content)).toBe(true);
      }
      await until(() => readdirSync(alice.workFolder).length === 0 && readdirSync(bob.workFolder).length === 0);
      expect(readdirSync(bob.folder).filter((n) => n.endsWith('.part'))).toEqual([]);
      // What was uploaded goes away by the sender's description.
      await alice.store.transaction((tx) => alice.files.deleteSndFileRemote(tx, alice.userId, done.senderDescription));
      await until(() => relays.every((r) => r.usedStorage === 0));
      const again = await outcome(
        bob,
        await receive(bob, done.recipientDescriptions[1] as Description, path.join(bob.folder, 'late')),
      );
      expect(again).toMatchObject({ type: 'RFERR', error: { type: 'XFTP', xftpErr: { type: 'AUTH' } } });
      await until(() => readdirSync(bob.workFolder).length === 0);
      expect(existsSync(path.join(bob.folder, 'late'))).toBe(false);
    });
  }

  it('chunks are spread over the servers', async () => {
    const relays = [await cleanup.relay(), await cleanup.relay(), await cleanup.relay()];
    const alice = await openTestAgent(
      cleanup,
      relays.map((r) => r.address),
    );
    const file = randomFile(alice.folder, 'f', 20 * 1_048_576);
    const done = await send(alice, { filePath: file.path });
    expect(descriptionServers(done.senderDescription).length).toBeGreaterThan(1);
  });

  it('more recipients than fit one request', async () => {
    const relay = await cleanup.relay();
    const alice = await openTestAgent(cleanup, [relay.address]);
    const file = randomFile(alice.folder, 'f', 1000);
    const done = await send(alice, { filePath: file.path }, 512);
    expect(done.recipientDescriptions.length).toBe(512);
    const ids = new Set(
      done.recipientDescriptions.map((d) => Buffer.from(d.chunks[0]?.replicas[0]?.replicaId ?? '').toString('hex')),
    );
    expect(ids.size).toBe(512);
    const target = path.join(alice.folder, 'target');
    await outcome(alice, await receive(alice, done.recipientDescriptions[511] as Description, target));
    expect(readFileSync(target).equals(file.content)).toBe(true);
  });

  it('encrypted local files on both sides', async () => {
    const relay = await cleanup.relay();
    const alice = await openTestAgent(cleanup, [relay.address]);
    const content = randomFile(alice.folder, 'plain', 300_000).content;
    const source = { filePath: path.join(alice.folder, 'source'), cryptoArgs: randomCryptoFileArgs() };
    await writeCryptoFile(
      source,
      (async function* () {
        yield content;
      })(),
    );
    const done = await send(alice, source);
    const target = { filePath: path.join(alice.folder, 'target'), cryptoArgs: randomCryptoFileArgs() };
    const description = done.recipientDescriptions[0] as Description;
    const fileId = await alice.store.transaction((tx) =>
      alice.files.receiveFile(tx, { userId: alice.userId, description, target, approvedRelays: true }),
    );
    expect(await outcome(alice, fileId)).toMatchObject({ type: 'RFDONE', contentSize: content.length });
    expect(readFileSync(target.filePath).includes(content.subarray(0, 32))).toBe(false);
    expect(Buffer.from(await readCryptoFileWhole(target)).equals(content)).toBe(true);
  });

  it('a redirect leads to the file', async () => {
    const relay = await cleanup.relay();
    const alice = await openTestAgent(cleanup, [relay.address]);
    const file = randomFile(alice.folder, 'f', 9_000_000);
    const done = await send(alice, { filePath: file.path }, 1);
    const redirectId = await alice.store.transaction((tx) =>
      alice.files.sendDescription(tx, alice.userId, done.recipientDescriptions[0] as Description, 1),
    );
    const redirect = await alice.wait((e) => (e.type === 'SFDONE' && e.fileId === redirectId ? e : undefined));
    const link = formatFileLink({ description: redirect.recipientDescriptions[0] as Description });
    const { description } = parseFileLink(link);
    expect(description.redirect).toMatchObject({ size: done.senderDescription.size });
    const target = path.join(alice.folder, 'target');
    const fileId = await receive(alice, description, target);
    expect(await outcome(alice, fileId)).toMatchObject({ type: 'RFDONE', fileId, path: target });
    expect(readFileSync(target).equals(file.content)).toBe(true);
    await until(() => readdirSync(alice.workFolder).length === 0);
    const wrong = { ...description, redirect: { size: 1, digest: description.redirect?.digest ?? new Uint8Array() } };
    const failed = await outcome(alice, await receive(alice, wrong, path.join(alice.folder, 'wrong')));
    expect(failed).toMatchObject({
      type: 'RFERR',
      error: { type: 'FILE', fileErr: { type: 'REDIRECT', redirectError: 'size mismatch' } },
    });
  });
});

describe('what goes wrong', () => {
  it('a chunk altered on the relay: clear error, nothing left', async () => {
    const filesFolder = cleanup.folder();
    const relay = await cleanup.relay({ filesFolder });
    const alice = await openTestAgent(cleanup, [relay.address]);
    const file = randomFile(alice.folder, 'f', 300_000);
    const done = await send(alice, { filePath: file.path });
    const [name = ''] = readdirSync(filesFolder);
    const stored = readFileSync(path.join(filesFolder, name));
    stored.writeUInt8(stored.readUInt8(100) ^ 1, 100);
    writeFileSync(path.join(filesFolder, name), stored);
    const target = path.join(alice.folder, 'target');
    writeFileSync(target, '');
    const result = await outcome(alice, await receive(alice, done.recipientDescriptions[0] as Description, target));
    expect(result).toMatchObject({
      type: 'RFERR',
      error: { type: 'BROKER', brokerErr: { type: 'RESPONSE', respErr: 'DIGEST' } },
    });
    await until(() => readdirSync(alice.workFolder).length === 0);
    expect(readFileSync(target).length).toBe(0);
  });

  it('a description with another digest or key is refused', async () => {
    const relay = await cleanup.relay();
    const alice = await openTestAgent(cleanup, [relay.address]);
    const file = randomFile(alice.folder, 'f', 1000);
    const done = await send(alice, { filePath: file.path });
    const good = done.recipientDescriptions[0] as Description;
    const target = path.join(alice.folder, 'target');
    const digest = await outcome(alice, await receive(alice, { ...good, digest: new Uint8Array(64) }, target));
    expect(digest).toMatchObject({ type: 'RFERR', error: { type: 'XFTP', xftpErr: { type: 'DIGEST' } } });
    const key = await outcome(alice, await receive(alice, { ...good, key: new Uint8Array(32) }, target));
    expect(key).toMatchObject({ type: 'RFERR', error: { type: 'FILE', fileErr: { type: 'FILE_IO' } } });
    expect(existsSync(target)).toBe(false);
    expect(readdirSync(alice.folder).filter((n) => n.endsWith('.part'))).toEqual([]);
  });

  it('descriptions of impossible files are refused', async () => {
    const relay = await cleanup.relay();
    const alice = await openTestAgent(cleanup, [relay.address]);
    const done = await send(alice, { filePath: randomFile(alice.folder, 'f', 1000).path });
    const good = done.recipientDescriptions[0] as Description;
    const [chunk] = good.chunks;
    if (chunk === undefined) throw new Error('no chunk');
    const size = 10 * 1024 ** 3;
    const large = { ...good, size, chunks: [{ ...chunk, chunkSize: size }] };
    await expect(receive(alice, large, path.join(alice.folder, 't'))).rejects.toMatchObject({
      json: { type: 'FILE', fileErr: { type: 'SIZE' } },
    });
    await expect(receive(alice, { ...good, size: 1 }, path.join(alice.folder, 't'))).rejects.toThrow('total size');
    await expect(receive(alice, { ...good, party: 'sender' }, path.join(alice.folder, 't'))).rejects.toThrow();
  });

  it('chunks damaged on the disk after they came are downloaded again', async () => {
    const relay = await cleanup.relay();
    const alice = await openTestAgent(cleanup, [relay.address]);
    const file = randomFile(alice.folder, 'f', 20_000_000);
    const done = await send(alice, { filePath: file.path });
    const folder = cleanup.folder();
    const before = await openTestAgent(cleanup, [], { folder, lanes: 1 });
    const target = path.join(folder, 'target');
    const fileId = await receive(before, done.recipientDescriptions[0] as Description, target);
    await before.wait((e) => (e.type === 'RFPROG' ? true : undefined));
    await before.close();
    const [job = ''] = readdirSync(before.workFolder);
    const chunks = path.join(before.workFolder, job, 'xftp.encrypted');
    const { length } = readdirSync(chunks);
    expect(length).toBeGreaterThan(0);
    expect(length).toBeLessThan(done.senderDescription.chunks.length);
    writeFileSync(path.join(chunks, '1'), 'a power failure');
    const after = await openTestAgent(cleanup, [], { folder });
    expect(await outcome(after, fileId)).toMatchObject({ type: 'RFDONE' });
    expect(readFileSync(target).equals(file.content)).toBe(true);
  });

  it('relays that were not approved are not connected to', async () => {
    const relay = await cleanup.relay();
    const alice = await openTestAgent(cleanup, [relay.address]);
    const done = await send(alice, { filePath: randomFile(alice.folder, 'f', 1000).path });
    const bob = await openTestAgent(cleanup, []);
    const description = done.recipientDescriptions[0] as Description;
    const result = await outcome(bob, await receive(bob, description, path.join(bob.folder, 't'), false));
    expect(result).toMatchObject({ type: 'RFERR', error: { type: 'FILE', fileErr: { type: 'NOT_APPROVED' } } });
    // With a proxy for everything our address is not shown: the download is tried (here in vain, nobody listens).
    const socksProxy = { host: '127.0.0.1', port: 1, auth: { kind: 'none' } } as const;
    bob.files.setNetworkConfig(networkConfig({ socksProxy }));
    const fileId = await receive(bob, description, path.join(bob.folder, 't'), false);
    await until(() => bob.events.some((e) => e.type === 'RFERR'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(bob.events.some((e) => e.type === 'RFERR' && e.fileId === fileId)).toBe(false);
    // Once the way is open it arrives, without being asked for again.
    const direct = await cleanup.socks();
    bob.files.setNetworkConfig(networkConfig({ socksProxy: { ...socksProxy, port: direct.port } }));
    expect((await outcome(bob, fileId)).type).toBe('RFDONE');
    expect(direct.connections()).toBeGreaterThan(0);
  });

  it('a source that is not there, or a target that cannot be written', async () => {
    const relay = await cleanup.relay();
    const alice = await openTestAgent(cleanup, [relay.address]);
    await expect(send(alice, { filePath: path.join(alice.folder, 'none') })).rejects.toThrow();
    const bob = await openTestAgent(cleanup, [relay.address]);
    const done = await send(bob, { filePath: randomFile(bob.folder, 'f', 1000).path });
    const result = await outcome(
      bob,
      await receive(bob, done.recipientDescriptions[0] as Description, path.join(bob.folder, 'no/such/folder/t')),
    );
    expect(result).toMatchObject({ type: 'RFERR', error: { type: 'FILE', fileErr: { type: 'FILE_IO' } } });
    await until(() => readdirSync(bob.workFolder).length === 0);
  }, 20_000);

  it('a full relay: the chunks go to another one', async () => {
    const full = await cleanup.relay({ quota: 0 });
    const closed = await cleanup.relay({ newFiles: false });
    const good = await cleanup.relay();
    const alice = await openTestAgent(cleanup, [full.address, closed.address, good.address]);
    const done = await send(alice, { filePath: randomFile(alice.folder, 'f', 5_000_000).path });
    expect(descriptionServers(done.senderDescription)).toEqual([good.address]);
    const bob = await openTestAgent(cleanup, [full.address]);
    const file = randomFile(bob.folder, 'f', 1000);
    await bob.store.transaction((tx) =>
      bob.files.sendFile(tx, { userId: bob.userId, source: { filePath: file.path }, numRecipients: 4 }),
    );
    const failed = await bob.wait((e) => (e.type === 'SFERR' ? e : undefined));
    expect(failed.error).toMatchObject({ type: 'XFTP', serverAddress: full.address, xftpErr: { type: 'QUOTA' } });
    await until(() => readdirSync(bob.workFolder).length === 0);
  });

  it('cancelled transfers leave nothing, here and on the relay', async () => {
    const relay = await cleanup.relay();
    const alice = await openTestAgent(cleanup, [relay.address]);
    const file = randomFile(alice.folder, 'f', 30_000_000);
    const sndId = await alice.store.transaction((tx) =>
      alice.files.sendFile(tx, { userId: alice.userId, source: { filePath: file.path }, numRecipients: 4 }),
    );
    await alice.wait((e) => (e.type === 'SFPROG' ? true : undefined));
    await alice.store.transaction((tx) => alice.files.deleteSndFile(tx, sndId));
    await until(() => readdirSync(alice.workFolder).length === 0 && relay.usedStorage === 0);
    expect(alice.events.some((e) => e.type === 'SFDONE' || e.type === 'SFERR')).toBe(false);

    const done = await send(alice, { filePath: file.path });
    const target = path.join(alice.folder, 'target');
    const rcvId = await receive(alice, done.recipientDescriptions[0] as Description, target);
    await alice.wait((e) => (e.type === 'RFPROG' ? true : undefined));
    await alice.store.transaction((tx) => alice.files.deleteRcvFile(tx, rcvId));
    await until(() => readdirSync(alice.workFolder).length === 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(alice.events.some((e) => e.type === 'RFDONE' || e.type === 'RFERR')).toBe(false);
    expect(existsSync(target)).toBe(false);
    const { rows } = await alice.store.read((tx) => tx.execute('SELECT * FROM xftp_rcv_files'));
    expect(rows).toEqual([]);
  });

  it('the server test names the step that failed', async () => {
    const good = await cleanup.relay({ password: 'pass' });
    const full = await cleanup.relay({ quota: 0 });
    const alice = await openTestAgent(cleanup, []);
    expect(await alice.files.testServer(alice.userId, good.address)).toBeUndefined();
    expect(good.usedStorage).toBe(0);
    const failure = async (address: string) => alice.files.testServer(alice.userId, address);
    expect(await failure(good.address.replace(':pass@', '@'))).toMatchObject({
      testStep: 'createFile',
      testError: { type: 'XFTP', xftpErr: { type: 'AUTH' } },
    });
    expect(await failure(full.address)).toMatchObject({
      testStep: 'uploadFile',
      testError: { type: 'XFTP', xftpErr: { type: 'QUOTA' } },
    });
    await full.close();
    expect(await failure(full.address)).toMatchObject({
      testStep: 'connect',
      testError: { type: 'BROKER', brokerErr: { type: 'NETWORK' } },
    });
  });
});

describe('servers that are lost', () => {
  /** Time goes by, as fast as the machine allows. */
  function timePasses(clock: ManualClock): void {
    const timer = setInterval(() => clock.advance(500), 10);
    cleanup.add(() => clearInterval(timer));
  }

  it('in the middle of an upload: the rest goes to another one', async () => {
    const folder = cleanup.folder();
    const options = { prefix: path.join(folder, 'lost') };
    const lost = await cleanup.relay(options);
    const good = await cleanup.relay();
    const clock = new ManualClock(Date.now());
    const alice = await openTestAgent(cleanup, [lost.address, good.address], { clock, lanes: 1 });
    const file = randomFile(alice.folder, 'f', 60_000_000);
    const sending = send(alice, { filePath: file.path });
    await alice.wait((e) => (e.type === 'SFPROG' ? true : undefined));
    await lost.close();
    timePasses(clock);
    const done = await sending;
    const again = await cleanup.relay({ ...options, port: lost.port });
    expect(again.address).toBe(lost.address);
    const target = path.join(alice.folder, 'target');
    expect(
      await outcome(alice, await receive(alice, done.recipientDescriptions[0] as Description, target)),
    ).toMatchObject({
      type: 'RFDONE',
    });
    expect(readFileSync(target).equals(file.content)).toBe(true);
  });

  it('for ever: the download ends with an error when its time is over', async () => {
    const relay = await cleanup.relay();
    const clock = new ManualClock(Date.now());
    const alice = await openTestAgent(cleanup, [relay.address], { clock });
    const done = await send(alice, { filePath: randomFile(alice.folder, 'f', 1000).path });
    await relay.close();
    const fileId = await receive(
      alice,
      done.recipientDescriptions[0] as Description,
      path.join(alice.folder, 'target'),
    );
    const timer = setInterval(() => clock.advance(600_000), 10);
    cleanup.add(() => clearInterval(timer));
    expect(await outcome(alice, fileId)).toMatchObject({
      type: 'RFERR',
      error: { type: 'FILE', fileErr: { type: 'NO_FILE' } },
    });
  });

  it('while files are deleted: the deletion waits, also over a restart', async () => {
    const options = { prefix: path.join(cleanup.folder(), 'relay') };
    const relay = await cleanup.relay(options);
    const folder = cleanup.folder();
    const alice = await openTestAgent(cleanup, [relay.address], { folder });
    const done = await send(alice, { filePath: randomFile(folder, 'f', 5_000_000).path });
    await relay.close();
    await alice.store.transaction((tx) => alice.files.deleteSndFileRemote(tx, alice.userId, done.senderDescription));
    await alice.close();
    const back = await cleanup.relay({ ...options, port: relay.port });
    expect(back.usedStorage).toBeGreaterThan(0);
    await openTestAgent(cleanup, [], { folder });
    await until(() => back.usedStorage === 0);
  });
});
