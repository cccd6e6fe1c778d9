#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { errorMessage } from '../core/index.js';

/**
 * Each subcommand is made by one file; new ones are added to this list. A file is loaded when its subcommand is asked
 * for: a relay needs nothing of the chat engine.
 */
const subcommands: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.js')).serveCommand(),
  chat: async () => (await import('./terminal.js')).chatCommand(),
  relay: async () => (await import('./relay.js')).relayCommand(),
  key: async () => (await import('./key.js')).keyCommand(),
};

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version }: { version?: unknown } = JSON.parse(text);
  return typeof version === 'string' ? version : 'unknown';
}

const program = new Command('fanion')
  .description('SimpleX Chat engine, relays and bots')
  .version(version(), '-v, --version')
  // Subcommands of subcommands have options of the same names as their parents.
  .enablePositionalOptions()
  .showHelpAfterError();
const asked = Object.entries(subcommands).filter(([name]) => name === process.argv[2]);
for (const [, make] of asked.length > 0 ? asked : Object.entries(subcommands)) {
  program.addCommand((await make()).version(version(), '-v, --version'));
}

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`fanion: ${errorMessage(error)}\n`);
  process.exitCode = 1;
});
