import { errorFields, type Timer } from '../../core/index.js';
import { type AgentContext, transaction } from '../context.js';
import type { Deletion } from './deletion.js';
import { finishUser } from './deletion.js';

const first = 30_000;
const interval = 30 * 60_000;
/** Between two steps, so that other work is not held up. */
const pause = 200;
const batch = 10_000;
/** How long data of messages is kept: 21 days. */
export const messageTtl = 21 * 86_400_000;

/** Deletes what is old (30-agent.md, section 3.6). */
export class Cleanup {
  readonly #ctx: AgentContext;
  readonly #deletion: Deletion;
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(ctx: AgentContext, deletion: Deletion) {
    this.#ctx = ctx;
    this.#deletion = deletion;
  }

  start(): void {
    this.#stopped = false;
    this.#schedule(first);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  #schedule(ms: number): void {
    this.#timer = this.#ctx.clock.after(
      ms,
      () => {
        this.#running = this.run()
          .catch((error: unknown) => this.#ctx.logger.error(errorFields(error), 'the clean-up failed'))
          .finally(() => {
            if (!this.#stopped) this.#schedule(interval);
          });
      },
      { unref: true },
    );
  }

  /** One round. */
  async run(): Promise<void> {
    const ctx = this.#ctx;
    this.#deletion.retry();
    const before = ctx.clock.now() - messageTtl;
    await this.#repeat(
      `DELETE FROM agent_msg_hashes WHERE (conn_id, hash) IN
         (SELECT conn_id, hash FROM agent_msg_hashes WHERE created_at < ? LIMIT ${batch})`,
      before,
    );
    await this.#repeat(
      `DELETE FROM agent_snd_messages WHERE (conn_id, internal_id) IN
         (SELECT m.conn_id, m.internal_id FROM agent_snd_messages m
          WHERE m.created_at < ? AND NOT EXISTS
            (SELECT 1 FROM agent_snd_deliveries d JOIN agent_snd_queues q ON q.id = d.snd_queue_id
             WHERE q.conn_id = m.conn_id AND d.internal_id = m.internal_id AND d.failed = 0)
          LIMIT ${batch})`,
      before,
    );
    await this.#repeat(
      `DELETE FROM agent_snd_deliveries WHERE failed = 1 AND NOT EXISTS
         (SELECT 1 FROM agent_snd_messages m
          WHERE m.conn_id = agent_snd_deliveries.conn_id AND m.internal_id = agent_snd_deliveries.internal_id)`,
    );
    // Bodies have no foreign key: those of a user that was deleted as a whole are left.
    await this.#repeat(
      `DELETE FROM agent_snd_bodies WHERE id IN
         (SELECT b.id FROM agent_snd_bodies b
          WHERE NOT EXISTS (SELECT 1 FROM agent_snd_messages m WHERE m.body_id = b.id) LIMIT ${batch})`,
    );
    await this.#repeat('DELETE FROM agent_ratchet_key_hashes WHERE created_at < ?', before);
    await transaction(ctx, 'cleanup-users', async (tx) => {
      const users = await tx.db.selectFrom('agent_users').select('id').where('deleted', '=', 1).execute();
      for (const { id } of users) await finishUser(ctx, tx, id);
    });
  }

  async #repeat(sql: string, ...params: readonly number[]): Promise<void> {
    for (;;) {
      const { changes } = await transaction(this.#ctx, 'cleanup', (tx) => tx.execute(sql, params));
      if (changes < batch || this.#stopped) return;
      await this.#ctx.operations.sleep(pause);
    }
  }
}
