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

/** Kinds of chats that commands name. */
export type CommandChatType = 'direct' | 'group' | 'local' | 'contactConnection';

/**
 * Commands of all capabilities. A command that names a chat (`chatRef`, `sendRef`, `chatName`) is first looked up among
 * those for this kind of chat, so that each kind has its own entry.
 */
export interface Commands {
  readonly general: CommandTable;
  readonly byChatType: Readonly<Record<CommandChatType, CommandTable>>;
}

/** What a capability contributes to {@link Commands}. */
export interface CommandSource {
  readonly commands?: CommandTable;
  readonly byChatType?: Readonly<Partial<Record<CommandChatType, CommandTable>>>;
}

function chatTypeOf(command: object): CommandChatType | undefined {
  const ref: unknown =
    'chatRef' in command
      ? command.chatRef
      : 'sendRef' in command
        ? command.sendRef
        : 'chatName' in command
          ? command.chatName
          : undefined;
  if (typeof ref !== 'object' || ref === null || !('chatType' in ref)) return undefined;
  const type = ref.chatType;
  return type === 'direct' || type === 'group' || type === 'local' || type === 'contactConnection' ? type : undefined;
}

/** Checks what a command needs, then runs it. The table's type says that the handler takes the command of its key. */
export async function runCommand<T extends CommandTag>(
  commands: Commands,
  ctx: ChatContext,
  command: CommandOf<T>,
): Promise<ApiResponse> {
  const chatType = chatTypeOf(command);
  const own = chatType === undefined ? undefined : commands.byChatType[chatType][command.tag];
  const handler = (own ?? commands.general[command.tag]) as CommandHandler<T> | undefined;
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

function merge(tables: readonly (CommandTable | undefined)[]): CommandTable {
  const merged: Record<string, unknown> = {};
  for (const table of tables) {
    for (const [tag, handler] of Object.entries(table ?? {})) {
      if (tag in merged) throw new Error(`two handlers for the command ${tag}`);
      merged[tag] = handler;
    }
  }
  return merged as CommandTable;
}

/** Joins the tables of all capabilities; the same tag twice is a mistake of the program. */
export function mergeCommands(sources: readonly CommandSource[]): Commands {
  const of = (type: CommandChatType): CommandTable => merge(sources.map((s) => s.byChatType?.[type]));
  return {
    general: merge(sources.map((s) => s.commands)),
    byChatType: {
      direct: of('direct'),
      group: of('group'),
      local: of('local'),
      contactConnection: of('contactConnection'),
    },
  };
}
