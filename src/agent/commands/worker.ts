import { errorFields } from '../../core/index.js';
import type { Tx } from '../../store/index.js';
import { type AgentContext, raise, toAgentError, transaction } from '../context.js';
import { isTemporaryOrHostError } from '../errors.js';
import { forgetLostSwitches } from '../rotation/recipient.js';
import {
  type Command,
  type CommandKey,
  type CommandRow,
  commandKeys,
  deleteCommand,
  insertCommand,
  moveCommand,
  nextCommand,
} from '../rows/commands.js';
import { findConn } from '../rows/connections.js';
import { fastRetry, Retry } from '../sending/retry.js';
import type { ConnId } from '../types.js';
import { execute, onCommandFailed } from './execute.js';

/** Thrown by a command that should wait for another server than the one it belongs to (section 6.6). */
export class MoveToServer {
  readonly serverId: number;
  readonly cause: unknown;

  constructor(serverId: number, cause: unknown) {
    this.serverId = serverId;
    this.cause = cause;
  }
}

/** Thrown by a command that has to wait for something, without holding the connection's lock. */
export class TryLater {
  readonly delay: number;

  constructor(delay: number) {
    this.delay = delay;
  }
}

const keyText = (key: CommandKey): string => `${key.connId} ${key.serverId ?? ''}`;

/**
 * Runs stored commands (30-agent.md, section 14): one at a time for each connection and server, in the order in which
 * they were stored, again after temporary errors, and after a restart.
 */
export class CommandWorkers {
  readonly #ctx: AgentContext;
  readonly #running = new Map<string, Promise<void>>();
  readonly #again = new Set<string>();
  #ready = false;

  constructor(ctx: AgentContext) {
    this.#ctx = ctx;
  }

  async start(): Promise<void> {
    await this.#ctx.store.transaction(async (tx) => {
      await forgetLostSwitches(tx);
      const keys = await commandKeys(tx);
      tx.onCommit(() => {
        this.#ready = true;
        for (const key of keys) this.#wake(key);
      });
    });
  }

  /** Stores a command; it starts with the commit. A connection that is gone meanwhile is not an error. */
  async enqueue(tx: Tx, key: CommandKey, corrId: string, command: Command): Promise<void> {
    if ((await findConn(this.#ctx, tx, key.connId)) === undefined) return;
    await insertCommand(tx, key, corrId, command, this.#ctx.clock.now());
    tx.onCommit(() => this.#wake(key));
  }

  #wake(key: CommandKey): void {
    if (!this.#ready) return;
    const text = keyText(key);
    if (this.#running.has(text)) {
      this.#again.add(text);
      return;
    }
    const run = this.#run(key)
      .catch((error: unknown) => this.#ctx.logger.error(errorFields(error), 'a command worker failed'))
      .finally(() => {
        this.#running.delete(text);
        if (this.#again.delete(text)) this.#wake(key);
      });
    this.#running.set(text, run);
  }

  async stop(): Promise<void> {
    this.#ready = false;
    await Promise.all(this.#running.values());
  }

  async #run(key: CommandKey): Promise<void> {
    while (this.#ready && !this.#ctx.operations.isClosed) {
      const row = await this.#ctx.store.read((tx) => nextCommand(tx, key));
      if (row === undefined) return;
      await this.#one(row);
    }
  }

  /** One command until it succeeded or failed for good. */
  async #one(row: CommandRow): Promise<void> {
    const ctx = this.#ctx;
    const retry = new Retry(fastRetry);
    const tried = new Set<string>();
    for (let attempt = 0; this.#ready; attempt++) {
      try {
        const finish = await ctx.locks.run(row.connId, async () => {
          const store = await execute(ctx, row, tried, attempt);
          await transaction(ctx, `command-${row.command.tag}`, async (tx) => {
            await deleteCommand(tx, row.id);
            await store(tx);
          });
          return true;
        });
        if (finish) return;
      } catch (error) {
        if (!this.#ready || ctx.operations.isClosed) return;
        if (error instanceof MoveToServer) {
          const key = { connId: row.connId, serverId: error.serverId };
          await transaction(ctx, 'move-command', async (tx) => {
            await moveCommand(tx, row.id, error.serverId);
            tx.onCommit(() => this.#wake(key));
          });
          return;
        }
        if (error instanceof TryLater) {
          await ctx.operations.sleep(error.delay);
          continue;
        }
        const failed = toAgentError(error);
        if (!isTemporaryOrHostError(failed.json)) {
          await this.#failed(row, failed.json);
          return;
        }
        await ctx.operations.sleep(retry.advance());
      }
    }
  }

  async #failed(row: CommandRow, error: ReturnType<typeof toAgentError>['json']): Promise<void> {
    const ctx = this.#ctx;
    const { connId, corrId } = row;
    await transaction(ctx, 'command-failed', async (tx) => {
      await deleteCommand(tx, row.id);
      const conn = await findConn(ctx, tx, connId);
      if (conn === undefined || conn.deleted) return;
      await onCommandFailed(ctx, tx, row);
      await raise(ctx, tx, { type: 'ERR', connId, ...(corrId === '' ? {} : { corrId }), error });
    });
  }

  /** For tests: nothing runs. */
  get idle(): boolean {
    return this.#running.size === 0;
  }

  /** Whether something runs for a connection. */
  isBusy(connId: ConnId): boolean {
    for (const key of this.#running.keys()) if (key.startsWith(`${connId} `)) return true;
    return false;
  }
}
