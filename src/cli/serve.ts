import path from 'node:path';
import { Command } from 'commander';
import { type LocalEngine, officialContactCards, openLocalEngine } from '../chat/index.js';
import { FanionError, type Logger } from '../core/index.js';
import type { EmbeddedRelays } from '../relay/index.js';
import { type ApiServer, startApiServer } from '../server/index.js';
import { programLogger } from './logging.js';
import {
  addEngineOptions,
  addIgnoredOptions,
  type EngineFlags,
  engineOptions,
  ignoredOptions,
  port,
  wholeNumber,
} from './options.js';
import { terminalQrCode } from './qr.js';
import { ensureAddress, ensureUser, useFolder } from './setup.js';

interface ServeFlags extends EngineFlags {
  readonly chatServerPort: number;
  readonly host?: string[];
  readonly apiToken?: string;
  readonly allowOrigin?: string[];
  readonly allowHost?: string[];
  readonly embeddedRelay?: boolean;
  readonly createBotDisplayName?: string;
  readonly createBotAllowFiles?: boolean;
  readonly address?: boolean;
  readonly quit: boolean;
  readonly maintenance?: boolean;
  readonly execute?: string;
  readonly time: number;
  readonly presetContacts: boolean;
  readonly maxEvents?: number;
  readonly maxEventDays?: number;
}

/** `fanion serve`: the engine behind the WebSocket API, with the options of the official program. */
export function serveCommand(): Command {
  const command = new Command('serve').description(
    'Run the chat engine and its WebSocket API (the bot API of SimpleX Chat).',
  );
  addEngineOptions(command, 'bot');
  return addIgnoredOptions(
    command
      .option('-p, --chat-server-port <port>', 'port of the WebSocket API, 0 for a free one', port, 5225)
      .option('--host <address...>', 'listen on these addresses instead of loopback')
      .option('--api-token <token>', 'ask clients for this token (or FANION_API_TOKEN in the environment)')
      .option('--allow-origin <origin...>', 'web pages that may connect')
      .option('--allow-host <host...>', 'names under which clients may reach the API')
      .option('--embedded-relay', 'run an SMP and an XFTP relay in this process: no network is needed')
      .option('--create-bot-display-name <name>', 'create a bot profile when there is none')
      .option('--create-bot-allow-files', 'let contacts of that bot send files')
      .option('--address', 'make sure that the profile has an address that accepts everybody, and print it')
      .option('--no-quit', 'refuse /quit over WebSocket')
      .option('-m, --maintenance', 'do not start the engine, wait for /_start')
      .option('-e, --execute <command>', 'run one command, print its response, end')
      .option(
        '-t, --time <seconds>',
        'with -e: how long to wait for what the command causes',
        wholeNumber(0, 86_400),
        3,
      )
      .option('--no-preset-contacts', 'leave out the contact cards that the official program gives to new profiles')
      .option('--max-events <count>', 'events kept for clients that come back', wholeNumber(1, 10_000_000))
      .option('--max-event-days <days>', 'how long they are kept', wholeNumber(1, 3650)),
  ).action((flags: ServeFlags, cmd: Command) => serve(flags, cmd));
}

async function serve(flags: ServeFlags, command: Command): Promise<void> {
  const logger = programLogger('fanion', flags);
  const warnings = ignoredOptions(command);
  if (warnings.length > 0) process.stderr.write(`fanion: ignored options: ${warnings.join(', ')}\n`);
  const running = new Running();
  running.stopOnSignals(logger);
  try {
    await checkFolders(flags);
    const relays = await startRelays(flags, logger, running);
    const engine = await openEngine(flags, logger, relays);
    running.add(engine);
    if (flags.execute !== undefined) {
      await execute(engine, flags, flags.execute);
      await running.stop();
      return;
    }
    await start(flags, engine, logger, running);
  } catch (error) {
    await running.stop();
    throw error;
  }
}

async function checkFolders({ database, filesFolder, tempFolder }: ServeFlags): Promise<void> {
  if (!database.startsWith('postgres')) await useFolder(path.dirname(path.resolve(database)), 'of the database');
  if (filesFolder !== undefined) await useFolder(filesFolder, '--files-folder');
  if (tempFolder !== undefined) await useFolder(tempFolder, '--temp-folder');
}

