import { homedir } from 'node:os';
import path from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { LocalEngineOptions } from '../chat/index.js';
import { FanionError } from '../core/index.js';
import type { NetworkConfig, SocksAuth, SocksProxyConfig } from '../smp/index.js';
import { parseServerWithAuth } from '../smp/index.js';

/** A whole number between two bounds, as an argument. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!/^\d+$/.test(text) || n < min || n > max) throw new InvalidArgumentError(`a number from ${min} to ${max}`);
    return n;
  };
}

export const port = wholeNumber(0, 65_535);

/** Options that every program with an engine takes, with the names and meaning of the official ones (70, 8.1). */
export interface EngineFlags {
  readonly database: string;
  readonly key?: string;
  readonly server?: string[];
  readonly xftpServer?: string[];
  readonly x?: boolean;
  readonly socksProxy?: SocksProxyConfig;
  readonly socksMode: 'always' | 'onion';
  readonly hostMode?: 'onion' | 'public';
  readonly requiredHostMode?: boolean;
  readonly smpProxy: 'always' | 'unknown' | 'unprotected' | 'never';
  readonly smpProxyFallback: 'no' | 'protected' | 'yes';
  readonly smpWebPort?: boolean;
  readonly smpWebPortServers?: 'all' | 'preset' | 'off';
  readonly tcpTimeout?: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'important';
  readonly logFile?: string;
  readonly filesFolder?: string;
  readonly tempFolder?: string;
  readonly a?: boolean;
  readonly autoAcceptFiles?: number;
}

function servers(scheme: 'smp' | 'xftp'): (text: string, previous: string[] | undefined) => string[] {
  return (text, previous = []) => {
    const added = text.split(/\s+/).filter((s) => s !== '');
    for (const s of added) {
      try {
        parseServerWithAuth(s, scheme);
      } catch {
        throw new InvalidArgumentError(`not an ${scheme}:// server address: ${s}`);
      }
    }
    return [...previous, ...added];
  };
}

const socksPattern = /^(?:(?:([^:@]*):([^@]*))?(@))?([^:@]*)(?::(\d{1,5}))?$/;

/** `[user:pass@|@][host][:port]`: `@` alone is no login, nothing is a login of its own for each circuit. */
export function parseSocksProxy(text: string): SocksProxyConfig {
  const [, user, password, at, host, portText] = socksPattern.exec(text) ?? [];
  if (host === undefined || Number(portText ?? 0) > 65_535) {
    throw new InvalidArgumentError('[user:password@|@][host][:port]');
  }
  const auth: SocksAuth =
    user !== undefined && password !== undefined
      ? { kind: 'password', user, password }
      : { kind: at === undefined ? 'isolate' : 'none' };
  return { host: host === '' ? '127.0.0.1' : host, port: Number(portText ?? 9050), auth };
}

const home = path.join(homedir(), '.fanion');

/** Adds the options of {@link EngineFlags}; `name` is the last part of the default database prefix. */
export function addEngineOptions(command: Command, name: string): Command {
  const choices = (flags: string, about: string, values: readonly string[], byDefault?: string): Option => {
    const option = new Option(flags, about).choices(values);
    return byDefault === undefined ? option : option.default(byDefault);
  };
  return command
    .option('-d, --database <prefix>', 'prefix of the database file, or a postgres:// URL', path.join(home, name))
    .option('-k, --key <key>', 'key of the encrypted database (or FANION_KEY in the environment)')
    .option('-s, --server <servers>', 'SMP servers, separated by spaces', servers('smp'))
    .option('--xftp-server <servers>', 'XFTP servers, separated by spaces', servers('xftp'))
    .option('-x', 'use the SOCKS5 proxy 127.0.0.1:9050')
    .option('--socks-proxy <proxy>', 'use this SOCKS5 proxy: [user:password@|@][host][:port]', parseSocksProxy)
    .addOption(choices('--socks-mode <mode>', 'use the proxy always or for onion hosts', ['always', 'onion'], 'always'))
    .addOption(choices('--host-mode <mode>', 'which hosts of a server to prefer', ['onion', 'public']))
    .option('--required-host-mode', 'refuse servers without a host of that kind')
    .addOption(
      choices(
        '--smp-proxy <mode>',
        'private message routing',
        ['always', 'unknown', 'unprotected', 'never'],
        'unknown',
      ),
    )
    .addOption(
      choices(
        '--smp-proxy-fallback <mode>',
        'send directly when private routing fails',
        ['no', 'protected', 'yes'],
        'protected',
      ),
    )
    .option('--smp-web-port', 'use port 443 for SMP servers without a port')
    .addOption(choices('--smp-web-port-servers <which>', 'for which servers', ['all', 'preset', 'off']))
    .option('--tcp-timeout <seconds>', 'time to connect', wholeNumber(1, 3600))
    .addOption(
      choices('-l, --log-level <level>', 'log level', ['debug', 'info', 'warn', 'error', 'important'], 'important'),
    )
    .option('--log-file <file>', 'write the log there instead of standard error')
    .option('--files-folder <folder>', 'received files go there, sent files are relative to it')
    .option('--temp-folder <folder>', 'folder of temporary files')
    .option('-a', 'accept files below 1 MB')
    .option('--auto-accept-files <bytes>', 'accept files below this size', wholeNumber(0, Number.MAX_SAFE_INTEGER));
}

