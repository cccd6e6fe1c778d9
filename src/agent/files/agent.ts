import { deferred, errorFields, Mutex, type Timer } from '../../core/index.js';
import { isAddressProtected, parseServer } from '../../smp/index.js';
import type { UserId } from '../types.js';
import { type FileContext, Transfers, type WorkerKind } from './context.js';
import { type Job, Lanes } from './lanes.js';
import { decryptReceived, deleteRcvFile, downloadChunk, receiveFile } from './receive.js';
import { nextRcvChunks, nextToDecrypt, rcvFileTtl, rcvServers } from './receive-rows.js';
import {
  cleanUp,
  deleteReplica,
  deleteServers,
  deleteSndFileRemote,
  deleteTtl,
  deleteUserFiles,
  nextToDelete,
} from './remove.js';
import {
  createChunk,
  deleteSndFile,
  encryptForUpload,
  finishUpload,
  sendDescription,
  sendFile,
  TriedServers,
  uploadChunk,
} from './send.js';
import { nextToCreate, nextToEncrypt, nextToFinish, nextToUpload, sndFileTtl, sndServers } from './send-rows.js';
import { FileServers } from './servers.js';
import { XftpSessions } from './sessions.js';
import { testXftpServer } from './test-server.js';
import type { FileAgent, FileAgentOptions } from './types.js';

/** The first clean-up after the start, and the time between two. */
const firstCleanUp = 30_000;
const cleanUpInterval = 30 * 60_000;
/** Chunks that are registered at the same time. */
const createLanes = 4;

type AnyLanes = Pick<Lanes<Job>, 'wake' | 'stop'>;

/** Jobs that handle their failures themselves are not repeated. */
const nothing = (): undefined => undefined;

/** The workers of a file agent: those of the machine, and those of each user and server. */
class Workers {
  readonly #make: (kind: WorkerKind, userId: UserId, server: string) => AnyLanes;
  readonly #lanes = new Map<string, AnyLanes>();
  #state: 'idle' | 'running' | 'suspended' | 'closed' = 'idle';

  constructor(make: (kind: WorkerKind, userId: UserId, server: string) => AnyLanes) {
    this.#make = make;
  }

  get running(): boolean {
    return this.#state === 'running';
  }

