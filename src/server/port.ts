import type { ApiEvent, ApiResponse } from '../api/index.js';

/**
 * What the server needs of an engine; `ChatEngine` of src/chat satisfies it. The server knows nothing of chats: it carries
 * command strings in and JSON out.
 */
export interface BotApiEngine {
  /** One client: its commands keep their order where order matters. */
  session(): ClientSession;
  readonly events: EventSource;
}

/** The commands of one client, which the engine keeps in order where it matters (70-bot-api.md 1.4). */
export interface ClientSession {
  /** Answers one command; failures are answers too (`chatCmdError`). */
  execute(command: string): Promise<ApiResponse>;
}

/** An event as the log keeps it. `seq` is absent for progress events, which are only sent live. */
export interface SourceEvent {
  readonly seq: number | undefined;
  readonly event: ApiEvent;
  /** The JSON of `event`. */
  readonly json: string;
}

/** The event log (70-bot-api.md 1.5). Numbers grow; listeners are called in their order, after the commit. */
export interface EventSource {
  /** `listener` gets every event from now on; the result stops it. */
  listen(listener: (event: SourceEvent) => void): () => void;
  /** At most `limit` events after number `seq`, oldest first. */
  since(seq: number, limit: number): Promise<readonly { readonly seq: number; readonly json: string }[]>;
  /** Numbers of the oldest kept and of the last event; both 0 when the log is empty. */
  range(): Promise<{ readonly oldest: number; readonly last: number }>;
  /** The number of the last event that some client has received. */
  readonly delivered: number;
  /** Some client has received all events up to `seq`. */
  markDelivered(seq: number): void;
}
