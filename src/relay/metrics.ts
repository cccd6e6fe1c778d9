import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** What a relay counts. Plain numbers, because they change several times per message. Never ids or addresses. */
export interface RelayCounts {
  connections: number;
  connectionsTotal: number;
  handshakeFailures: number;
  subscriptions: number;
  messagesReceived: number;
  messagesDelivered: number;
  messagesAcknowledged: number;
  messagesExpired: number;
  quotaExceeded: number;
  commits: number;
  commitWrites: number;
  forwardedAsProxy: number;
  forwardedAsDestination: number;
  readonly commands: Map<string, number>;
  readonly errors: Map<string, number>;
}

/** Counters of one SMP relay and their form for Prometheus. */
export interface RelayMetrics {
  readonly registry: Registry;
  readonly counts: RelayCounts;
  /** Set by the relay: asked when the metrics are read. */
  countQueues: (() => number | Promise<number>) | undefined;
}

/** Adds one to an entry of a labelled count. */
export function countLabel(counts: Map<string, number>, label: string): void {
  counts.set(label, (counts.get(label) ?? 0) + 1);
}

/** The counters of a relay: numbers only, no ids and no addresses. */
export function createRelayMetrics(registry = new Registry()): RelayMetrics {
  const registers = [registry];
  const counts: RelayCounts = {
    connections: 0,
    connectionsTotal: 0,
    handshakeFailures: 0,
    subscriptions: 0,
    messagesReceived: 0,
    messagesDelivered: 0,
    messagesAcknowledged: 0,
    messagesExpired: 0,
    quotaExceeded: 0,
    commits: 0,
    commitWrites: 0,
    forwardedAsProxy: 0,
    forwardedAsDestination: 0,
    commands: new Map(),
    errors: new Map(),
  };
  const metrics: RelayMetrics = { registry, counts, countQueues: undefined };
  const gauge = (name: string, help: string, read: () => number | Promise<number>): void => {
    new Gauge({
      name: `fanion_smp_${name}`,
      help,
      registers,
      async collect() {
        this.set(await read());
      },
    });
  };
  const counter = (name: string, help: string, read: () => number): void => {
    new Counter({
      name: `fanion_smp_${name}_total`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  };
  const labelled = (name: string, help: string, label: string, values: ReadonlyMap<string, number>): void => {
    new Counter({
      name: `fanion_smp_${name}_total`,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset();
        for (const [value, n] of values) this.inc({ [label]: value }, n);
      },
    });
  };
  gauge('connections', 'Open client connections', () => counts.connections);
  gauge('subscriptions', 'Subscribed queues', () => counts.subscriptions);
  gauge('queues', 'Queues in the storage', () => metrics.countQueues?.() ?? 0);
  counter('connections', 'Accepted client connections', () => counts.connectionsTotal);
  counter(
    'handshake_failures',
    'Connections closed before the end of the SMP handshake',
    () => counts.handshakeFailures,
  );
  counter('messages_received', 'Messages accepted from senders', () => counts.messagesReceived);
  counter('messages_delivered', 'Deliveries to recipients, repeated ones included', () => counts.messagesDelivered);
  counter('messages_acknowledged', 'Messages acknowledged by recipients', () => counts.messagesAcknowledged);
  counter('messages_expired', 'Messages dropped because of their age', () => counts.messagesExpired);
  counter('quota_exceeded', 'Messages refused because the queue was full', () => counts.quotaExceeded);
  counter('commits', 'Storage commits', () => counts.commits);
  counter('commit_writes', 'Writes in storage commits', () => counts.commitWrites);
  counter('forwarded_as_proxy', 'Commands forwarded to other relays', () => counts.forwardedAsProxy);
  counter('forwarded_as_destination', 'Forwarded commands received', () => counts.forwardedAsDestination);
  labelled('commands', 'Commands', 'command', counts.commands);
  labelled('errors', 'ERR answers', 'error', counts.errors);
  return metrics;
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
  // Looks at the delay of the event loop 10 times a second: the library's 100 cost an idle process 1 % of a core.
  collectDefaultMetrics({ register: processRegistry, eventLoopMonitoringPrecision: 100 });
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
