import type { ApiResponse, CommandOf, CommandTag, User } from '../../api/index.js';
import type { ChatContext } from './context.js';
import { chatFailure, commandFailure } from './errors.js';

/**
 * What a command needs before it runs (70-bot-api.md, section 6.2), and what runs. Handlers open their own
 * transactions and throw `ChatException`s.
 */
export type CommandHandler<T extends CommandTag> =
  | { readonly needs: 'nothing'; run(ctx: ChatContext, command: CommandOf<T>): Promise<ApiResponse> }
  | { readonly needs: 'started'; run(ctx: ChatContext, command: CommandOf<T>): Promise<ApiResponse> }
  | { readonly needs: 'user'; run(ctx: ChatContext, command: CommandOf<T>, user: User): Promise<ApiResponse> }
  | { readonly needs: 'all'; run(ctx: ChatContext, command: CommandOf<T>, user: User): Promise<ApiResponse> };

/** The commands of a capability, by tag. */
export type CommandTable = { readonly [T in CommandTag]?: CommandHandler<T> };

type Run<T extends CommandTag> = (ctx: ChatContext, command: CommandOf<T>) => Promise<ApiResponse>;
type UserRun<T extends CommandTag> = (ctx: ChatContext, command: CommandOf<T>, user: User) => Promise<ApiResponse>;

/** A command that needs neither user nor started engine. */
export function anytime<T extends CommandTag>(run: Run<T>): CommandHandler<T> {
  return { needs: 'nothing', run };
}

/** A command that needs the started engine only. */
export function whenStarted<T extends CommandTag>(run: Run<T>): CommandHandler<T> {
  return { needs: 'started', run };
}

/** A command that needs an active user, started or not. */
export function forUser<T extends CommandTag>(run: UserRun<T>): CommandHandler<T> {
  return { needs: 'user', run };
}

/** A command that needs an active user and the started engine: nearly all. */
export function whenRunning<T extends CommandTag>(run: UserRun<T>): CommandHandler<T> {
  return { needs: 'all', run };
}

/** The user id of a command is the active one: `differentActiveUser`. */
export function checkActiveUser(user: User, userId: number): void {
  if (user.userId !== userId) {
    throw chatFailure({ type: 'differentActiveUser', commandUserId: userId, activeUserId: user.userId });
  }
}

/** The answer to a command that has none of its own, run for a user. */
export function ok(user: User): ApiResponse {
  return { type: 'cmdOk', user_: user };
}

/** The answer to a command of the process. */
export const okProcess: ApiResponse = { type: 'cmdOk' };

/** Checks what a command needs, then runs it. The table's type says that the handler takes the command of its key. */
export async function runCommand<T extends CommandTag>(
  table: CommandTable,
  ctx: ChatContext,
  command: CommandOf<T>,
): Promise<ApiResponse> {
  const handler: CommandHandler<T> | undefined = table[command.tag] as CommandHandler<T> | undefined;
  if (handler === undefined) throw commandFailure('not supported');
  if (handler.needs === 'nothing') return handler.run(ctx, command);
  if (handler.needs === 'started') {
    checkStarted(ctx);
    return handler.run(ctx, command);
  }
  const user = ctx.users.active();
  if (user === undefined) throw chatFailure({ type: 'noActiveUser' });
  if (handler.needs === 'all') checkStarted(ctx);
  return handler.run(ctx, command, user);
}

function checkStarted(ctx: ChatContext): void {
  if (!ctx.state.started) throw chatFailure({ type: 'chatNotStarted' });
}

/** Joins the tables of all capabilities; the same tag twice is a mistake of the program. */
export function mergeCommands(tables: readonly CommandTable[]): CommandTable {
  const merged: Record<string, unknown> = {};
  for (const table of tables) {
    for (const [tag, handler] of Object.entries(table)) {
      if (tag in merged) throw new Error(`two handlers for the command ${tag}`);
      merged[tag] = handler;
    }
  }
  return merged as CommandTable;
}
