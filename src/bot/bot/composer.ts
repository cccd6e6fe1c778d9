import type { ChatBotCommand } from '../../api/index.js';
import { compose, type Middleware } from './compose.js';
import type { BotCommand } from './content.js';
import { type Context, MessageContext } from './context.js';
import { type Filter, type FilterContext, matches } from './filters.js';

/** A command in the menu of the bot. */
export interface CommandMenuEntry {
  /** What people see: `Square a number`. */
  readonly label: string;
  /** An example of parameters: `<number>`. */
  readonly params?: string;
}

/** The context of a command. */
export type CommandContext<S> = MessageContext<S> & { readonly command: BotCommand };

/** The context of a message that matched a regular expression. */
export type HearsContext<S> = MessageContext<S> & { readonly match: RegExpExecArray };

/** Registers handlers. They run in the order of registration, until one deals with the event without calling `next`. */
export class Composer<S = undefined> {
  readonly #handlers: Middleware<Context<S>>[] = [];
  readonly #menu: ChatBotCommand[] = [];

  /** Handlers for every event. */
  use(...handlers: Middleware<Context<S>>[]): this {
    this.#handlers.push(...handlers);
    return this;
  }

  /** Handlers for messages of a kind (`message:text`), named events (`contact:connected`) or tags of the API. */
  on<F extends Filter>(filter: F | readonly F[], ...handlers: Middleware<FilterContext<S, F>>[]): this {
    const filters: readonly F[] = typeof filter === 'string' ? [filter] : filter;
    const all = compose(handlers);
    return this.use((ctx, next) =>
      filters.some((f) => matches(f, ctx.event)) ? all(narrowed<FilterContext<S, F>>(ctx), next) : next(),
    );
  }

  /** Handlers for messages that begin with `/keyword`; with a menu entry the command is shown in the bot's menu. */
  command(keyword: string | readonly string[], ...handlers: Middleware<CommandContext<S>>[]): this;
  command(
    keyword: string | readonly string[],
    menu: CommandMenuEntry,
    ...handlers: Middleware<CommandContext<S>>[]
  ): this;
  command(
    keyword: string | readonly string[],
    first?: CommandMenuEntry | Middleware<CommandContext<S>>,
    ...rest: Middleware<CommandContext<S>>[]
  ): this {
    const keywords: readonly string[] = typeof keyword === 'string' ? [keyword] : keyword;
    const handlers = typeof first === 'function' ? [first, ...rest] : rest;
    const [main] = keywords;
    if (typeof first === 'object' && main !== undefined) {
      const { label, params } = first;
      this.#menu.push({ type: 'command', keyword: main, label, ...(params === undefined ? {} : { params }) });
    }
    const all = compose(handlers);
    return this.use((ctx, next) => {
      const { command } = ctx instanceof MessageContext ? ctx : {};
      return command !== undefined && keywords.includes(command.keyword)
        ? all(narrowed<CommandContext<S>>(ctx), next)
        : next();
    });
  }

  /** Handlers for received texts: equal to a string, matching a regular expression, or chosen by a function. */
  hears(pattern: RegExp, ...handlers: Middleware<HearsContext<S>>[]): this;
  hears(
    pattern: string | RegExp | ((text: string, ctx: MessageContext<S>) => boolean | Promise<boolean>),
    ...handlers: Middleware<MessageContext<S>>[]
  ): this;
  hears(
    pattern: string | RegExp | ((text: string, ctx: MessageContext<S>) => boolean | Promise<boolean>),
    ...handlers: Middleware<HearsContext<S>>[]
  ): this {
    const all = compose(handlers);
    return this.use(async (ctx, next) => {
      if (!(ctx instanceof MessageContext)) return next();
      const message: MessageContext<S> = ctx;
      const { text } = message;
      message.match = undefined;
      let heard: boolean;
      if (typeof pattern === 'string') heard = text === pattern;
      else if (typeof pattern === 'function') heard = await pattern(text, message);
      else {
        // Without the position that sticky and global expressions keep between two texts.
        pattern.lastIndex = 0;
        message.match = pattern.exec(text) ?? undefined;
        heard = message.match !== undefined;
      }
      return heard ? all(narrowed<HearsContext<S>>(message), next) : next();
    });
  }

  /** Handlers for events that a function chooses; a type guard narrows the context. */
  filter<C extends Context<S>>(predicate: (ctx: Context<S>) => ctx is C, ...handlers: Middleware<C>[]): this;
  filter(predicate: (ctx: Context<S>) => boolean | Promise<boolean>, ...handlers: Middleware<Context<S>>[]): this;
  filter(predicate: (ctx: Context<S>) => boolean | Promise<boolean>, ...handlers: Middleware<Context<S>>[]): this {
    const all = compose(handlers);
    return this.use(async (ctx, next) => ((await predicate(ctx)) ? all(ctx, next) : next()));
  }

  /** Everything that is registered, as one handler: for composers inside of composers. */
  middleware(): Middleware<Context<S>> {
    return (ctx, next) => compose(this.#handlers)(ctx, next);
  }

  /** The commands that were registered with a menu entry. */
  get menu(): readonly ChatBotCommand[] {
    return this.#menu;
  }
}

/** The context, whose event was looked at before: it is of the narrower type. */
function narrowed<C>(ctx: unknown): C {
  return ctx as C;
}