/** Official options that change nothing here: taken with a warning, so that service files keep working. */
const ignored: readonly [string, boolean][] = [
  ['--disable-vacuum', false],
  ['-c, --connections', false],
  ['--log-hosts', false],
  ['--log-tls-errors', false],
  ['--log-agent', false],
  ['-q, --queue-size <n>', true],
  ['--device-name <name>', true],
  ['--ha', false],
  ['-y, --yes-migrate', false],
  ['--execute-log <mode>', true],
  ['--reactions', false],
  ['-f, --allow-instant-files', false],
  ['--mute', false],
  ['-r, --mark-read', false],
];

/** Quiet ones need no warning: what they ask for is what we do anyway. */
const asIs = new Set(['yesMigrate', 'ha', 'mute', 'reactions', 'disableVacuum']);

/** Adds the official options that are taken and ignored. */
export function addIgnoredOptions(command: Command): Command {
  for (const [flags] of ignored) command.addOption(new Option(flags, 'taken for compatibility, ignored').hideHelp());
  return command;
}

/** Names of ignored options that were given and are worth a warning. */
export function ignoredOptions(command: Command): string[] {
  const names = ignored.map(([flags]) => new Option(flags).attributeName());
  return names.filter((name) => !asIs.has(name) && command.getOptionValueSource(name) === 'cli');
}

function network(flags: EngineFlags): Partial<NetworkConfig> {
  const proxy = flags.socksProxy ?? (flags.x === true ? parseSocksProxy('') : undefined);
  const seconds = flags.tcpTimeout ?? (proxy === undefined ? undefined : 15);
  const hostMode = flags.hostMode ?? (proxy?.auth.kind === 'isolate' ? 'onion' : undefined);
  const webPort = flags.smpWebPortServers ?? (flags.smpWebPort === true ? 'all' : undefined);
  return {
    ...(proxy === undefined ? {} : { socksProxy: proxy, socksMode: flags.socksMode }),
    ...(hostMode === undefined ? {} : { hostMode }),
    ...(flags.requiredHostMode === undefined ? {} : { requiredHostMode: flags.requiredHostMode }),
    ...(webPort === undefined ? {} : { webPort }),
    ...(seconds === undefined ? {} : { connectTimeout: { interactive: seconds * 1000, background: seconds * 3000 } }),
  };
}

const fallbacks = { no: 'prohibit', protected: 'protected', yes: 'allow' } as const;

/** What the options say to the engine, without logger and servers of an embedded relay. */
export function engineOptions(flags: EngineFlags): Omit<LocalEngineOptions, 'logger'> {
  const key = flags.key ?? process.env.FANION_KEY ?? '';
  const postgres = /^postgres(?:ql)?:\/\//.test(flags.database);
  if (postgres && key !== '') throw new FanionError('USAGE', '--key is for SQLite databases');
  const autoAccept = flags.autoAcceptFiles ?? (flags.a === true ? 1_048_576 : undefined);
  return {
    database: postgres
      ? { kind: 'postgres', url: flags.database }
      : { kind: 'sqlite', path: `${flags.database}_fanion.db`, key },
    network: network(flags),
    routing: { smpProxyMode: flags.smpProxy, smpProxyFallback: fallbacks[flags.smpProxyFallback] },
    ...(flags.server === undefined ? {} : { smpServers: flags.server }),
    ...(flags.xftpServer === undefined ? {} : { xftpServers: flags.xftpServer }),
    ...(flags.filesFolder === undefined ? {} : { filesFolder: flags.filesFolder }),
    ...(flags.tempFolder === undefined ? {} : { tempFolder: flags.tempFolder }),
    ...(autoAccept === undefined ? {} : { autoAcceptFileSize: autoAccept }),
  };
}
