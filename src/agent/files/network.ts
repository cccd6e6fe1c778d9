import { SocksClient } from 'socks';
import {
  chooseEndpoint,
  type NetworkConfig,
  SmpClientError,
  type SocksProxyConfig,
  socksLogin,
  type XftpServer,
} from '../../smp/index.js';
import { type Dial, networkError, XftpClientError } from '../../xftp/index.js';
import type { UserId } from '../types.js';

/** Which host of a server to connect to, and how. */
export interface Route {
  readonly host: string;
  /** Absent: directly. */
  readonly dial?: Dial;
}

/**
 * Chooses host and proxy by the same settings as for SMP servers (20-smp, section 12.2). The port is XFTP's own.
 * @param sessionTime when this run of the application began: changes the circuits of each run
 * @throws XftpClientError BROKER HOST when the address has no host that may be used
 */
export function routeTo(userId: UserId, server: XftpServer, config: NetworkConfig, sessionTime: string): Route {
  try {
    const { host, socks } = chooseEndpoint(server, config);
    if (socks === undefined) return { host };
    const login = socksLogin(socks, config.sessionMode, { userId, server, entity: undefined, sessionTime });
    return { host, dial: socksDial(socks, login, config.connectTimeout.background) };
  } catch (e) {
    if (e instanceof SmpClientError)
      throw new XftpClientError({ type: 'BROKER', brokerErr: { type: 'HOST' } }, undefined, e);
    throw e;
  }
}

function socksDial(
  socks: SocksProxyConfig,
  login: { readonly user: string; readonly password: string } | undefined,
  timeout: number,
): Dial {
  return async (host, port) => {
    try {
      const { socket } = await SocksClient.createConnection({
        command: 'connect',
        // A name goes to the proxy unresolved, which keeps it out of the local resolver.
        destination: { host, port },
        proxy: {
          host: socks.host,
          port: socks.port,
          type: 5,
          ...(login === undefined ? {} : { userId: login.user, password: login.password }),
        },
        timeout: Math.max(1, timeout),
      });
      return socket;
    } catch (e) {
      throw networkError('the file server cannot be reached over the SOCKS proxy', e);
    }
  };
}
