import { Command, InvalidArgumentError, Option } from 'commander';
import pino from 'pino';
import { FanionError, type Logger, systemRandom } from '../core/index.js';
import {
  createRelayMetrics,
  type MetricsServer,
  renewLeaf,
  type SmpRelay,
  startMetricsServer,
  startSmpRelay,
  startXftpRelay,
  type XftpRelay,
} from '../relay/index.js';
import { isBasicAuth } from '../smp/index.js';

interface RelayFlags {
  readonly host: string;
  readonly port: number;
  readonly publicHost?: string[];
  readonly database?: string;
  readonly memory?: boolean;
  readonly password?: string;
  readonly newQueues: boolean;
  readonly proxy: boolean;
  readonly quota: number;
  readonly messageDays: number;
  readonly maxConnections?: number;
  readonly xftpPort?: number;
  readonly xftpQuota?: number;
  readonly metricsPort?: number;
  readonly logLevel: string;
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!/^\d+$/.test(text) || n < min || n > max) throw new InvalidArgumentError(`a number from ${min} to ${max}`);
    return n;
  };
}

const port = wholeNumber(0, 65_535);

function password(text: string): string {
  if (!isBasicAuth(text)) throw new InvalidArgumentError('printable ASCII without space, @, : and /');
  return text;
}

/** `fanion relay`: an SMP relay, and with `--xftp-port` an XFTP relay beside it. */
export function relayCommand(): Command {
  const command = new Command('relay')
    // `relay renew` has options of the same names.
    .enablePositionalOptions()
    .description('Run an SMP relay. Prints its smp:// address on a line of its own when it is ready.')
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'SMP port, 0 for a free one', port, 5223)
    .option('--public-host <host...>', 'host names to write to the address instead of --host')
    .option('-d, --database <prefix>', 'prefix of the database and certificate files')
    .option('--memory', 'keep queues and messages in memory only')
    .option('--password <password>', 'ask for it when queues are created and in private routing', password)
    .option('--no-new-queues', 'refuse new queues')
    .option('--no-proxy', 'refuse to forward commands to other relays')
    .option('--quota <messages>', 'messages per queue', wholeNumber(1, 100_000), 128)
    .option('--message-days <days>', 'days that undelivered messages are kept', wholeNumber(1, 10_000), 21)
    .option('--max-connections <count>', 'connections at a time', wholeNumber(1, 10_000_000))
    .option('--xftp-port <port>', 'also run an XFTP relay on this port, 0 for a free one', port)
    .option('--xftp-quota <bytes>', 'bytes that the XFTP relay stores at most', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option('--metrics-port <port>', 'serve Prometheus metrics on this port of --host', port)
    .addOption(
      new Option('--log-level <level>', 'log level')
        .choices(['fatal', 'error', 'warn', 'info', 'debug', 'silent'])
        .default('warn'),
    )
    .action(run);
  command
    .command('renew')
    .description('Make a new server key and certificate with the CA key. The address stays.')
    .requiredOption('-d, --database <prefix>', 'prefix of the certificate files')
    .option('--host <host>', 'host name in the certificate', 'localhost')
    .addOption(new Option('--kind <kind>', 'which relay').choices(['smp', 'xftp']).default('smp'))
    .action(({ database, host, kind }: { database: string; host: string; kind: 'smp' | 'xftp' }) => {
      renewLeaf(database, { kind, host, now: Date.now(), random: systemRandom });
    });
  return command;
}

async function run(flags: RelayFlags): Promise<void> {
  if (flags.database === undefined && flags.memory !== true) {
    throw new FanionError('USAGE', 'give -d <prefix>, or --memory to keep nothing');
  }
  // Standard output is for the addresses.
  const log: Logger = pino({ name: 'relay', level: flags.logLevel }, pino.destination({ dest: 2, sync: true }));
  const metrics = createRelayMetrics();
  const running: { close(): Promise<void> }[] = [];
  let stopping: Promise<void> | undefined;
  const stop = (): void => {
    stopping ??= stopAll(running);
    void stopping.finally(() => process.exit());
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    const smp = await startSmp(flags, log, metrics);
    running.push(smp);
    const xftp = flags.xftpPort === undefined ? undefined : await startXftp(flags, flags.xftpPort, log);
    if (xftp !== undefined) running.push(xftp);
    const metricsServer = await startMetrics(flags, [metrics.registry]);
    if (metricsServer !== undefined) running.push(metricsServer);
    process.stdout.write(`${smp.address}\n`);
    if (xftp !== undefined) process.stdout.write(`${xftp.address}\n`);
  } catch (error) {
    await stopAll(running);
    throw error;
  }
}

async function stopAll(running: { close(): Promise<void> }[]): Promise<void> {
  for (const part of running.reverse()) await part.close();
}

function startSmp(flags: RelayFlags, log: Logger, metrics: ReturnType<typeof createRelayMetrics>): Promise<SmpRelay> {
  const { database } = flags;
  return startSmpRelay({
    host: flags.host,
    port: flags.port,
    ...(flags.publicHost === undefined ? {} : { publicHosts: flags.publicHost }),
    storage:
      flags.memory === true || database === undefined ? { kind: 'memory' } : { kind: 'sqlite', prefix: database },
    // In memory mode a prefix still keeps the certificates, and with them the address.
    ...(database === undefined ? {} : { certificatePrefix: database }),
    ...(flags.password === undefined ? {} : { password: flags.password }),
    newQueues: flags.newQueues,
    proxy: flags.proxy,
    quota: flags.quota,
    messageTtlMs: flags.messageDays * 86_400_000,
    ...(flags.maxConnections === undefined ? {} : { maxConnections: flags.maxConnections }),
    log,
    metrics,
  });
}

function startXftp(flags: RelayFlags, port: number, log: Logger): Promise<XftpRelay> {
  if (flags.database === undefined) throw new FanionError('USAGE', 'an XFTP relay needs -d <prefix> for its files');
  return startXftpRelay({
    host: flags.host,
    port,
    prefix: flags.database,
    ...(flags.publicHost === undefined ? {} : { publicHosts: flags.publicHost }),
    ...(flags.password === undefined ? {} : { password: flags.password }),
    ...(flags.xftpQuota === undefined ? {} : { quota: flags.xftpQuota }),
    log,
  });
}

async function startMetrics(
  flags: RelayFlags,
  registries: Parameters<typeof startMetricsServer>[2],
): Promise<MetricsServer | undefined> {
  return flags.metricsPort === undefined ? undefined : startMetricsServer(flags.host, flags.metricsPort, registries);
}
