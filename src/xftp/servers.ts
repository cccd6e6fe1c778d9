import { isIPv4, isIPv6 } from 'node:net';
import { formatServer, isOnionHost, parseServer, type XftpServer } from '../smp/index.js';

/** The one spelling of an `xftp://` address; a password in it is an error. */
export function normalServerAddress(text: string): string {
  return formatServer(parseServer(text, 'xftp'));
}

/** The order of kinds of hosts in sorted descriptions. */
function hostRank(host: string): number {
  return isIPv4(host) ? 0 : isIPv6(host) ? 1 : isOnionHost(host) ? 2 : 3;
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function compareHosts(a: XftpServer, b: XftpServer): number {
  for (let i = 0; ; i++) {
    const [x, y] = [a.hosts[i], b.hosts[i]];
    if (x === undefined || y === undefined) return a.hosts.length - b.hosts.length;
    const order = hostRank(x) - hostRank(y) || compareText(x, y);
    if (order !== 0) return order;
  }
}

/** The order of servers in a description: hosts, port, key hash. */
export function compareServers(a: string, b: string): number {
  const [x, y] = [parseServer(a, 'xftp'), parseServer(b, 'xftp')];
  return compareHosts(x, y) || compareText(x.port, y.port) || Buffer.compare(x.keyHash, y.keyHash);
}
