import path from 'node:path';
import { type Clock, errorFields, type Logger, type RandomSource } from '../../core/index.js';
import type { Store, Tx } from '../../store/index.js';
import { base64urlUnpadded } from '../../wire/index.js';
import type { UserId } from '../types.js';
import type { FileServers } from './servers.js';
import type { XftpSessions } from './sessions.js';
import type { FileEvent, FileHandler } from './types.js';

/** Kinds of workers; those of servers are one for each server. */
export type WorkerKind = 'receive' | 'decrypt' | 'encrypt' | 'create' | 'upload' | 'finish' | 'delete' | 'clean';

/** All that the parts of one file agent share. */
export interface FileContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly handler: FileHandler;
  /** Where new jobs get their folders. */
  workFolder: string;
  readonly sessions: XftpSessions;
  readonly servers: FileServers;
  readonly transfers: Transfers;
  /** Wakes a worker: `server` and `userId` for those of servers. */
  wake(kind: WorkerKind, userId?: UserId, server?: string): void;
}

/** Gives an event to the layer above, inside the transaction. What a failing handler wrote is undone. */
export async function raiseFileEvent(ctx: FileContext, tx: Tx, event: FileEvent): Promise<void> {
  try {
    await tx.savepoint(() => ctx.handler.fileEvent(tx, event));
  } catch (error) {
    ctx.logger.error({ event: event.type, ...errorFields(error) }, 'the handler of a file event failed');
  }
}

/** A fresh file id: 12 random bytes as 16 characters. */
export function newFileId(random: RandomSource): string {
  return base64urlUnpadded(random.bytes(12));
}

/** The path of a job's folder: its name says when it was made; the id makes it unique. */
export function folderName(ctx: FileContext, fileId: string, kind: 'rcv' | 'snd'): string {
  const stamp = new Date(ctx.clock.now())
    .toISOString()
    .replace(/[-:]/g, '')
    .replace('T', '_')
    .replace('.', '_')
    .replace('Z', '');
  return path.resolve(ctx.workFolder, `${stamp}_${fileId}_${kind}.xftp`);
}

/**
 * What runs for each file, so that it can be broken off when the file is deleted, and the folder removed only when
 * nobody writes to it any more.
 */
export class Transfers {
  readonly #running = new Map<string, Set<{ readonly abort: AbortController; readonly done: Promise<void> }>>();
  #closed = false;

  /** Runs `task` for the file. Its signal fires when the file is deleted or the agent closes. */
  async run<T>(file: string, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    if (this.#closed) abort.abort(new Error('the agent is closed'));
    let finish = (): void => {};
    const done = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const entry = { abort, done };
    const entries = this.#running.get(file) ?? new Set();
    entries.add(entry);
    this.#running.set(file, entries);
    try {
      return await task(abort.signal);
    } finally {
      entries.delete(entry);
      if (entries.size === 0) this.#running.delete(file);
      finish();
    }
  }

  /** Breaks off what runs for the file, and waits for its end. */
  async stop(file: string): Promise<void> {
    const entries = [...(this.#running.get(file) ?? [])];
    for (const { abort } of entries) abort.abort(new Error('the file was deleted'));
    await Promise.all(entries.map((e) => e.done));
  }

  close(): void {
    this.#closed = true;
    for (const entries of this.#running.values()) {
      for (const { abort } of entries) abort.abort(new Error('the agent is closed'));
    }
  }
}
