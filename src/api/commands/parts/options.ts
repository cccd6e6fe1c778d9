import type { AddressSettings, ChatDeleteMode } from '../../types.generated.js';
import type { CommandInput } from '../input.js';
import type { ChatPagination, CommandRole, TimePagination } from '../types.js';
import { optionalContent } from './contents.js';

/** Options that many commands share: roles, pages, times, modes (70-bot-api.md 3.2). */

/** A role with the space before it. `author` is not accepted. */
export function role(p: CommandInput): CommandRole {
  p.literal(' ');
  return p.keyword({
    owner: 'owner',
    admin: 'admin',
    moderator: 'moderator',
    member: 'member',
    observer: 'observer',
  } as const);
}

/** ` incognito=on|off`; off without it. */
export function incognitoOption(p: CommandInput): boolean {
  return (
    p.optional(() => {
      p.space();
      p.literal('incognito=');
      return p.onOff();
    }) ?? false
  );
}

/** ` incognito` or ` i` of the commands for people. */
export function incognitoWord(p: CommandInput): boolean {
  return (
    p.optional(() => {
      p.space();
      return p.keyword({ incognito: true, i: true });
    }) ?? false
  );
}

/** `count=N`, `initial=N`, or `after=`, `before=`, `around=` an item and ` count=N`. */
export function chatPagination(p: CommandInput): ChatPagination {
  const type = p.keyword({
    'count=': 'last',
    'after=': 'after',
    'before=': 'before',
    'around=': 'around',
    'initial=': 'initial',
  } as const);
  if (type === 'last' || type === 'initial') return { type, count: p.number() };
  const itemId = p.number();
  p.space();
  p.literal('count=');
  return { type, itemId, count: p.number() };
}

/** `count=N`, or `after=` or `before=` a time and ` count=N`. */
export function timePagination(p: CommandInput): TimePagination {
  const type = p.keyword({ 'count=': 'last', 'after=': 'after', 'before=': 'before' } as const);
  if (type === 'last') return { type, count: p.number() };
  const start = p.pos;
  const time = parseTime(p.word('a time'));
  if (time === undefined) {
    p.pos = start;
    return p.fail('a time (ISO 8601)');
  }
  p.space();
  p.literal('count=');
  return { type, time, count: p.number() };
}

const isoTime = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,12})?)?(Z|[+-]\d{2}:?\d{2})$/;

/** ISO 8601 with any fraction and `Z` or an offset (70-bot-api.md 2.2) to milliseconds since the epoch. */
export function parseTime(text: string): number | undefined {
  const m = isoTime.exec(text);
  if (m === null) return undefined;
  const [, date = '', hours = '', seconds = ':00', zone = 'Z'] = m;
  const offset = zone === 'Z' || zone.includes(':') ? zone : `${zone.slice(0, 3)}:${zone.slice(3)}`;
  const ms = Date.parse(`${date}T${hours}${seconds}${offset}`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** ` full[ notify=]`, ` entity[ notify=]`, ` messages`, ` notify=` or nothing (full). */
export function deleteMode(p: CommandInput): ChatDeleteMode {
  const notify = (): boolean => p.option(' notify=', () => p.onOff()) ?? true;
  if (p.has(' full')) return { type: 'full', notify: notify() };
  if (p.has(' entity')) return { type: 'entity', notify: notify() };
  if (p.has(' messages')) return { type: 'messages' };
  return { type: 'full', notify: notify() };
}

/** `on[ incognito=on|off][ <content>]`, `on business[ <content>]` or `off`. */
export function autoAccept(p: CommandInput): AddressSettings {
  if (!p.onOff()) return { businessAddress: false };
  const business = p.has(' business');
  const acceptIncognito = business ? false : (p.option(' incognito=', () => p.onOff()) ?? false);
  const autoReply = optionalContent(p);
  return {
    businessAddress: business,
    autoAccept: { acceptIncognito },
    ...(autoReply === undefined ? {} : { autoReply }),
  };
}

/** Seconds by name, or a number of seconds. */
export function timedTTL(p: CommandInput): number {
  return p.first(
    () => p.keyword({ '30s': 30, '5min': 300, '1h': 3600, '8h': 28_800, day: 86_400, week: 604_800, month: 2_592_000 }),
    () => p.number(),
  );
}

/** `day`, `week`, `month`, `year` or `none`, in seconds. */
export function itemTTL(p: CommandInput): number {
  return p.keyword({ day: 86_400, week: 604_800, month: 2_592_000, year: 31_536_000, none: 0 });
}
