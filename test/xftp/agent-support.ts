import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  type FileAgent,
  type FileAgentOptions,
  type FileEvent,
  fileMigrations,
  openFileAgent,
} from '../../src/agent/files/index.js';
import { agentMigrations } from '../../src/agent/schema.js';
import { type Clock, type Logger, silentLogger, systemClock, systemRandom } from '../../src/core/index.js';
import { networkConfig } from '../../src/smp/index.js';
import { openPostgresStore, openSqliteStore, type Store } from '../../src/store/index.js';
import type { Cleanup } from './support.js';

/** A file agent with one user, its database, and what it told. */
export interface TestAgent {
  readonly files: FileAgent;
  readonly store: Store;
  readonly userId: number;
  readonly events: FileEvent[];
  readonly folder: string;
  readonly workFolder: string;
  /** The first event for which `pick` gives something, also one that was before. */
  wait<T>(pick: (event: FileEvent) => T | undefined): Promise<T>;
  close(): Promise<void>;
}

/** With this variable the agents' databases are schemas of PostgreSQL. */
const postgresUrl = process.env.FANION_TEST_POSTGRES;

/** Speaks up about what nobody expects. */
const logger: Logger = { ...silentLogger, error: (fields, message) => console.error(message, fields) };

export async function openTestAgent(
  cleanup: Cleanup,
  servers: readonly string[],
  options: Partial<FileAgentOptions> & { folder?: string; clock?: Clock } = {},
): Promise<TestAgent> {
  const folder = options.folder ?? cleanup.folder();
  const clock = options.clock ?? systemClock;
  const base = { migrations: [...agentMigrations, ...fileMigrations], clock, logger };
  const store =
    postgresUrl === undefined
      ? await openSqliteStore({ ...base, path: path.join(folder, 'agent.db') })
      : await openPostgresStore({
          ...base,
          url: postgresUrl,
          schema: path.basename(folder).replaceAll('-', '_').toLowerCase(),
        });
  const userId = await store.transaction(async (tx) => {
    const { rows } = await tx.execute<{ id: number }>('SELECT id FROM agent_users LIMIT 1');
    if (rows[0] !== undefined) return rows[0].id;
    return (
      (await tx.execute<{ id: number }>('INSERT INTO agent_users (deleted) VALUES (0) RETURNING id')).rows[0]?.id ?? 0
    );
  });
  const events: FileEvent[] = [];
  const waiting = new Set<() => void>();
  const workFolder = path.join(folder, 'work');
  const files = openFileAgent({
    store,
    clock,
    random: systemRandom,
    logger,
    workFolder,
    network: networkConfig(),
    handler: {
      async fileEvent(tx, event) {
        tx.onCommit(() => {
          events.push(event);
          for (const check of waiting) check();
        });
      },
    },
    ...options,
  });
  files.setUserServers(
    userId,
    servers.map((server) => ({ server, enabled: true, roles: { storage: true, proxy: true } })),
  );
  await files.start();
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= files.close().then(() => store.close());
    return closed;
  };
  cleanup.add(close);
  return {
    files,
    store,
    userId,
    events,
    folder,
    workFolder,
    close,
    wait: (pick) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          for (const event of events) {
            try {
              const picked = pick(event);
              if (picked === undefined) continue;
              resolve(picked);
            } catch (error) {
              reject(error);
            }
            waiting.delete(check);
            return;
          }
        };
        waiting.add(check);
        check();
      }),
  };
}

/** A file of random bytes. */
export function randomFile(folder: string, name: string, size: number): { path: string; content: Buffer } {
  mkdirSync(folder, { recursive: true });
  const file = { path: path.join(folder, name), content: randomBytes(size) };
  writeFileSync(file.path, file.content);
  return file;
}

/** Uploads and waits; fails when the upload fails. */
export async function send(agent: TestAgent, source: { filePath: string }, numRecipients = 4) {
  const fileId = await agent.store.transaction((tx) =>
    agent.files.sendFile(tx, { userId: agent.userId, source, numRecipients }),
  );
  return agent.wait((e) => {
    if (e.type === 'SFERR') throw new Error(JSON.stringify(e.error));
    return e.type === 'SFDONE' && e.fileId === fileId ? e : undefined;
  });
}
