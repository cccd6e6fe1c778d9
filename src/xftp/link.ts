import { DecodeError } from '../wire/index.js';
import type { FileDescription } from './description.js';
import { formatFileDescription, parseFileDescription } from './description-yaml.js';

/** Links up to this many characters fit one QR code; a longer description is sent as a redirect. */
export const maxFileLinkLength = 1002;

/** A file behind a link; `clientData` is free-form text (JSON) for the application. */
export interface FileLink {
  readonly description: FileDescription;
  readonly clientData?: string;
}

/** Everything but `A-Z a-z 0-9 - _ . ~` becomes `%XX`. */
function escapeValue(s: string): string {
  return encodeURIComponent(s).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function unescapeValue(s: string): string {
  try {
    return decodeURIComponent(s.replaceAll('+', ' '));
  } catch (cause) {
    throw new DecodeError('fileLink', 'bad percent encoding', 0, cause);
  }
}

/** `simplex:/file#/?desc=...[&data=...]` (40-xftp, section 4.4). */
export function formatFileLink(link: FileLink): string {
  const data = link.clientData === undefined ? '' : `&data=${escapeValue(link.clientData)}`;
  return `simplex:/file#/?desc=${escapeValue(formatFileDescription(link.description))}${data}`;
}

/** Reads both the `simplex:` and the `https:` form. Other parameters are ignored; a space or line end ends the link. */
export function parseFileLink(text: string): FileLink {
  const m = /^(?:simplex:|https:\/\/[A-Za-z0-9.-]+(?::\d{1,5})?)\/file\/?#\/?\?([^ \n]*)$/.exec(text.trim());
  if (m === null) throw new DecodeError('fileLink', 'not a file link', 0);
  let desc: string | undefined;
  let clientData: string | undefined;
  for (const pair of (m[1] ?? '').split('&')) {
    const at = pair.indexOf('=');
    const name = at < 0 ? pair : pair.slice(0, at);
    const value = at < 0 ? '' : pair.slice(at + 1);
    if (name === 'desc') desc ??= unescapeValue(value);
    else if (name === 'data') clientData ??= unescapeValue(value);
  }
  if (desc === undefined) throw new DecodeError('fileLink', 'no description', 0);
  const description = parseFileDescription(desc, 'recipient');
  return clientData === undefined ? { description } : { description, clientData };
}
