import { errorFields, type Timer } from '../../core/index.js';
import type { Tx } from '../../store/index.js';
import { findItem } from '../items/queries.js';
import type { Capability, CleanupJob, TimedDelete } from './capability.js';
import type { ChatContext, TimedItems } from './context.js';

const firstRunMs = 30_000;
const intervalMs = 30 * 60_000;
const messagesKeptMs = 30 * 24 * 3600_000;
const probesKeptMs = 14 * 24 * 3600_000;

/** Deletes items when their time has come (50, section 5.8): those of the next half hour have a timer. */
export class TimedItemScheduler implements TimedItems {
  readonly #ctx: () => ChatContext;
  readonly #direct: TimedDelete | undefined;
  readonly #group: TimedDelete | undefined;
  readonly #local: TimedDelete | undefined;
  readonly #timers = new Map<number, Timer>();
  #running = false;

  constructor(capabilities: readonly Capability[], ctx: () => ChatContext) {
    this.#ctx = ctx;
    const found = (kind: 'direct' | 'group' | 'local') =>
      capabilities.map((c) => c.timedDelete?.[kind]).find((f) => f !== undefined);
    this.#direct = found('direct');
    this.#group = found('group');
    this.#local = found('local');
  }

  start(): void {
    this.#running = true;
  }

  stop(): void {
    this.#running = false;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  schedule(tx: Tx, itemId: number, deleteAt: number): void {
    tx.onCommit(() => this.#arm(itemId, deleteAt));
  }

  #arm(itemId: number, deleteAt: number): void {
    const { clock } = this.#ctx();
    const left = deleteAt - clock.now();
    if (!this.#running || left > intervalMs) return;
    this.#timers.get(itemId)?.cancel();
    this.#timers.set(
      itemId,
      clock.after(left, () => {
        this.#timers.delete(itemId);
        this.#ctx().background('timed item', () => this.#fire(itemId));
      }),
    );
  }

  async #fire(itemId: number): Promise<void> {
    const ctx = this.#ctx();
    await ctx.store.transaction(async (tx) => {
      const row = await findItem(tx, itemId);
      if (row === undefined || row.timed_delete_at === null) return;
      if (row.timed_delete_at > ctx.clock.now()) {
        this.schedule(tx, itemId, row.timed_delete_at);
        return;
      }
      const user = ctx.users.get(row.user_id);
      const remove = row.contact_id !== null ? this.#direct : row.group_id !== null ? this.#group : this.#local;
      if (user !== undefined) await remove?.(ctx, tx, user, row);
    });
  }

  /** Gives a timer to all items that fall due before the next run. */
  async refresh(): Promise<void> {
    const ctx = this.#ctx();
    const until = ctx.clock.now() + intervalMs;
    const rows = await ctx.store.read((tx) =>
      tx.db
        .selectFrom('chat_items')
        .select(['chat_item_id', 'timed_delete_at'])
        .where('timed_delete_at', 'is not', null)
        .where('timed_delete_at', '<=', until)
        .execute(),
    );
    for (const row of rows) if (row.timed_delete_at !== null) this.#arm(row.chat_item_id, row.timed_delete_at);
  }
}

const oldRecords: CleanupJob = {
  name: 'old records',
  async run(ctx) {
    const now = ctx.clock.now();
    await ctx.store.transaction(async (tx) => {
      await tx.db
        .deleteFrom('messages')
        .where('created_at', '<', now - messagesKeptMs)
        .execute();
      await tx.db
        .deleteFrom('sent_probes')
        .where('created_at', '<', now - probesKeptMs)
        .execute();
      await tx.db
        .deleteFrom('received_probes')
        .where('created_at', '<', now - probesKeptMs)
        .execute();
    });
  },
};

/** Periodic work (50, section 5.9). */
export class Jobs {
  readonly #ctx: () => ChatContext;
  readonly #timed: TimedItemScheduler;
  readonly #jobs: readonly CleanupJob[];
  #timer: Timer | undefined;

  constructor(capabilities: readonly Capability[], timed: TimedItemScheduler, ctx: () => ChatContext) {
    this.#ctx = ctx;
    this.#timed = timed;
    this.#jobs = [oldRecords, ...capabilities.flatMap((c) => c.cleanup ?? [])];
  }

  async start(): Promise<void> {
    this.#timed.start();
    await this.#timed.refresh();
    this.#plan(firstRunMs);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timed.stop();
  }

  #plan(ms: number): void {
    this.#timer = this.#ctx().clock.after(
      ms,
      () => {
        this.#ctx().background('cleanup', () => this.#run());
        this.#plan(intervalMs);
      },
      { unref: true },
    );
  }

  async #run(): Promise<void> {
    await this.#timed.refresh();
    for (const job of this.#jobs) {
      try {
        await job.run(this.#ctx());
      } catch (error) {
        this.#ctx().logger.warn({ job: job.name, ...errorFields(error) }, 'a periodic job failed');
      }
    }
  }
}
