import { mkdir, open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { isJsonObject, type JsonValue, parseJson } from '../../api/index.js';
import { Mutex } from '../../core/index.js';
import { BotError } from '../errors.js';
import { MemoryState } from './memory.js';

/** One small JSON file, replaced as a whole: after a crash it is the old one or the new one. */
export class FileState extends MemoryState {
  readonly #path: string;
  readonly #mutex = new Mutex();
  #version = 0;
  #written = 0;

  constructor(file: string) {
    super();
    this.#path = path.resolve(file);
  }

  override async open(): Promise<void> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return;
      throw new BotError('STATE_FILE', `cannot read ${this.#path}`, { cause });
    }
    const json = parseJson(text);
    if (!isJsonObject(json)) throw new BotError('STATE_FILE', `${this.#path} is damaged: it is no JSON object`);
    for (const [key, value] of Object.entries(json)) if (value !== undefined) this.values.set(key, value);
  }

  override async set(entries: Readonly<Record<string, JsonValue | undefined>>): Promise<void> {
    await super.set(entries);
    const version = ++this.#version;
    // A write that began later has these entries too.
    await this.#mutex.run(() => (this.#written >= version ? undefined : this.#write()));
  }

  override async close(): Promise<void> {
    await this.#mutex.run(() => {});
  }

  async #write(): Promise<void> {
    const version = this.#version;
    const text = JSON.stringify(Object.fromEntries(this.values));
    await mkdir(path.dirname(this.#path), { recursive: true });
    const temporary = `${this.#path}.new`;
    const handle = await open(temporary, 'w', 0o600);
    try {
      await handle.writeFile(text);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(temporary, this.#path);
    this.#written = version;
  }
}