async function startRelays(flags: ServeFlags, logger: Logger, running: Running): Promise<EmbeddedRelays | undefined> {
  const postgres = flags.database.startsWith('postgres');
  if (flags.embeddedRelay !== true) return undefined;
  if (postgres) throw new FanionError('USAGE', '--embedded-relay needs a database prefix with -d, not PostgreSQL');
  // Loaded here: most engines use the relays of others.
  const { startEmbeddedRelays } = await import('../relay/index.js');
  const relays = await startEmbeddedRelays(flags.database, logger);
  running.add(relays);
  return relays;
}

async function openEngine(flags: ServeFlags, logger: Logger, relays: EmbeddedRelays | undefined): Promise<LocalEngine> {
  return openLocalEngine({
    ...engineOptions(flags),
    logger,
    presetContacts: flags.presetContacts ? officialContactCards : [],
    ...(relays === undefined ? {} : { smpServers: [relays.smp.address], xftpServers: [relays.xftp.address] }),
    ...(flags.maxEvents === undefined ? {} : { maxEvents: flags.maxEvents }),
    maxWaitingMessages: flags.maxEvents ?? 10_000,
    ...(flags.maxEventDays === undefined ? {} : { maxEventAge: flags.maxEventDays * 86_400_000 }),
  });
}

async function execute(local: LocalEngine, flags: ServeFlags, command: string): Promise<void> {
  await ensureUser(local.engine, flags.createBotDisplayName, flags.createBotAllowFiles === true);
  await local.engine.start();
  const response = await local.engine.execute(command);
  process.stdout.write(`${JSON.stringify(response)}\n`);
  if (response.type === 'chatCmdError') process.exitCode = 1;
  else await new Promise((resolve) => setTimeout(resolve, flags.time * 1000));
}

async function start(flags: ServeFlags, local: LocalEngine, logger: Logger, running: Running): Promise<void> {
  const { engine } = local;
  const name = await ensureUser(engine, flags.createBotDisplayName, flags.createBotAllowFiles === true);
  if (flags.maintenance !== true) await engine.start();
  const token = flags.apiToken ?? process.env.FANION_API_TOKEN;
  const server: ApiServer = await startApiServer({
    engine,
    port: flags.chatServerPort,
    logger,
    ...(flags.quit ? { onQuit: () => running.exit(logger) } : {}),
    ...(flags.host === undefined ? {} : { hosts: flags.host }),
    ...(token === undefined ? {} : { apiToken: token }),
    ...(flags.allowOrigin === undefined ? {} : { allowedOrigins: flags.allowOrigin }),
    ...(flags.allowHost === undefined ? {} : { allowedHosts: flags.allowHost }),
  });
  running.add(server);
  process.stdout.write(
    name === undefined ? 'No profile yet: create one with /_create user or /create bot\n' : `Current user: ${name}\n`,
  );
  process.stdout.write(`Bot API: ${server.url}\n`);
  if (flags.address === true && name !== undefined && flags.maintenance !== true) await showAddress(local);
}

async function showAddress(local: LocalEngine): Promise<void> {
  const link = await ensureAddress(local.engine);
  process.stdout.write(`\n${await terminalQrCode(link)}\nAddress: ${link}\n\n`);
  process.stdout.write(`Talk to it from a second terminal:\n\n    npx fanion chat '${link}'\n\n`);
}

/** What was started, in order, and how it ends: once, in reverse order, in less than five seconds. */
class Running {
  readonly #parts: { close(): Promise<void> }[] = [];
  #stopping: Promise<void> | undefined;

  add(part: { close(): Promise<void> }): void {
    this.#parts.push(part);
  }

  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      for (const part of [...this.#parts].reverse()) await part.close();
    })();
    return this.#stopping;
  }

  exit(logger: Logger): void {
    const timer = setTimeout(() => {
      logger.error({}, 'stopping takes too long: ending now');
      process.exit(1);
    }, 4_500);
    timer.unref();
    void this.stop().then(
      () => process.exit(process.exitCode ?? 0),
      (error: unknown) => {
        logger.error({ error }, 'stopping failed');
        process.exit(1);
      },
    );
  }

  stopOnSignals(logger: Logger): void {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => this.exit(logger));
  }
}
