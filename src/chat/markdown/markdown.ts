import type { Color, Format, FormattedText } from '../../api/index.js';
import { isDomain, isEmail, isWebUri, parseLinkWord, simplexLinkFormat } from './links.js';

/**
 * The formatting of a message text (50-chat-messages.md 7): its fragments in order, or `undefined` when nothing is
 * formatted (the field is absent in the API then). A final line break is not part of the fragments. The time is
 * proportional to the length of the text.
 */
export function formatText(text: string): readonly FormattedText[] | undefined {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const [only] = lines;
  if (only === undefined) return undefined;
  if (lines.length === 1) {
    const rest = only.replace(/^ +/, '');
    if (rest === '' || rest === '/') return undefined;
    if (rest.startsWith('/')) return [{ format: { type: 'command', commandStr: rest.slice(1) }, text: only }];
  }
  const fragments = new Fragments();
  lines.forEach((line, i) => {
    if (i > 0) fragments.add('\n');
    formatLine(line, fragments);
  });
  return fragments.formatted ? fragments.list : undefined;
}

/** Fragments so far; neighbours of equal format become one. */
class Fragments {
  readonly list: FormattedText[] = [];
  formatted = false;
  #lastKey = '';

  add(text: string, format?: Format): void {
    if (text === '' && format === undefined) return;
    const key = format === undefined ? '' : JSON.stringify(format);
    const last = this.list.at(-1);
    if (last !== undefined && key === this.#lastKey) {
      this.list[this.list.length - 1] = { ...last, text: last.text + text };
    } else this.list.push(format === undefined ? { text } : { format, text });
    this.#lastKey = key;
    if (format !== undefined) this.formatted = true;
  }
}

const simpleFormats: Readonly<Record<string, Format>> = {
  '*': { type: 'bold' },
  _: { type: 'italic' },
  '~': { type: 'strikeThrough' },
  '`': { type: 'snippet' },
};

/** A rule reads a fragment at a position: where it ends, or `undefined` when the rule does not apply. */
type Rule = (line: string, at: number, out: Fragments) => number | undefined;

const rules: Readonly<Record<string, Rule>> = {
  '!': colored,
  '@': mention,
  '/': command,
  '[': hyperLink,
  '+': phone,
  ...Object.fromEntries([...'0123456789'].map((d) => [d, phone])),
};

function formatLine(line: string, out: Fragments): void {
  let at = 0;
  while (at < line.length) {
    const c = line[at] ?? '';
    const simple = simpleFormats[c];
    if (c === ' ') {
      let end = at + 1;
      while (line[end] === ' ') end++;
      out.add(line.slice(at, end));
      at = end;
    } else if (simple !== undefined) {
      at = enclosed(line, at, simple, out);
    } else if (c === '#') {
      at = secret(line, at, out);
    } else {
      at = rules[c]?.(line, at, out) ?? word(line, at, out);
    }
  }
}

function padded(s: string): boolean {
  return s === '' || s.startsWith(' ') || s.endsWith(' ');
}

/** `*text*`. Without the second mark the whole rest of the line is plain. */
function enclosed(line: string, at: number, format: Format, out: Fragments): number {
  const close = line.indexOf(line[at] ?? '', at + 1);
  if (close < 0) {
    out.add(line.slice(at));
    return line.length;
  }
  const inner = line.slice(at + 1, close);
  if (padded(inner)) out.add(line.slice(at, close + 1));
  else out.add(inner, format);
  return close + 1;
}

/** `#text#`; more marks on either side belong to the text. */
function secret(line: string, at: number, out: Fragments): number {
  let start = at + 1;
  while (line[start] === '#') start++;
  const close = line.indexOf('#', start);
  let end = close < 0 ? line.length : close;
  const inner = line.slice(start, end);
  while (line[end] === '#') end++;
  if (close < 0 || padded(inner)) out.add(line.slice(at, end));
  else out.add(line.slice(at + 1, end - 1), { type: 'secret' });
  return end;
}

const colors: readonly (readonly [RegExp, Color])[] = [
  [/r(?:ed)?|1/y, 'red'],
  [/g(?:reen)?|2/y, 'green'],
  [/b(?:lue)?|3/y, 'blue'],
  [/y(?:ellow)?|4/y, 'yellow'],
  [/c(?:yan)?|5/y, 'cyan'],
  [/m(?:agenta)?|6/y, 'magenta'],
];

const whiteSpace = /[\t-\r\p{Zs}]/u;

/** `!1 text!` or `!red text!`. */
function colored(line: string, at: number, out: Fragments): number | undefined {
  for (const [pattern, color] of colors) {
    pattern.lastIndex = at + 1;
    const name = pattern.exec(line)?.[0];
    if (name === undefined) continue;
    const start = at + 2 + name.length;
    const first = line[start] ?? '';
    if (!whiteSpace.test(line[start - 1] ?? '') || first === '' || first === ' ' || first === '!') return undefined;
    const close = line.indexOf('!', start);
    if (close < 0 || line[close - 1] === ' ') return undefined;
    out.add(line.slice(start, close), { type: 'colored', color });
    return close + 1;
  }
  return undefined;
}

/** What follows `@` or `/`: a name in quotes, or up to white space with its final punctuation apart. */
interface Token {
  readonly name: string;
  readonly quoted: boolean;
  readonly punctuation: string;
  readonly end: number;
}

const notFirst = (c: string): boolean => c <= ' ' || c === '#' || c === '@' || c === "'";

