import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What the server counts. Labels hold no names, links or texts. */
export interface ServerMetrics {
  readonly registry: Registry;
  readonly clients: Gauge;
  readonly commands: Counter<'result'>;
  readonly commandSeconds: Histogram;
  readonly eventsSent: Counter;
  readonly badRequests: Counter;
  readonly refused: Counter<'status'>;
  readonly slowClients: Counter;
}

/** Milliseconds between the looks at the delay of the event loop: the library's 10 cost an idle process 1 % of a core. */
const eventLoopMonitoringPrecision = 100;

/** Makes the metrics in `registry`, or in a new one with those of the process. */
export function serverMetrics(registry?: Registry): ServerMetrics {
  const own = registry ?? new Registry();
  if (registry === undefined) collectDefaultMetrics({ register: own, eventLoopMonitoringPrecision });
  const registers = [own];
  return {
    registry: own,
    clients: new Gauge({ name: 'fanion_api_clients', help: 'Connected API clients', registers }),
    commands: new Counter({
      name: 'fanion_api_commands_total',
      help: 'Executed commands, by result: ok or error',
      labelNames: ['result'],
      registers,
    }),
    commandSeconds: new Histogram({
      name: 'fanion_api_command_seconds',
      help: 'Time from a command to its response',
      buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
      registers,
    }),
    eventsSent: new Counter({ name: 'fanion_api_events_sent_total', help: 'Events sent to clients', registers }),
    badRequests: new Counter({
      name: 'fanion_api_bad_requests_total',
      help: 'Messages that are no requests',
      registers,
    }),
    refused: new Counter({
      name: 'fanion_api_refused_total',
      help: 'Refused connections, by HTTP status',
      labelNames: ['status'],
      registers,
    }),
    slowClients: new Counter({
      name: 'fanion_api_slow_clients_total',
      help: 'Clients that were disconnected because they did not read',
      registers,
    }),
  };
}
