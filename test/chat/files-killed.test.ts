import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { digest, FileNetwork } from './files-support.js';

/** An event, or the answer to a command, as JSON: only what the test looks at. */
interface Shown {
  readonly type: string;
  readonly connLinkInvitation?: { readonly connShortLink?: string; readonly connFullLink: string };
  readonly contact?: { readonly contactId: number };
  readonly chatItems?: readonly { readonly chatItem: { readonly file?: { readonly fileId: number } } }[];
}

/** An engine in its own process. */
class Child {
  readonly #process: ChildProcess;
  readonly #events: Shown[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #answers = new Map<number, (response: unknown) => void>();
  #ids = 0;

  private constructor(folder: string, options: object) {
    this.#process = fork(path.resolve('test/chat/files-child.mjs'), [folder, JSON.stringify(options)]);
    this.#process.on('message', (m: { id?: number; response?: unknown; event?: Shown }) => {
      if (m.event !== undefined) this.#events.push(m.event);
      if (m.id !== undefined) this.#answers.get(m.id)?.(m.response);
      for (const check of [...this.#waiting]) check();
    });
  }

  static async start(folder: string, options: object): Promise<Child> {
    const child = new Child(folder, options);
    await child.event('ready');
    return child;
  }

  /** The n-th event of this type in this life. */
  event(type: string, n = 1): Promise<Shown> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const found = this.#events.filter((e) => e.type === type)[n - 1];
        const failed = this.#events.find((e) => e.type === 'rcvFileError' || e.type === 'sndFileError');
        if (found === undefined && failed === undefined) return;
        this.#waiting.delete(check);
        if (found !== undefined) resolve(found);
        else reject(new Error(JSON.stringify(failed)));
      };
      this.#waiting.add(check);
      check();
    });
  }

  #ask(message: object): Promise<unknown> {
    const id = ++this.#ids;
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.#process.send({ id, ...message });
    });
  }

  async cmd(command: string): Promise<Shown> {
    return (await this.#ask({ command })) as Shown;
  }

  /** How often the event log has this type: over all lives. */
  async logged(type: string): Promise<number> {
    return Number(await this.#ask({ count: type }));
  }

  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await gone;
  }
}

let network: FileNetwork;
const children = new Set<Child>();
beforeEach(async () => {
  network = new FileNetwork();
  await network.start();
});
afterEach(async () => {
  for (const child of children) await child.kill();
  children.clear();
  await network.close();
});

async function start(name: string): Promise<Child> {
  const folder = path.join(network.folder, name);
  for (const sub of ['files', 'work']) mkdirSync(path.join(folder, sub), { recursive: true });
  const servers = { smpServers: [network.relays.smp.address], xftpServers: [network.relays.xftp.address] };
  const child = await Child.start(folder, servers);
  children.add(child);
  return child;
}

async function restart(child: Child, name: string): Promise<Child> {
  await child.kill();
  children.delete(child);
  return start(name);
}

test('both sides are killed in the middle, again and again: the file arrives whole, and is told once', async () => {
  let alice = await start('alice');
  let bob = await start('bob');
  await alice.cmd('/create bot files=on alice');
  await bob.cmd('/create bot files=on bob');
  const { connLinkInvitation: link } = await alice.cmd('/_connect 1');
  await bob.cmd(`/connect ${link?.connShortLink ?? link?.connFullLink}`);
  const { contact } = await alice.event('contactConnected');
  await bob.event('contactConnected');
  const source = network.file('killed.bin', 40_000_000);
  const message = [{ fileSource: { filePath: source }, msgContent: { type: 'file', text: '' }, mentions: {} }];
  await alice.cmd(`/_send @${contact?.contactId} json ${JSON.stringify(message)}`);
  alice = await restart(alice, 'alice');
  await alice.event('sndFileProgressXFTP', 2);
  alice = await restart(alice, 'alice');
  await alice.event('sndFileCompleteXFTP');
  bob = await restart(bob, 'bob');
  // The message may have come in the life before.
  await expect.poll(async () => bob.logged('rcvFileDescrReady'), { timeout: 20_000 }).toBe(1);
  const chat = await bob.cmd('/freceive 1 approved_relays=on');
  expect(chat.type).toBe('rcvFileAccepted');
  await bob.event('rcvFileProgressXFTP', 2);
  bob = await restart(bob, 'bob');
  await bob.event('rcvFileProgressXFTP', 2);
  bob = await restart(bob, 'bob');
  await bob.event('rcvFileComplete');
  expect(await alice.logged('sndFileCompleteXFTP')).toBe(1);
  expect(await bob.logged('rcvFileComplete')).toBe(1);
  const files = path.join(network.folder, 'bob', 'files');
  expect(digest(path.join(files, 'killed.bin'))).toBe(digest(source));
  expect(readdirSync(files)).toEqual(['killed.bin']);
}, 120_000);
