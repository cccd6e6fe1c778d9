import type { ApiEvent, ApiResponse } from '../../api/index.js';
import type { StateStore } from '../state/types.js';

/** An event as it comes from the engine. Progress events and events of servers without an event log have no number. */
export interface TransportEvent {
  readonly seq: number | undefined;
  readonly event: ApiEvent;
}

/** What a transport is told when it connects. */
export interface ConnectOptions {
  /** The number of the last event that was dealt with; `undefined`: begin with what no client has received yet. */
  readonly after: number | undefined;
  /** Gets every event, in order; the transport may wait for the promise before it gives the next. */
  readonly onEvent: (event: TransportEvent) => void | Promise<void>;
}

/** The way to a chat engine: in this process, or over WebSocket. */
export interface Transport {
  readonly kind: string;
  /** Where a bot keeps what it must remember, such as the number of the last event; opened by {@link open}. */
  readonly state: StateStore;
  /**
   * Where the state of conversations goes: `state` next to the rest, or `customData` of contacts and groups, which is kept
   * by the engine.
   */
  readonly sessions: 'state' | 'customData';
  /** Opens what has to be open before {@link connect}: the database, the state. */
  open(): Promise<void>;
  /** From now on commands work and events come. */
  connect(options: ConnectOptions): Promise<void>;
  /** Answers one command; errors of the engine are answers too. Rejects with a BotError when there is no answer. */
  execute(command: string): Promise<ApiResponse>;
  /** Resolves when commands can be executed; rejects when they never will. */
  ready(): Promise<void>;
  /** Every event up to `seq` was dealt with. */
  handled(seq: number): void;
  close(): Promise<void>;
}
