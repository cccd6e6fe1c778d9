import { errorMessage, type Logger } from '../../core/index.js';

/** Warnings and errors as lines on the standard error output. */
export const consoleLogger: Logger = {
  debug() {},
  info() {},
  warn: (fields, message) => print('warning', fields, message),
  error: (fields, message) => print('error', fields, message),
};

function print(level: string, fields: Readonly<Record<string, unknown>>, message: string): void {
  const details = Object.entries(fields).map(([k, v]) => ` ${k}=${v instanceof Error ? errorMessage(v) : String(v)}`);
  process.stderr.write(`${level}: ${message}${details.join('')}\n`);
}
