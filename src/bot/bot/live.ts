import type { Clock } from '../../core/index.js';
import { BotError } from '../errors.js';
import type { Message } from './message.js';

export type LiveClock = Pick<Clock, 'monotonic' | 'sleep'>;

interface LiveMessageOptions {
  readonly clock: LiveClock;
  readonly send: (text: string) => Promise<Message>;
  readonly intervalMs?: number;
}

/** A message that others see growing, as if it were being typed. Ends with {@link finish}. */
export class LiveMessage {
  readonly #o: LiveMessageOptions;
  readonly #stop = new AbortController();
  #text = '';
  #shown: string | undefined;
  #message: Message | undefined;
  #loop: Promise<void> | undefined;
  #failed: { readonly error: unknown } | undefined;
  #finished = false;

  /** @internal */
  constructor(options: LiveMessageOptions) {
    this.#o = options;
  }

  /** The whole text so far. */
  get text(): string {
    return this.#text;
  }

  /** Adds to the text. What comes quickly is shown together. */
  append(text: string): void {
    this.update(this.#text + text);
  }

  /** Replaces the text. */
  update(text: string): void {
    if (this.#finished) throw new BotError('LIVE_FINISHED', 'the live message is finished');
    this.#text = text;
    if (text !== '') this.#loop ??= this.#show();
  }

  /**
   * Shows the rest, or `text`, and ends: the message is an ordinary one then.
   * @throws ChatApiError of whatever could not be shown; BotError `LIVE_EMPTY` when there is no text at all
   */
  async finish(text?: string): Promise<Message> {
    if (text !== undefined) this.update(text);
    this.#finished = true;
    this.#stop.abort();
    await this.#loop;
    if (this.#failed !== undefined) throw this.#failed.error;
    if (this.#message === undefined) throw new BotError('LIVE_EMPTY', 'a live message needs a text');
    await this.#message.edit(this.#text);
    return this.#message;
  }

  /** Sends the first text, then changes the message while the text changes, with a pause after each change. */
  async #show(): Promise<void> {
    try {
      // Text that comes in the same moment goes with the first one.
      await Promise.resolve();
      while (this.#text !== this.#shown && (this.#message === undefined || !this.#finished)) {
        const text = this.#text;
        if (this.#message === undefined) this.#message = await this.#o.send(text);
        else await this.#message.edit(text, { live: true });
        this.#shown = text;
        await this.#o.clock.sleep(this.#o.intervalMs ?? 1000, this.#stop.signal).catch(() => {});
      }
    } catch (error) {
      this.#failed = { error };
    } finally {
      if (this.#failed === undefined) this.#loop = undefined;
    }
  }
}
