import { type Clock, errorFields, type KeyedMutex, type Logger, type RandomSource } from '../core/index.js';
import type { KemPool, RatchetKeys } from '../crypto/index.js';
import { type Store, StoreError, type Tx } from '../store/index.js';
import { base64urlUnpadded } from '../wire/index.js';
import type { CommandWorkers } from './commands/worker.js';
import { AgentError, type AgentErrorJson, internalError } from './errors.js';
import type { SmpNetwork } from './network/network.js';
import type { Operations } from './operations.js';
import type { ReceiptSender } from './receiving/receipt-sender.js';
import type { ServerRows } from './rows/servers.js';
import type { DeliveryWorkers } from './sending/workers.js';
import type { UserServerList } from './servers/users.js';
import type { ConnCache } from './state/cache.js';
import type { Subscriptions } from './subscriptions/subscriptions.js';
import type { AgentEvent, AgentHandler, ConnId, EventResult } from './types.js';

/** A point where a test may kill the process: the name of a transaction, before and after its commit. */
export type FaultPoint = `${string}:before` | `${string}:after`;

/** All that the parts of one agent share. Functions take it as their first parameter. */
export interface AgentContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly handler: AgentHandler;
  readonly kem: KemPool;
  readonly ratchetKeys: RatchetKeys;
  readonly network: SmpNetwork;
  readonly cache: ConnCache;
  readonly servers: ServerRows;
  readonly users: UserServerList;
  /** One holder per connection for what spans the network; joins also lock the text of their link. */
  readonly locks: KeyedMutex<string>;
  readonly operations: Operations;
  readonly deliveries: DeliveryWorkers;
  readonly receipts: ReceiptSender;
  readonly commands: CommandWorkers;
  readonly subscriptions: Subscriptions;
  readonly faults: ((point: FaultPoint) => void) | undefined;
}

/**
 * A named transaction of the agent: `faults` can stop the process right before and right after its commit. `kind`:
 * what may happen again after a loss of power need only be {@link Store.written}.
 */
export async function transaction<T>(
  ctx: AgentContext,
  name: string,
  body: (tx: Tx) => Promise<T>,
  kind: 'transaction' | 'written' = 'transaction',
): Promise<T> {
  const { faults } = ctx;
  if (faults === undefined) return ctx.store[kind](body);
  const value = await ctx.store[kind](async (tx) => {
    const result = await body(tx);
    faults(`${name}:before`);
    return result;
  });
  faults(`${name}:after`);
  return value;
}

/**
 * Gives an event to the layer above, inside the transaction. What a failing handler wrote is undone; connections
 * that were loaded before the call must be loaded again after it.
 */
export async function raise(ctx: AgentContext, tx: Tx, event: AgentEvent): Promise<EventResult | undefined> {
  try {
    return await tx.savepoint(() => ctx.handler.event(tx, event));
  } catch (error) {
    ctx.logger.error({ event: event.type, ...errorFields(error) }, 'the handler of an agent event failed');
    try {
      await tx.savepoint(() => ctx.handler.handlerFailed(tx, event, error));
    } catch (again) {
      ctx.logger.error({ event: event.type, ...errorFields(again) }, 'handlerFailed failed');
    }
    return undefined;
  }
}

/** Raises an event that has no transaction of its own; failures are logged, never thrown. */
export async function announce(ctx: AgentContext, event: AgentEvent): Promise<void> {
  try {
    await ctx.store.transaction(async (tx) => {
      await raise(ctx, tx, event);
    });
  } catch (error) {
    ctx.logger.error({ event: event.type, ...errorFields(error) }, 'an agent event was lost');
  }
}

/** Anything that was thrown as an agent error; foreign errors become `INTERNAL`. */
export function toAgentError(error: unknown): AgentError {
  if (error instanceof AgentError) return error;
  // The database, not what was asked of it: workers try again, a restart may help (section 16.2).
  if (error instanceof StoreError) {
    return new AgentError({ type: 'CRITICAL', offerRestart: true, criticalErr: error.message }, { cause: error });
  }
  return internalError(error instanceof Error ? error.message : String(error), error);
}

/** What was thrown, as events show it; see {@link toAgentError}. */
export function errorJson(error: unknown): AgentErrorJson {
  return toAgentError(error).json;
}

/** A fresh connection, confirmation or invitation id: 12 random bytes as 16 characters. */
export function newId(ctx: Pick<AgentContext, 'random'>): ConnId {
  return base64urlUnpadded(ctx.random.bytes(12));
}
