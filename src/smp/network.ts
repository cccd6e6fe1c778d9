import { sha256 } from '../crypto/index.js';
import { utf8Bytes } from '../wire/index.js';
import { SmpClientError } from './failures.js';
import { formatServer, isOnionHost, type ServerAddress } from './server.js';

/** Which of the hosts of an address is used (20-smp.md, section 12.2). */
export type HostMode = 'onionViaSocks' | 'onion' | 'public';

/** What decides how many connections and SOCKS circuits there are. Only `entity` changes the connections. */
export type SessionMode = 'user' | 'session' | 'server' | 'entity';

/** How to log in to the SOCKS proxy: no login, a fixed one, or one per circuit (isolation). */
export type SocksAuth =
  | { readonly kind: 'isolate' }
  | { readonly kind: 'none' }
  | { readonly kind: 'password'; readonly user: string; readonly password: string };

/** A SOCKS5 proxy. It gets host names unresolved. */
export interface SocksProxyConfig {
  readonly host: string;
  readonly port: number;
  readonly auth: SocksAuth;
}

/** Durations in milliseconds, for work in the background and for a waiting person (section 12.4). */
export interface Timeout {
  readonly background: number;
  readonly interactive: number;
}

/** How servers are reached (20-smp.md, section 12). Durations are in milliseconds. */
export interface NetworkConfig {
  readonly socksProxy: SocksProxyConfig | undefined;
  /** `always`, or for onion hosts only. */
  readonly socksMode: 'always' | 'onion';
  readonly hostMode: HostMode;
  /** No matching host is an error instead of the first host. */
  readonly requiredHostMode: boolean;
  readonly sessionMode: SessionMode;
  /** Port 443 instead of 5223 where the address has no port. */
  readonly webPort: 'all' | 'preset' | 'off';
  /** TCP, TLS and SMP handshake together. */
  readonly connectTimeout: Timeout;
  /** From the command to its response. */
  readonly commandTimeout: Timeout;
  /** Added for each kB of the command. */
  readonly timeoutPerKb: number;
  /** A failed attempt is answered to others for so long without a new one. */
  readonly errorMemory: number;
  readonly ping: { readonly interval: number; readonly maxMissed: number; readonly silence: number };
  readonly reconnect: { readonly initial: number; readonly increaseAfter: number; readonly max: number };
}

/** The values of the specification. */
const defaultNetwork: NetworkConfig = {
  socksProxy: undefined,
  socksMode: 'always',
  hostMode: 'onionViaSocks',
  requiredHostMode: false,
  sessionMode: 'session',
  webPort: 'preset',
  connectTimeout: { background: 45_000, interactive: 15_000 },
  commandTimeout: { background: 30_000, interactive: 10_000 },
  timeoutPerKb: 5,
  errorMemory: 3_000,
  ping: { interval: 600_000, maxMissed: 3, silence: 900_000 },
  reconnect: { initial: 2_000, increaseAfter: 10_000, max: 180_000 },
};

/** Network settings as small ones do that change a few of the defaults. */
export function networkConfig(changes: Partial<NetworkConfig> = {}): NetworkConfig {
  return { ...defaultNetwork, ...changes };
}

const presetDomains = ['.simplex.im', '.simplexonflux.com'];

/** Where to connect, and through which proxy. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly socks: SocksProxyConfig | undefined;
}

function chooseHost(hosts: readonly [string, ...string[]], config: NetworkConfig): string {
  const first = hosts[0];
  const onion = hosts.find(isOnionHost);
  const open = hosts.find((h) => !isOnionHost(h));
  const preferOnion =
    config.hostMode === 'onion' || (config.hostMode === 'onionViaSocks' && config.socksProxy !== undefined);
  if (config.hostMode === 'onionViaSocks') return (preferOnion ? (onion ?? open) : open) ?? first;
  const match = config.hostMode === 'onion' ? onion : open;
  if (match !== undefined) return match;
  if (config.requiredHostMode) throw new SmpClientError({ type: 'host' });
  return first;
}

function choosePort(server: ServerAddress, config: NetworkConfig): number {
  if (server.port !== '') {
    const port = Number(server.port);
    if (!(port >= 1 && port <= 65535)) throw new SmpClientError({ type: 'host' });
    return port;
  }
  const preset = presetDomains.some((d) => server.hosts[0].endsWith(d));
  return config.webPort === 'all' || (config.webPort === 'preset' && preset) ? 443 : 5223;
}

/** Chooses host, port and proxy (section 12.2). `host` failure when the address has none that may be used. */
export function chooseEndpoint(server: ServerAddress, config: NetworkConfig): Endpoint {
  const host = chooseHost(server.hosts, config);
  const socks = config.socksMode === 'always' || isOnionHost(host) ? config.socksProxy : undefined;
  // An onion name must never reach a resolver.
  if (isOnionHost(host) && socks === undefined) throw new SmpClientError({ type: 'host' });
  return { host, port: choosePort(server, config), socks };
}

/** Whose connection it is: circuits of different users, servers or connections do not share a login. */
export interface IsolationKey {
  readonly userId: number;
  readonly server: ServerAddress;
  /** Connection id in session mode `entity`. */
  readonly entity: string | undefined;
  /** When this run of the application began: changes the circuits of each run. */
  readonly sessionTime: string;
}

/** The SOCKS user name that isolates a circuit (section 12.3): only its uniqueness matters. */
export function socksUser(mode: SessionMode, key: IsolationKey): string {
  let text = String(key.userId);
  if (mode !== 'user') text += `:${key.sessionTime}`;
  if (mode === 'server' || mode === 'entity') text += `@${formatServer(key.server)}`;
  if (mode === 'entity' && key.entity !== undefined) text += `/${key.entity}`;
  return Buffer.from(sha256(utf8Bytes(text))).toString('base64');
}

/** Login for the proxy; undefined for none. */
export function socksLogin(
  socks: SocksProxyConfig,
  mode: SessionMode,
  key: IsolationKey,
): { readonly user: string; readonly password: string } | undefined {
  switch (socks.auth.kind) {
    case 'none':
      return undefined;
    case 'password':
      return { user: socks.auth.user, password: socks.auth.password };
    case 'isolate':
      return { user: socksUser(mode, key), password: '' };
  }
}

/** Whether sending to this address shows our IP address to nobody (section 12.6). */
export function isAddressProtected(server: ServerAddress, config: NetworkConfig): boolean {
  return config.socksProxy !== undefined || (config.hostMode === 'onion' && server.hosts.some(isOnionHost));
}
