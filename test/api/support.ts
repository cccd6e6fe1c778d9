import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';

/** The built program: `npm test` and `npm run soak` build it first. */
export const programFile =
  process.env.FANION_PROGRAM ?? fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** What the tests of one file make: folders and processes, all gone after `clean`. */
export class Workshop {
  readonly #folders: string[] = [];
  readonly #programs: Program[] = [];

  folder(): string {
    const folder = mkdtempSync(path.join(tmpdir(), 'fanion-api-'));
    this.#folders.push(folder);
    return folder;
  }

  /** Starts `fanion <args>`. */
  fanion(args: readonly string[], options: ProgramOptions = {}): Program {
    const program = new Program(args, options);
    this.#programs.push(program);
    return program;
  }

  /** Starts `fanion serve` and waits until it takes clients. */
  async serve(args: readonly string[], options: ProgramOptions = {}): Promise<Serve> {
    const program = this.fanion(['serve', '-p', '0', ...args], options);
    const url = (await program.line(/^Bot API: (ws:\S+)$/m))[1];
    if (url === undefined) throw new Error('no URL');
    return { program, url };
  }

  /** Starts `fanion relay` and waits for its address. */
  async relay(args: readonly string[]): Promise<{ program: Program; address: string; port: number }> {
    const program = this.fanion(['relay', ...args]);
    const [, address = '', port] = await program.line(/^(smp:\/\/\S+:(\d+))$/m);
    return { program, address, port: Number(port) };
  }

