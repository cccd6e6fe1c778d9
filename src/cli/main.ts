#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { errorMessage } from '../core/index.js';
import { keyCommand } from './key.js';
import { relayCommand } from './relay.js';
import { serveCommand } from './serve.js';
import { chatCommand } from './terminal.js';

/** Each subcommand is made by one file; new ones are added to this list. */
const subcommands: readonly (() => Command)[] = [serveCommand, chatCommand, relayCommand, keyCommand];

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
for (const make of subcommands) program.addCommand(make().version(version(), '-v, --version'));

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`fanion: ${errorMessage(error)}\n`);
  process.exitCode = 1;
});
