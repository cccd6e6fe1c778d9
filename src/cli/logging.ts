import pino from 'pino';
import type { Logger } from '../core/index.js';
import type { EngineFlags } from './options.js';

const levels = { debug: 'debug', info: 'info', warn: 'warn', error: 'error', important: 'error' } as const;

/** The logger of a program: structured, on standard error or in a file; standard output is for people. */
export function programLogger(name: string, flags: Pick<EngineFlags, 'logLevel' | 'logFile'>): Logger {
  return pino(
    { name, level: levels[flags.logLevel] },
    pino.destination(flags.logFile === undefined ? { dest: 2, sync: true } : { dest: flags.logFile, mkdir: true }),
  );
}
