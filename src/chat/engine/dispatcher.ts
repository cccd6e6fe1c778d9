import { AgentError, type AgentEvent, type AgentHandler, type EventResult } from '../../agent/index.js';
import type { ConnType } from '../../api/index.js';
import { errorFields } from '../../core/index.js';
import type { Tx } from '../../store/index.js';
import { takeAsyncCommand } from '../connections/async.js';
import { connectionByAgentId } from '../connections/queries.js';
import { type ConnectionRow, connTypeOf } from '../connections/view.js';
import type {
  AsyncReplies,
  Capability,
  ConnectionEvent,
  ConnectionEventType,
  ConnectionHandler,
  ConnectionHandlers,
  OtherEvent,
  OtherHandlers,
} from './capability.js';
import type { ChatContext } from './context.js';
import { toChatError } from './errors.js';

/** Joins handler tables; a capability may not handle what another one does. */
export function mergeTables<T extends object>(tables: readonly (T | undefined)[]): T {
  const merged: Record<string, unknown> = {};
  for (const table of tables) {
    for (const [key, handler] of Object.entries(table ?? {})) {
      if (key in merged) throw new Error(`two handlers for ${key}`);
      merged[key] = handler;
    }
  }
  return merged as T;
}

/** The engine as the agent sees it: finds user and connection of an event and hands it to its capability. */
export class AgentDispatcher implements AgentHandler {
  readonly #ctx: () => ChatContext;
  readonly #byType: Readonly<Partial<Record<ConnType, ConnectionHandlers>>>;
  readonly #other: OtherHandlers;
  readonly #replies: AsyncReplies;

  constructor(capabilities: readonly Capability[], ctx: () => ChatContext) {
    this.#ctx = ctx;
    this.#byType = {
      contact: mergeTables(capabilities.map((c) => c.contactEvents)),
      member: mergeTables(capabilities.map((c) => c.memberEvents)),
      user_contact: mergeTables(capabilities.map((c) => c.addressEvents)),
    };
    this.#other = mergeTables(capabilities.map((c) => c.otherEvents));
    this.#replies = mergeTables(capabilities.map((c) => c.asyncReplies));
  }

  async event(tx: Tx, event: AgentEvent): Promise<EventResult | undefined> {
    if (!('connId' in event) || event.connId === undefined) {
      await this.#otherEvent(tx, event as OtherEvent);
      return undefined;
    }
    // The compiler keeps the variant of ERR without connection, which the line above has left out.
    return this.#connectionEvent(tx, event as ConnectionEvent);
  }

  async #connectionEvent(tx: Tx, event: ConnectionEvent): Promise<EventResult | undefined> {
    const ctx = this.#ctx();
    const connection = await connectionByAgentId(tx, event.connId);
    // Late events of what has been deleted mean nothing.
    if (connection === undefined) return undefined;
    const user = ctx.users.get(connection.user_id);
    if (user === undefined) return undefined;
    if ('corrId' in event && event.corrId !== undefined) {
      await this.#asyncReply(ctx, tx, connection, event);
      return undefined;
    }
    const handlers = this.#byType[connTypeOf(connection)];
    const handler = handlers?.[event.type] as ConnectionHandler<ConnectionEventType> | undefined;
    return (await handler?.(ctx, tx, { user, connection, event })) ?? undefined;
  }

  async #asyncReply(
    ctx: ChatContext,
    tx: Tx,
    connection: ConnectionRow,
    event: Extract<ConnectionEvent, { readonly corrId?: string }>,
  ): Promise<void> {
    const user = ctx.users.get(connection.user_id);
    const command = await takeAsyncCommand(tx, event.corrId ?? '', connection.connection_id);
    if (user === undefined || command === undefined) return;
    if (event.type === 'ERR') {
      await ctx.emit(tx, {
        type: 'chatError',
        chatError: toChatError(new AgentError(event.error)),
      });
    }
    const handler = this.#replies[command.command_function];
    await handler?.(ctx, tx, { user, connection, event, data: command.data ?? undefined });
  }

  async #otherEvent(tx: Tx, event: OtherEvent): Promise<void> {
    const handler = this.#other[event.type] as
      | ((ctx: ChatContext, tx: Tx, event: OtherEvent) => Promise<void>)
      | undefined;
    await handler?.(this.#ctx(), tx, event);
  }

  async handlerFailed(tx: Tx, event: AgentEvent, error: unknown): Promise<void> {
    const ctx = this.#ctx();
    ctx.logger.warn({ event: event.type, ...errorFields(error) }, 'an agent event could not be processed');
    await ctx.emit(tx, { type: 'chatError', chatError: toChatError(error) });
  }
}