  async clean(): Promise<void> {
    await Promise.all(this.#programs.splice(0).map((p) => p.kill()));
    for (const folder of this.#folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  }
}

export interface Serve {
  readonly program: Program;
  readonly url: string;
}

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** One run of the program. */
export class Program {
  readonly child: ChildProcess;
  out = '';
  err = '';
  /** The exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  readonly #args: readonly string[];
  #over: number | string | undefined;

  constructor(args: readonly string[], options: ProgramOptions = {}) {
    this.#args = args;
    const { FANION_KEY: _key, FANION_API_TOKEN: _token, ...env } = process.env;
    const child = spawn(process.execPath, [programFile, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    this.child = child;
    child.stdin.on('error', () => {});
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.err += text;
    });
    this.ended = once(child, 'close').then(([code, signal]) => {
      this.#over = typeof code === 'number' ? code : String(signal);
      return this.#over;
    });
  }

  /** What standard output has matched `pattern`, when it does. */
  async line(pattern: RegExp, ms = 30_000): Promise<RegExpExecArray> {
    const until = Date.now() + ms;
    for (;;) {
      const match = pattern.exec(this.out);
      if (match !== null) return match;
      if (this.#over !== undefined)
        throw new Error(`fanion ${this.#args[0]} ended with ${this.#over}: ${this.err}${this.out}`);
      if (Date.now() > until) throw new Error(`no ${pattern} in ${ms} ms: ${this.err}${this.out}`);
      await sleep(10);
    }
  }

  type(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  /** Sends a signal; gives how it ended and the milliseconds that took. */
  async stop(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<{ code: number | string; ms: number }> {
    const start = Date.now();
    this.child.kill(signal);
    return { code: await this.ended, ms: Date.now() - start };
  }

  async kill(): Promise<void> {
    if (this.#over === undefined) this.child.kill('SIGKILL');
    await this.ended;
  }

  get running(): boolean {
    return this.#over === undefined;
  }

  /** The largest resident memory so far, in MB (Linux; 0 elsewhere). */
  peakMemory(): number {
    const file = `/proc/${this.child.pid}/status`;
    if (!existsSync(file)) return 0;
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(file, 'utf8'))?.[1] ?? 0) / 1024;
  }
}

/** A JSON object of the API. */
export type Json = { readonly [key: string]: unknown };

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export interface ApiMessage {
  readonly corrId?: string;
  readonly seq?: number;
  readonly resp: Json & { readonly type: string };
}

export interface ConnectOptions {
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Called for each event as it comes, from the first one on. */
  readonly onEvent?: (message: ApiMessage) => void;
}

/** A client of the WebSocket API. */
export class Client {
  readonly ws: WebSocket;
  /** Everything that came and is no response, in order. */
  readonly events: ApiMessage[] = [];
  readonly closed: Promise<number>;
  readonly #waiting = new Map<string, (resp: ApiMessage['resp'] | undefined) => void>();
  #corrId = 0;

  private constructor(ws: WebSocket, onEvent: (message: ApiMessage) => void) {
    this.ws = ws;
    ws.on('error', () => {});
    this.closed = new Promise((resolve) => {
      ws.on('close', (code) => {
        for (const waiting of this.#waiting.values()) waiting(undefined);
        this.#waiting.clear();
        resolve(code);
      });
    });
    ws.on('message', (data) => {
      const message = JSON.parse(String(data)) as ApiMessage;
      if (message.corrId === undefined) {
        this.events.push(message);
        onEvent(message);
      } else {
        this.#waiting.get(message.corrId)?.(message.resp);
        this.#waiting.delete(message.corrId);
      }
    });
  }

  static connect(url: string, options: ConnectOptions = {}): Promise<Client> {
    const ws = new WebSocket(`${url}/${options.query ?? ''}`, { headers: { ...options.headers } });
    const client = new Client(ws, options.onEvent ?? (() => {}));
    return new Promise((resolve, reject) => {
      ws.once('open', () => resolve(client));
      ws.once('error', reject);
      ws.once('unexpected-response', (_request, response) => {
        ws.terminate();
        reject(new Refused(response.statusCode ?? 0));
      });
    });
  }

  /** The response to a command; `undefined` when the connection ended before it came. */
  try(cmd: string): Promise<ApiMessage['resp'] | undefined> {
    const corrId = String(++this.#corrId);
    return new Promise((resolve) => {
      if (this.ws.readyState !== this.ws.OPEN) {
        resolve(undefined);
        return;
      }
      this.#waiting.set(corrId, resolve);
      this.ws.send(JSON.stringify({ corrId, cmd }));
    });
  }

  /** The response to a command; `type` is what it must be. */
  async cmd(cmd: string, type?: string): Promise<ApiMessage['resp']> {
    const resp = await this.try(cmd);
    if (resp === undefined) throw new Error(`no answer to ${cmd}`);
    if (type !== undefined && resp.type !== type) throw new Error(`${cmd}: ${JSON.stringify(resp).slice(0, 500)}`);
    return resp;
  }

  /** The first event that has come or comes and fits. */
  async event(fits: (resp: ApiMessage['resp']) => boolean, ms = 30_000): Promise<ApiMessage['resp']> {
    const until = Date.now() + ms;
    for (let i = 0; ; ) {
      for (; i < this.events.length; i++) {
        const message = this.events[i];
        if (message !== undefined && fits(message.resp)) return message.resp;
      }
      if (Date.now() > until)
        throw new Error(`no such event in ${ms} ms: ${this.events.map((e) => e.resp.type).join(' ')}`);
      await sleep(5);
    }
  }

  close(): void {
    this.ws.terminate();
  }
}

/** The server answered the upgrade with another status. */
export class Refused extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`refused with ${status}`);
    this.status = status;
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The value at a path of keys and indexes, or `undefined`. */
export function at(value: unknown, ...keys: readonly (string | number)[]): unknown {
  let v: unknown = value;
  for (const key of keys) {
    if (typeof v !== 'object' || v === null) return undefined;
    v = Reflect.get(v, key);
  }
  return v;
}

/** Texts of the received messages in a `newChatItems`. */
export function receivedTexts(resp: ApiMessage['resp']): string[] {
  if (resp.type !== 'newChatItems' || !Array.isArray(resp.chatItems)) return [];
  return resp.chatItems
    .filter((item: unknown) => at(item, 'chatItem', 'content', 'type') === 'rcvMsgContent')
    .map((item: unknown) => String(at(item, 'chatItem', 'content', 'msgContent', 'text')));
}

/** Makes contacts of two clients; gives each one's id of the other. */
export async function connectContacts(a: Client, b: Client): Promise<{ a: number; b: number }> {
  const invitation = await a.cmd('/_connect 1', 'invitation');
  await b.cmd(`/connect ${at(invitation, 'connLinkInvitation', 'connFullLink')}`, 'sentConfirmation');
  const isConnected = (resp: ApiMessage['resp']): boolean => resp.type === 'contactConnected';
  const [ofA, ofB] = await Promise.all([a.event(isConnected), b.event(isConnected)]);
  return { a: Number(at(ofA, 'contact', 'contactId')), b: Number(at(ofB, 'contact', 'contactId')) };
}
