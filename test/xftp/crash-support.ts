import { type ChildProcess, fork } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import type { Cleanup } from './support.js';

interface Line {
  readonly type: string;
  readonly address?: string;
  readonly port?: number;
  readonly done?: readonly { readonly kind: string; readonly content: string }[];
  readonly error?: unknown;
}

/** A party of a transfer in its own process. */
class Party {
  readonly #child: ChildProcess;
  readonly lines: Line[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #exited: Promise<void>;

  constructor(role: string, folder: string, options: object) {
    const script = path.resolve('test/xftp/crash-child.mjs');
    this.#child = fork(script, [role, folder, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    this.#exited = new Promise((resolve) => this.#child.once('exit', () => resolve()));
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('no output');
    createInterface({ input: stdout }).on('line', (line) => {
      this.lines.push(JSON.parse(line));
      for (const check of this.#waiting) check();
    });
  }

  /** The n-th line of this type, in this life of the party. */
  wait(type: string, n = 1): Promise<Line> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const failed = this.lines.find((l) => l.type === 'SFERR' || l.type === 'RFERR');
        const found = this.lines.filter((l) => l.type === type)[n - 1];
        if (found === undefined && failed === undefined) return;
        this.#waiting.delete(check);
        if (found !== undefined) resolve(found);
        else reject(new Error(JSON.stringify(failed)));
      };
      this.#waiting.add(check);
      check();
    });
  }

  /** What is stored of DONE events. */
  async done(): Promise<readonly { readonly kind: string; readonly content: string }[]> {
    this.#child.send('done?');
    return (await this.wait('done')).done ?? [];
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}

export type Victim = 'sender' | 'receiver' | 'relay while uploading' | 'relay while downloading';

async function fileDigest(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file)) hash.update(piece);
  return hash.digest('hex');
}

/**
 * Sends a file from one process to another over a relay in a third; kills one of them with SIGKILL after each of the
 * given counts of chunks, and starts it again. The file must arrive whole, with one DONE on each side.
 */
export async function crashTransfer(
  cleanup: Cleanup,
  victim: Victim,
  size: number,
  killAfter: readonly number[],
): Promise<void> {
  const root = cleanup.folder();
  const folders = {
    sender: path.join(root, 'sender'),
    receiver: path.join(root, 'receiver'),
    relay: path.join(root, 'relay'),
  };
  for (const folder of Object.values(folders)) mkdirSync(folder);
  const source = path.join(root, 'source');
  writeFileSync(source, '');
  for (let left = size; left > 0; left -= 1 << 20)
    writeFileSync(source, randomBytes(Math.min(left, 1 << 20)), { flag: 'a' });
  const living = new Set<Party>();
  cleanup.add(async () => {
    for (const party of living) await party.kill();
  });
  const start = async (role: keyof typeof folders, options: object): Promise<{ party: Party; ready: Line }> => {
    const party = new Party(role, folders[role], options);
    living.add(party);
    return { party, ready: await party.wait('ready') };
  };
  const stop = async (party: Party): Promise<void> => {
    await party.kill();
    living.delete(party);
  };

  let relay = await start('relay', {});
  const { port, address } = relay.ready;
  const killRelay = async (): Promise<void> => {
    await stop(relay.party);
    relay = await start('relay', { port });
    expect(relay.ready.address).toBe(address);
  };
  /** Runs a party to its end, with the kills that the victim calls for. */
  const run = async (role: 'sender' | 'receiver', options: object, progress: string, done: string): Promise<string> => {
    let { party } = await start(role, options);
    for (const chunks of killAfter) {
      const mine = victim === role;
      const relayNow = victim === (role === 'sender' ? 'relay while uploading' : 'relay while downloading');
      if (!mine && !relayNow) continue;
      await party.wait(progress, chunks);
      expect(party.lines.some((l) => l.type === done)).toBe(false);
      if (relayNow) await killRelay();
      else {
        await stop(party);
        ({ party } = await start(role, options));
      }
    }
    // A kill between the commit and the event leaves DONE stored.
    if ((await party.done()).length === 0) await party.wait(done);
    party.lines.length = 0;
    const stored = await party.done();
    expect(stored.length).toBe(1);
    await stop(party);
    return stored[0]?.content ?? '';
  };

  const description = await run('sender', { servers: [address], source }, 'SFPROG', 'SFDONE');
  const target = path.join(root, 'target');
  await run('receiver', { description, target }, 'RFPROG', 'RFDONE');
  expect(await fileDigest(target)).toBe(await fileDigest(source));
  expect(readdirSync(root).filter((name) => name.endsWith('.part'))).toEqual([]);
  // Nothing of the transfer stays in the work folders, after a start that finds everything done.
  for (const role of ['sender', 'receiver'] as const) {
    const { party } = await start(role, { servers: [address], source, description, target });
    const work = path.join(folders[role], 'work');
    while (existsSync(work) && readdirSync(work).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await stop(party);
  }
}
