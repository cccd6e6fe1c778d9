import path from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { Command } from 'commander';
import { parseConnectionLink } from '../agent/index.js';
import type { ApiEvent, ApiResponse } from '../api/index.js';
import { type LocalEngine, openLocalEngine } from '../chat/index.js';
import { type Deferred, deferred, errorMessage, FanionError } from '../core/index.js';
import { formatServer } from '../smp/index.js';
import { programLogger } from './logging.js';
import { addEngineOptions, type EngineFlags, engineOptions, wholeNumber } from './options.js';
import { describeError, ensureUser, useFolder } from './setup.js';

interface ChatFlags extends EngineFlags {
  readonly name: string;
  readonly time: number;
}

/** `fanion chat [link]`: a chat client in the terminal. */
export function chatCommand(): Command {
  const command = new Command('chat')
    .description('Chat in the terminal: connects to the link, then sends what you type.')
    .argument('[link]', 'an invitation or an address; without it the last chat goes on')
    .option('-n, --name <name>', 'your display name', process.env.USER ?? 'me')
    .option(
      '-t, --time <seconds>',
      'when the input is no terminal: how long to wait for answers after its end',
      wholeNumber(0, 86_400),
      3,
    );
  return addEngineOptions(command, 'chat').action((link: string | undefined, flags: ChatFlags) => chat(link, flags));
}

/**
 * The server of a link to a relay of one's own (loopback or a local network): the answer has to come by it too, since
 * the preset servers may be out of reach from there.
 */
function ownServer(link: string | undefined): string[] | undefined {
  if (link === undefined) return undefined;
  const parsed = parseConnectionLink(link);
  const server = parsed.form === 'short' ? parsed.link.server : parsed.request.queues[0].address.server;
  const [host] = server.hosts;
  const local = /^(?:localhost|127\.|10\.|192\.168\.|::1$)/.test(host);
  return local && server.keyHash.length > 0 ? [formatServer(server)] : undefined;
}

async function chat(link: string | undefined, flags: ChatFlags): Promise<void> {
  let own: string[] | undefined;
  try {
    own = ownServer(link);
  } catch (cause) {
    throw new FanionError('BAD_LINK', 'that is not a SimpleX link', { cause });
  }
  if (!flags.database.startsWith('postgres')) {
    await useFolder(path.dirname(path.resolve(flags.database)), 'of the database');
  }
  const options = engineOptions(flags);
  const local = await openLocalEngine({
    ...(own === undefined ? {} : { smpServers: own }),
    ...options,
    logger: programLogger('fanion-chat', flags),
  });
  const session = new TerminalSession(local);
  try {
    await session.run(link, flags);
  } finally {
    await local.close();
  }
}

type ChatItems = Extract<ApiEvent, { type: 'newChatItems' }>['chatItems'];

/** One person at a terminal: lines in, messages and what happens to contacts out. */
class TerminalSession {
  readonly #local: LocalEngine;
  /** Made when lines can be handled: what is read before nobody gets. */
  #lines: Interface | undefined;
  #contact: { readonly contactId: number; readonly name: string } | undefined;
  /** The contact of the link is on its way; lines wait for it. */
  #connecting: Deferred<void> | undefined;
  readonly #stopping = deferred<void>();
  #stopped = false;
  /** Tenths of a second in which nothing has come. */
  #quiet = 0;

  constructor(local: LocalEngine) {
    this.#local = local;
  }