function token(line: string, at: number): Token | undefined {
  const quoted = line[at] === "'";
  const start = quoted ? at + 1 : at;
  const first = line[start];
  if (first === undefined || notFirst(first)) return undefined;
  if (quoted) {
    const close = line.indexOf("'", start);
    if (close < 0) return undefined;
    return { name: line.slice(start, close), quoted, punctuation: '', end: close + 1 };
  }
  const space = line.slice(start).search(whiteSpace);
  const end = space < 0 ? line.length : start + space;
  const [name, punctuation] = splitPunctuation(line.slice(start, end), () => true);
  return { name, quoted, punctuation, end };
}

/** `@name` or `@'name of several words'`. */
function mention(line: string, at: number, out: Fragments): number | undefined {
  const t = token(line, at + 1);
  if (t === undefined) return undefined;
  out.add(t.quoted ? `@'${t.name}'` : `@${t.name}`, { type: 'mention', memberName: t.name });
  out.add(t.punctuation);
  return t.end;
}

const keyword = /^[\p{L}0-9_]+$/u;

/** `/command` or `/'command and parameters'` inside a text. */
function command(line: string, at: number, out: Fragments): number | undefined {
  const t = token(line, at + 1);
  if (t === undefined) return undefined;
  const [first] = t.name.split(/[\t-\r\p{Zs}]+/u).filter((w) => w !== '');
  if (first === undefined || !keyword.test(first)) return undefined;
  out.add(t.quoted ? `/'${t.name}'` : `/${t.name}`, { type: 'command', commandStr: t.name });
  out.add(t.punctuation);
  return t.end;
}

const punctuationMark = /\p{P}/u;

/** `[text](link)`. A text with punctuation must be the link itself, so that it cannot pretend to be another. */
function hyperLink(line: string, at: number, out: Fragments): number | undefined {
  const close = line.indexOf(']', at + 1);
  if (close < 0 || close === at + 1 || line[close + 1] !== '(') return undefined;
  const end = line.indexOf(')', close + 2);
  if (end < 0 || end === close + 2) return undefined;
  const showText = line.slice(at + 1, close);
  const linkUri = line.slice(close + 2, end);
  const marks = showText.replace(/[-_]/g, '');
  if (punctuationMark.test(marks) && showText !== linkUri && `https://${showText}` !== linkUri) return undefined;
  const link = parseLinkWord(linkUri);
  if (link === undefined ? !isWebUri(linkUri) : link.form === 'full') return undefined;
  const format: Format =
    link === undefined ? { type: 'hyperLink', showText, linkUri } : simplexLinkFormat(link, showText);
  out.add(line.slice(at, end + 1), format);
  return end + 1;
}

/** At most 23 groups: with so many it is too long, and a line of thousands is not read again from each of them. */
const phonePattern = /(?:\+[0-9]+)?(?:[ .-]?\([0-9]+\))?(?:[ .-]?[0-9]+){0,23}/y;

/** A phone number: 7 to 22 characters of digits, single separators and one group in brackets. */
function phone(line: string, at: number, out: Fragments): number | undefined {
  phonePattern.lastIndex = at;
  const number = phonePattern.exec(line)?.[0] ?? '';
  if (number.length < 7 || number.length > 22) return undefined;
  out.add(number, { type: 'phone' });
  return at + number.length;
}

/** Splits the punctuation for which `counts` holds from the end. */
function splitPunctuation(s: string, counts: (c: string) => boolean): [string, string] {
  let end = s.length;
  while (end > 0) {
    const low = s.charCodeAt(end - 1);
    const size = low >= 0xdc00 && low <= 0xdfff && end > 1 ? 2 : 1;
    const c = s.slice(end - size, end);
    if (!counts(c) || !punctuationMark.test(c)) break;
    end -= size;
  }
  return [s.slice(0, end), s.slice(end)];
}

/** A word, up to the next space: a link, a domain, an e-mail address or plain. */
function word(line: string, at: number, out: Fragments): number {
  const space = line.indexOf(' ', at);
  const end = space < 0 ? line.length : space;
  const whole = line.slice(at, end);
  const [body, punctuation] = splitPunctuation(whole, (c) => c !== '/' && c !== ')');
  const format = wordFormat(whole, body);
  if (format === undefined) out.add(whole);
  else {
    out.add(body, format);
    out.add(punctuation);
  }
  return end;
}

const uriStart = /^(?:https?:\/\/|simplex:\/)/;

function wordFormat(whole: string, body: string): Format | undefined {
  if (body.length >= 10 && uriStart.test(body)) {
    const link = parseLinkWord(whole);
    if (link !== undefined) return simplexLinkFormat(link);
    return isWebUri(body) ? { type: 'uri' } : undefined;
  }
  if (isDomain(body)) return { type: 'uri' };
  return body.includes('@') && isEmail(body) ? { type: 'email' } : undefined;
}

/** The names of mentioned members, in the order of the text, with repetitions. */
export function mentionedNames(formatted: readonly FormattedText[] | undefined): readonly string[] {
  return (formatted ?? []).flatMap((f) => (f.format?.type === 'mention' ? [f.format.memberName] : []));
}

/** True when a text has a connection link in it (groups may prohibit them). */
export function hasSimplexLink(formatted: readonly FormattedText[] | undefined): boolean {
  return (formatted ?? []).some((f) => f.format?.type === 'simplexLink');
}

/** A local name as people write it in commands and mentions: quoted when it has spaces or ends in punctuation. */
export function quotedName(name: string): string {
  return /[\t-\r\p{Zs}]|\p{P}$/u.test(name) ? `'${name}'` : name;
}

/** A command to a bot, `/keyword params`, as bots read the text of a message. */
export function parseBotCommand(text: string): { readonly keyword: string; readonly params: string } | undefined {
  const m = /^\/(\S+)([\s\S]*)$/.exec(text);
  return m === null ? undefined : { keyword: m[1] ?? '', params: (m[2] ?? '').trim() };
}
