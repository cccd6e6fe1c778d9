import { FanionError } from './errors.js';

/**
 * What a room may log to. Pino's loggers satisfy it. Fields never hold keys, queue ids, addresses of
 * peers, names or texts.
 */
export interface Logger {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

const nothing = (): void => {};

/** Says nothing. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** Messages of these are made by the runtime about the program, not about data; those with a `code` quote values. */
const programErrors = [TypeError, RangeError, ReferenceError];

function logged(error: unknown): string {
  if (error instanceof FanionError) return `${error.code}: ${error.message}`;
  if (!(error instanceof Error)) return `thrown: ${typeof error}`;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  if (code !== undefined) return `${error.name} ${code}`;
  return programErrors.some((type) => error instanceof type) ? `${error.name}: ${error.message}` : error.name;
}

/** The frames of a stack without its first lines, which repeat the message. */
function frames(error: unknown): string | undefined {
  const lines = error instanceof Error ? error.stack?.split('\n').filter((line) => /^\s+at /.test(line)) : undefined;
  return lines?.slice(0, 8).join('\n');
}

/**
 * What a log may say about anything that was thrown; never give the error itself to a logger. Errors carry what logs
 * must not hold: those of the API contacts and texts, those of the agent addresses of relays, those of databases
 * values (`Key (name)=(alice) exists`), those of sockets and files hosts and paths, those of JSON the text. Messages
 * are therefore only taken from a {@link FanionError}; of others the name, the code and the place are told.
 */
export function errorFields(error: unknown): {
  readonly error: string;
  readonly cause?: string;
  readonly at?: string;
} {
  const cause = error instanceof Error && error.cause !== undefined ? { cause: logged(error.cause) } : {};
  const at = error instanceof FanionError ? undefined : frames(error);
  return { error: logged(error), ...cause, ...(at === undefined ? {} : { at }) };
}