  #print(text: string): void {
    // Rewrites the prompt, so that what is being typed stays below what arrives.
    if (process.stdout.isTTY) process.stdout.write('\r\u001b[K');
    process.stdout.write(`${text}\n`);
    if (process.stdout.isTTY) this.#lines?.prompt(true);
  }

  async run(link: string | undefined, { name, time }: ChatFlags): Promise<void> {
    const { engine } = this.#local;
    process.once('SIGTERM', () => this.#stop());
    if (!process.stdin.isTTY) process.once('SIGINT', () => this.#stop());
    await ensureUser(engine, name, true, 'human');
    const stop = engine.listen(({ event }) => this.#event(event));
    await engine.start();
    if (link === undefined) await this.#lastChat();
    else await this.#connect(link);
    this.#print('Type a message and press Enter. /quit ends, other /commands go to the engine.');
    const lines = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' });
    this.#lines = lines;
    const ended = Promise.race([new Promise<void>((resolve) => lines.once('close', resolve)), this.#stopping.promise]);
    // Lines are handled one after the other: what was typed first is sent first.
    let last: Promise<void> = Promise.resolve();
    lines.on('line', (line) => {
      last = last.then(() => this.#line(line)).catch((error: unknown) => this.#print(`! ${errorMessage(error)}`));
    });
    if (process.stdin.isTTY) lines.prompt();
    await ended;
    if (process.stdin.isTTY || this.#stopped) {
      stop();
      return;
    }
    // Lines of a pipe are all sent, then answers may come.
    await Promise.race([last, this.#stopping.promise]);
    while (!this.#stopped && this.#quiet < time * 10) {
      this.#quiet++;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    stop();
  }

  #stop(): void {
    this.#stopped = true;
    this.#stopping.resolve();
    this.#lines?.close();
    // Whatever it is busy with: it was told to end.
    setTimeout(() => process.exit(0), 4_000).unref();
  }

  async #connect(link: string): Promise<void> {
    const response = await this.#local.engine.execute(`/connect ${link}`);
    switch (response.type) {
      case 'sentConfirmation':
      case 'sentInvitation':
        this.#print('Connecting ...');
        this.#connecting = deferred();
        return;
      case 'contactAlreadyExists':
        this.#use(response.contact.contactId, response.contact.localDisplayName);
        return;
      case 'connectionPlan': {
        // Nothing was sent: the link is known already.
        const { connectionPlan } = response;
        const plan =
          connectionPlan.type === 'contactAddress'
            ? connectionPlan.contactAddressPlan
            : connectionPlan.type === 'invitationLink'
              ? connectionPlan.invitationLinkPlan
              : undefined;
        const contact = plan !== undefined && 'contact' in plan ? plan.contact : undefined;
        if (contact?.activeConn?.connStatus === 'ready' || contact?.activeConn?.connStatus === 'snd-ready') {
          this.#use(contact.contactId, contact.localDisplayName);
          return;
        }
        if (contact !== undefined || plan?.type === 'connectingConfirmReconnect') {
          this.#print('Connecting ...');
          this.#connecting = deferred();
          return;
        }
        throw new FanionError('CONNECT', `cannot connect: the link leads to ${plan?.type ?? connectionPlan.type}`);
      }
      default:
        throw new FanionError('CONNECT', `cannot connect: ${describe(response)}`);
    }
  }

  async #lastChat(): Promise<void> {
    const response = await this.#local.engine.execute('/contacts');
    const contacts = response.type === 'contactsList' ? response.contacts : [];
    const last = contacts.at(-1);
    if (last === undefined) this.#print('No contacts yet: start with `fanion chat <link>`.');
    else this.#use(last.contactId, last.localDisplayName);
  }

  #use(contactId: number, name: string): void {
    this.#contact = { contactId, name };
    this.#connecting?.resolve();
    this.#connecting = undefined;
    this.#print(`You are talking to ${name}.`);
  }

  async #line(line: string): Promise<void> {
    const text = line.trimEnd();
    if (text === '') return;
    if (text === '/quit' || text === '/q') {
      this.#stop();
      return;
    }
    if (text.startsWith('/')) {
      this.#print(describe(await this.#local.engine.execute(text)));
      return;
    }
    if (this.#connecting !== undefined) await Promise.race([this.#connecting.promise, this.#stopping.promise]);
    if (this.#contact === undefined) {
      this.#print('! Not connected yet: the message was not sent.');
      return;
    }
    const messages = [{ msgContent: { type: 'text', text } }];
    const response = await this.#local.engine.execute(
      `/_send @${this.#contact.contactId} json ${JSON.stringify(messages)}`,
    );
    if (response.type !== 'newChatItems') this.#print(`! ${describe(response)}`);
    if (process.stdout.isTTY) this.#lines?.prompt();
  }

  #event(event: ApiEvent): void {
    this.#quiet = 0;
    switch (event.type) {
      case 'newChatItems':
        this.#items(event.chatItems);
        return;
      case 'contactSndReady':
      case 'contactConnected':
        if (this.#contact?.contactId !== event.contact.contactId) {
          this.#use(event.contact.contactId, event.contact.localDisplayName);
        }
        return;
      case 'chatItemUpdated':
        this.#items([event.chatItem]);
        return;
      case 'contactDeletedByContact':
        this.#print(`${event.contact.localDisplayName} deleted the contact.`);
        return;
      case 'receivedContactRequest':
        this.#print(
          `${event.contactRequest.localDisplayName} wants to connect: /_accept ${event.contactRequest.contactRequestId}`,
        );
        return;
      default:
    }
  }

  #items(items: ChatItems): void {
    for (const { chatInfo, chatItem } of items) {
      const { content } = chatItem;
      if (content.type !== 'rcvMsgContent') continue;
      const from =
        chatInfo.type === 'direct'
          ? chatInfo.contact.localDisplayName
          : chatInfo.type === 'group'
            ? `#${chatInfo.groupInfo.localDisplayName}`
            : 'me';
      const { text } =
        chatItem.meta.itemText === ''
          ? { text: `[${String(content.msgContent.type)}]` }
          : { text: chatItem.meta.itemText };
      this.#print(`${from}> ${text}`);
    }
  }
}

/** A response in a line: errors by their tags, other responses as JSON. */
function describe(response: ApiResponse): string {
  if (response.type !== 'chatCmdError') return JSON.stringify(response);
  return describeError(response.chatError);
}
