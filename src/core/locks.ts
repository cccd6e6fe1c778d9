/** Runs one task at a time, in the order of the calls. A task that throws does not stop the next. */
export class Mutex {
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** Tasks that run or wait. */
  get size(): number {
    return this.#waiting;
  }

  run<T>(task: () => Promise<T> | T): Promise<T> {
    this.#waiting++;
    const result = this.#tail.then(task);
    this.#tail = result.then(
      () => void this.#waiting--,
      () => void this.#waiting--,
    );
    return result;
  }
}

/** A mutex for each key; keys that nobody holds cost nothing. */
export class KeyedMutex<K> {
  readonly #locks = new Map<K, Mutex>();

  async run<T>(key: K, task: () => Promise<T> | T): Promise<T> {
    let lock = this.#locks.get(key);
    if (lock === undefined) {
      lock = new Mutex();
      this.#locks.set(key, lock);
    }
    try {
      return await lock.run(task);
    } finally {
      if (lock.size === 0 && this.#locks.get(key) === lock) this.#locks.delete(key);
    }
  }

  /** Takes several locks in the given (caller-sorted) order, so that two callers cannot wait for each other. */
  runAll<T>(keys: readonly K[], task: () => Promise<T> | T): Promise<T> {
    const [first, ...rest] = keys;
    if (first === undefined) return Promise.resolve().then(task);
    return this.run(first, () => this.runAll(rest, task));
  }

  /** Keys that are held or waited for. */
  get size(): number {
    return this.#locks.size;
  }
}

/** A promise with its handles outside. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** A promise with its `resolve` and `reject`, for those who learn the result elsewhere. */
export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}