  setState(state: 'running' | 'suspended'): void {
    if (this.#state !== 'closed') this.#state = state;
  }

  wake(kind: WorkerKind, userId: UserId, server: string): void {
    if (!this.running) return;
    const key = `${kind} ${userId} ${server}`;
    let lanes = this.#lanes.get(key);
    if (lanes === undefined) {
      lanes = this.#make(kind, userId, server);
      this.#lanes.set(key, lanes);
    }
    lanes.wake();
  }

  async stop(): Promise<void> {
    this.#state = 'closed';
    await Promise.all([...this.#lanes.values()].map((l) => l.stop()));
  }
}

/** Opens the file agent over a store that has {@link fileMigrations}. Nothing touches the network before `start`. */
export function openFileAgent(options: FileAgentOptions): FileAgent {
  const { store, clock, random, logger, lanes = 3 } = options;
  const tried = new TriedServers();
  const sessions = new XftpSessions(clock, random, options.network);
  const ctx: FileContext = {
    store,
    clock,
    random,
    logger,
    handler: options.handler,
    workFolder: options.workFolder,
    sessions,
    servers: new FileServers(random),
    transfers: new Transfers(),
    wake: (kind, userId = 0, server = '') => {
      if (kind === 'clean') clean();
      else workers.wake(kind, userId, server);
    },
  };

  function make<J extends Job>(
    count: number,
    next: (limit: number) => Promise<readonly J[]>,
    run: (job: J, lane: number) => Promise<number | undefined>,
  ): AnyLanes {
    const whenRunning = async (limit: number): Promise<readonly J[]> => (workers.running ? next(limit) : []);
    return new Lanes<J>({ clock, logger, lanes: count, next: whenRunning, run });
  }
  const since = (ttl: number): number => clock.now() - ttl;
  const read = store.read.bind(store);
  const workers = new Workers((kind, userId, server) => {
    switch (kind) {
      case 'receive':
        return make(
          lanes,
          (n) => read((tx) => nextRcvChunks(tx, userId, server, since(rcvFileTtl), n)),
          (job, lane) => downloadChunk(ctx, job, lane),
        );
      case 'upload':
        return make(
          lanes,
          (n) => read((tx) => nextToUpload(tx, userId, server, since(sndFileTtl), n)),
          (job, lane) => uploadChunk(ctx, tried, job, lane),
        );
      case 'delete':
        return make(
          1,
          (n) => read((tx) => nextToDelete(tx, userId, server, since(deleteTtl), n)),
          (job) => deleteReplica(ctx, job),
        );
      case 'create':
        return make(
          createLanes,
          (n) => read((tx) => nextToCreate(tx, since(sndFileTtl), n)),
          (job) => createChunk(ctx, tried, job),
        );
      case 'encrypt':
        return make(
          1,
          (n) => read((tx) => nextToEncrypt(tx, since(sndFileTtl), n)),
          (file) => encryptForUpload(ctx, file).then(nothing),
        );
      case 'decrypt':
        return make(
          1,
          (n) => read((tx) => nextToDecrypt(tx, since(rcvFileTtl), n)),
          (file) => decryptReceived(ctx, file).then(nothing),
        );
      default:
        return make(
          1,
          (n) => read((tx) => nextToFinish(tx, since(sndFileTtl), n)),
          (file) => finishUpload(ctx, file).then(nothing),
        );
    }
  });

  const cleaning = new Mutex();
  let cleanTimer: Timer | undefined;
  let cleanAgain = false;
  /** Cleans up now; a call while it runs makes it run once more. */
  function clean(): void {
    if (!workers.running || cleanAgain) return;
    cleanAgain = cleaning.size > 0;
    void cleaning.run(async () => {
      cleanAgain = false;
      try {
        await cleanUp(ctx);
      } catch (error) {
        logger.error(errorFields(error), 'the clean-up of file transfers failed');
      }
    });
  }
  function cleanAfter(ms: number): void {
    cleanTimer = clock.after(
      ms,
      () => {
        clean();
        cleanAfter(cleanUpInterval);
      },
      { unref: true },
    );
  }

  /** Wakes all workers that have something to do. */
  async function wakeAll(): Promise<void> {
    const servers = await read(async (tx) => ({
      receive: await rcvServers(tx, since(rcvFileTtl)),
      upload: await sndServers(tx, since(sndFileTtl)),
      delete: await deleteServers(tx, since(deleteTtl)),
    }));
    for (const kind of ['receive', 'upload', 'delete'] as const) {
      for (const { userId, server } of servers[kind]) ctx.wake(kind, userId, server);
    }
    for (const kind of ['decrypt', 'encrypt', 'create', 'finish', 'clean'] as const) ctx.wake(kind);
  }

  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    cleanTimer?.cancel();
    ctx.transfers.close();
    sessions.close();
    await workers.stop();
    // A clean-up that runs ends by itself.
    const idle = deferred<void>();
    void cleaning.run(() => idle.resolve());
    await idle.promise;
  }

  return {
    async start() {
      workers.setState('running');
      cleanAfter(firstCleanUp);
      await wakeAll();
    },
    suspend: () => workers.setState('suspended'),
    resume() {
      workers.setState('running');
      wakeAll().catch((error: unknown) => logger.error(errorFields(error), 'file workers cannot be resumed'));
    },
    close() {
      closing ??= close();
      return closing;
    },
    setUserServers: (userId, servers) => ctx.servers.set(userId, servers),
    setWorkFolder(folder) {
      ctx.workFolder = folder;
    },
    isAddressProtected: (server) => isAddressProtected(parseServer(server, 'xftp'), sessions.network),
    setNetworkConfig: (config) => sessions.setNetwork(config),
    testServer: (userId, server) => testXftpServer(ctx, userId, server),
    sendFile: (tx, params) => sendFile(ctx, tx, params),
    sendDescription: (tx, userId, description, n) => sendDescription(ctx, tx, userId, description, n),
    receiveFile: (tx, params) => receiveFile(ctx, tx, params),
    deleteUserFiles: (tx, userId) => deleteUserFiles(ctx, tx, userId),
    deleteRcvFile: (tx, fileId) => deleteRcvFile(ctx, tx, fileId),
    deleteSndFile: (tx, fileId) => deleteSndFile(ctx, tx, fileId),
    deleteSndFileRemote: (tx, userId, description) => deleteSndFileRemote(ctx, tx, userId, description),
  };
}
