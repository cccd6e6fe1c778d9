import { readFile, writeFile } from 'node:fs/promises';
import { errorMessage, FanionError, type Logger } from '../core/index.js';
import type { SmpRelay } from './smp/options.js';
import { startSmpRelay } from './smp/relay.js';
import { startXftpRelay, type XftpRelay } from './xftp/index.js';

/** The relays inside of the process, for local use without a network. */
export interface EmbeddedRelays {
  readonly smp: SmpRelay;
  readonly xftp: XftpRelay;
  close(): Promise<void>;
}

interface Ports {
  readonly smp: number;
  readonly xftp: number;
}

async function rememberedPorts(file: string): Promise<Ports | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (typeof value !== 'object' || value === null || !('smp' in value) || !('xftp' in value)) return undefined;
    const { smp, xftp } = value;
    return typeof smp === 'number' && typeof xftp === 'number' ? { smp, xftp } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Starts an SMP and an XFTP relay on loopback, with their data beside the database. The ports of the first start are
 * kept: they are part of the addresses that contacts know.
 */
export async function startEmbeddedRelays(prefix: string, log: Logger): Promise<EmbeddedRelays> {
  const file = `${prefix}_relay.json`;
  const ports = await rememberedPorts(file);
  const started: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    for (const relay of started.reverse()) await relay.close();
  };
  try {
    const smp = await startSmpRelay({ port: ports?.smp ?? 0, storage: { kind: 'sqlite', prefix }, log });
    started.push(smp);
    const xftp = await startXftpRelay({ port: ports?.xftp ?? 0, prefix, log });
    started.push(xftp);
    if (ports === undefined) await writeFile(file, JSON.stringify({ smp: smp.port, xftp: xftp.port }));
    return { smp, xftp, close };
  } catch (cause) {
    await close();
    if (ports !== undefined && /EADDRINUSE/.test(errorMessage(cause))) {
      throw new FanionError(
        'RELAY_PORT_TAKEN',
        `port ${ports.smp} or ${ports.xftp} of the embedded relay is taken: is another fanion running with the same database? (${file} keeps the ports)`,
        { cause },
      );
    }
    throw cause;
  }
}
