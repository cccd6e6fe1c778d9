import type { Http2Stream } from 'node:http2';
import { type Deferred, deferred } from '../core/index.js';

/** Bytes that may wait here before the stream is paused; the HTTP/2 window bounds what waits below. */
const maxQueued = 64 * 1024;

/** Node ends a stream also when its connection is lost: the code tells the difference, from Node 26 on the session. */
function lossOf(stream: Http2Stream): Error | undefined {
  if (stream.rstCode) return new Error(`stream ended with code ${stream.rstCode}`);
  if (stream.session?.destroyed !== false) return new Error('stream ended with its connection');
  return undefined;
}

interface Waiting extends Deferred<number> {
  readonly target: Uint8Array;
  filled: number;
}

/**
 * Reads the body of a stream by counts of bytes, never by its `data` events. One read at a time. With
 * back-pressure: while nobody reads, the peer is stopped by its window.
 */
export class BodyReader {
  readonly #stream: Http2Stream;
  #queue: Buffer[] = [];
  #queued = 0;
  #ended = false;
  #error: Error | undefined;
  #waiting: Waiting | undefined;

  constructor(stream: Http2Stream) {
    this.#stream = stream;
    stream.on('data', (data: Buffer) => this.#onData(data));
    stream.on('end', () => this.#finish(lossOf(stream)));
    stream.on('error', (error) => this.#finish(error));
    stream.on('aborted', () => this.#finish(new Error('stream aborted')));
    stream.on('close', () => this.#finish(new Error('stream closed before the end of its body')));
  }

  /** Whether the body is over and everything was read. */
  get done(): boolean {
    return this.#ended && this.#queued === 0;
  }

  /** Fills `target`; gives fewer bytes only when the body ends. Rejects when the stream breaks. */
  readInto(target: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < target.length) {
      const head = this.#queue[0];
      if (head === undefined) break;
      const n = Math.min(head.length, target.length - filled);
      target.set(n === head.length ? head : head.subarray(0, n), filled);
      filled += n;
      this.#queued -= n;
      if (n === head.length) this.#queue.shift();
      else this.#queue[0] = head.subarray(n);
    }
    if (filled === target.length || this.#ended) return Promise.resolve(filled);
    if (this.#error !== undefined) return Promise.reject(this.#error);
    const waiting = { ...deferred<number>(), target, filled };
    this.#waiting = waiting;
    this.#stream.resume();
    return waiting.promise;
  }

  /** The first `n` bytes; fewer when the body ends before. */
  async read(n: number): Promise<Uint8Array> {
    const target = new Uint8Array(n);
    return target.subarray(0, await this.readInto(target));
  }

  /** Makes this and every further read reject; the stream itself goes on. */
  fail(error: Error): void {
    this.#finish(error);
    this.#error ??= error;
  }

  /**
   * Reads and forgets up to `limit` bytes; gives their number. Resolves early when the body ends, and when the stream
   * breaks.
   */
  async discard(limit: number): Promise<number> {
    const target = new Uint8Array(Math.min(limit, maxQueued));
    let done = 0;
    try {
      while (done < limit) {
        const n = await this.readInto(target.subarray(0, Math.min(target.length, limit - done)));
        done += n;
        if (n === 0 || this.done) break;
      }
    } catch {
      // Nobody waits for these bytes.
    }
    return done;
  }

  #onData(data: Buffer): void {
    let rest = data;
    const w = this.#waiting;
    if (w !== undefined) {
      const n = Math.min(rest.length, w.target.length - w.filled);
      w.target.set(n === rest.length ? rest : rest.subarray(0, n), w.filled);
      w.filled += n;
      rest = rest.subarray(n);
      if (w.filled === w.target.length) {
        this.#waiting = undefined;
        w.resolve(w.filled);
      }
    }
    if (rest.length === 0) return;
    this.#queue.push(rest);
    this.#queued += rest.length;
    if (this.#queued >= maxQueued) this.#stream.pause();
  }

  #finish(error: Error | undefined): void {
    if (this.#ended || this.#error !== undefined) return;
    if (error === undefined) this.#ended = true;
    else this.#error = error;
    const w = this.#waiting;
    this.#waiting = undefined;
    if (w === undefined) return;
    if (error === undefined) w.resolve(w.filled);
    else w.reject(error);
  }
}
