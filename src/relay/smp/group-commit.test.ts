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

describe('what need not be synced', () => {
  it('is committed when it is asked for, also during a sync, and makes no sync of its own', async () => {
    const { log, syncs, commits } = target();
    commits.write(false);
    expect(commits.written()).toBeUndefined();
    expect(log).toEqual(['begin', 'commit']);
    await commits.durable();
    expect(log).toEqual(['begin', 'commit', 'durable 1']);
    commits.write();
    await turn();
    commits.write(false);
    commits.write(false);
    expect(commits.written()).toBeUndefined();
    expect(log.slice(3)).toEqual(['begin', 'commit', 'sync', 'begin', 'commit']);
    syncs[0]?.resolve();
    await commits.flush();
    expect(log.slice(8)).toEqual(['durable 1', 'durable 2']);
  });

  it('is synced with what must be', async () => {
    const { log, syncs, commits } = target();
    commits.write(false);
    commits.write();
    await turn();
    expect(log).toEqual(['begin', 'commit', 'sync']);
    syncs[0]?.resolve();
    await commits.flush();
  });

  it('says when it is lost', async () => {
    const { state, commits } = target();
    state.fail = true;
    commits.write(false);
    await expect(commits.written()).rejects.toThrow('disk full');
  });
});

describe('releaser', () => {
  function connection(): Releasable & { released: number[]; quick: number; destroyed: boolean } {
    const c = {
      mark: 0,
      hasQuick: false,
      quick: 0,
      released: [] as number[],
      destroyed: false,
      release: (mark: number) => void c.released.push(mark),
      releaseQuick: () => void c.quick++,
      releaseAll: (mark: number) => {
        c.released.push(mark);
        c.quick++;
      },
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

  it('lets quick answers go when all is written', async () => {
    const commit = deferred<void>();
    let written = 0;
    const storage = Object.assign(new MemorySmpStorage(), {
      durable: () => commit.promise,
      written: () => void written++,
    });
    const releaser = new Releaser(storage, silentLogger);
    const [a, b] = [Object.assign(connection(), { mark: 1 }), connection()];
    releaser.add(a);
    await turn();
    expect([written, a.quick]).toEqual([0, 1]);
    releaser.add(Object.assign(b, { hasQuick: true }));
    await turn();
    expect([written, b.quick, b.released]).toEqual([1, 1, []]);
    commit.resolve();
    await turn();
    expect(a.released).toEqual([1]);
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
