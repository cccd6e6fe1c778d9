/** Options of a {@link FanionError}: the error that caused it and facts that help to act on it. No secrets. */
export interface FanionErrorOptions {
  readonly cause?: unknown;
  readonly details?: Readonly<Record<string, string | number | boolean>>;
}

/**
 * The base of every error that Fanion throws on purpose. `code` is stable and made for programs
 * (`SMP_TIMEOUT`, `DECODE`, ...); the message is made for people and never holds keys, names or texts.
 */
export class FanionError extends Error {
  readonly code: string;
  readonly details: Readonly<Record<string, string | number | boolean>>;

  constructor(code: string, message: string, options: FanionErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** The message of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
