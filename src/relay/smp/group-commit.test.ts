import { describe, expect, it } from 'vitest';
import { type Deferred, deferred, silentLogger } from '../../core/index.js';
import { GroupCommit } from './group-commit.js';
import { type Releasable, Releaser } from './release.js';
import { MemorySmpStorage } from './storage-memory.js';

/** A target that notes what is asked of it, and syncs when the test says so. */
function target() {
  const log: string[] = [];
  const syncs: Deferred<void>[] = [];
  const state = { fail: false };
  const commits = new GroupCommit({
    begin: () => log.push('begin'),
    commit: () => {
      if (state.fail) throw new Error('disk full');
      log.push('commit');
    },
    rollback: () => log.push('rollback'),
    sync: () => {
      log.push('sync');
      const d = deferred<void>();
      syncs.push(d);
      return d.promise;
    },
    committed: (writes) => log.push(`durable ${writes}`),
  });
  return { log, syncs, state, commits };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('group commit', () => {
  it('puts the writes of one turn into one transaction, and those during a sync into the next', async () => {
    const { log, syncs, commits } = target();
    commits.write();
    commits.write();
    const first = commits.durable();
    await turn();
    expect(log).toEqual(['begin', 'commit', 'sync']);
    for (let i = 0; i < 3; i++) {
      commits.write();
      await turn();
    }
    const second = commits.durable();
    expect(second).not.toBe(first);
    expect(log).toEqual(['begin', 'commit', 'sync', 'begin']);
    syncs[0]?.resolve();
    await first;
    await turn();
    expect(log.slice(4)).toEqual(['durable 2', 'commit', 'sync']);
    syncs[1]?.resolve();
    await second;
    await turn();
    expect(log.at(-1)).toBe('durable 3');
    expect(commits.durable()).toBeUndefined();
  });

  it('rejects those who wait when a commit or a sync fails, and goes on', async () => {
    const { log, syncs, state, commits } = target();
    state.fail = true;
    commits.write();
    await expect(commits.durable()).rejects.toThrow('disk full');
    expect(log).toEqual(['begin', 'rollback']);
    state.fail = false;
    commits.write();
    const failing = commits.durable();
    await turn();
    syncs[0]?.reject(new Error('I/O error'));
    await expect(failing).rejects.toThrow('I/O error');
    commits.write();
    const last = commits.durable();
    await turn();
    syncs[1]?.resolve();
    await last;
  });
});

describe('releaser', () => {
  function connection(): Releasable & { released: number[]; destroyed: boolean } {
    const c = {
      mark: 0,
      released: [] as number[],
      destroyed: false,
      release: (mark: number) => void c.released.push(mark),
      destroy: () => {
        c.destroyed = true;
      },
    };
    return c;
  }

  it('lets answers go when what came before them is durable, not what came after', async () => {
    const commit = deferred<void>();
    const storage = Object.assign(new MemorySmpStorage(), { durable: () => commit.promise });
    const releaser = new Releaser(storage, silentLogger);
    const a = { ...connection(), mark: 3 };
    releaser.add(a);
    await turn();
    a.mark = 5;
    expect(a.released).toEqual([]);
    commit.resolve();
    await turn();
    expect(a.released).toEqual([3]);
  });

  it('closes the connections whose answers tell of lost changes', async () => {
    const storage = Object.assign(new MemorySmpStorage(), { durable: () => Promise.reject(new Error('disk full')) });
    const releaser = new Releaser(storage, silentLogger);
    const a = connection();
    releaser.add(a);
    await turn();
    await turn();
    expect(a).toMatchObject({ released: [], destroyed: true });
  });
});
