import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Counters of one SMP relay. Labels never hold ids or addresses. */
export interface RelayMetrics {
  readonly registry: Registry;
  readonly connections: Gauge;
  readonly connectionsTotal: Counter;
  readonly handshakeFailures: Counter;
  readonly subscriptions: Gauge;
  readonly queues: Gauge;
  readonly commands: Counter<'command'>;
  readonly errors: Counter<'error'>;
  readonly messagesReceived: Counter;
  readonly messagesDelivered: Counter;
  readonly messagesAcknowledged: Counter;
  readonly messagesExpired: Counter;
  readonly quotaExceeded: Counter;
  readonly commits: Counter;
  readonly commitSize: Histogram;
  readonly proxied: Counter<'role'>;
}

export function createRelayMetrics(registry = new Registry()): RelayMetrics {
  const registers = [registry];
  const counter = (name: string, help: string): Counter => new Counter({ name, help, registers });
  return {
    registry,
    connections: new Gauge({ name: 'fanion_smp_connections', help: 'Open client connections', registers }),
    connectionsTotal: counter('fanion_smp_connections_total', 'Accepted client connections'),
    handshakeFailures: counter('fanion_smp_handshake_failures_total', 'Connections closed before or in the SMP handshake'),
    subscriptions: new Gauge({ name: 'fanion_smp_subscriptions', help: 'Subscribed queues', registers }),
    queues: new Gauge({ name: 'fanion_smp_queues', help: 'Queues in the storage', registers }),
    commands: new Counter({ name: 'fanion_smp_commands_total', help: 'Commands', labelNames: ['command'], registers }),
    errors: new Counter({ name: 'fanion_smp_errors_total', help: 'ERR answers', labelNames: ['error'], registers }),
    messagesReceived: counter('fanion_smp_messages_received_total', 'Messages accepted from senders'),
    messagesDelivered: counter('fanion_smp_messages_delivered_total', 'Deliveries to recipients, repeated ones included'),
    messagesAcknowledged: counter('fanion_smp_messages_acknowledged_total', 'Messages acknowledged by recipients'),
    messagesExpired: counter('fanion_smp_messages_expired_total', 'Messages dropped because of their age'),
    quotaExceeded: counter('fanion_smp_quota_exceeded_total', 'Messages refused because the queue was full'),
    commits: counter('fanion_smp_commits_total', 'Storage commits'),
    commitSize: new Histogram({
      name: 'fanion_smp_commit_writes',
      help: 'Writes per storage commit',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    }),
    proxied: new Counter({
      name: 'fanion_smp_proxied_total',
      help: 'Forwarded commands, as the proxy and as the destination',
      labelNames: ['role'],
      registers,
    }),
  };
}

/** A running `/metrics` endpoint. */
export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves the registries on `GET /metrics` in Prometheus text form, with the default metrics of the process. */
export async function startMetricsServer(
  host: string,
  port: number,
  registries: readonly Registry[],
): Promise<MetricsServer> {
  const processRegistry = new Registry();
  collectDefaultMetrics({ register: processRegistry });
  const merged = Registry.merge([processRegistry, ...registries]);
  const server: Server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    merged.metrics().then(
      (text) => response.writeHead(200, { 'content-type': merged.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  return {
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
