import { DecodeError, parseQuery, percentEncode, queryValue } from '../wire/index.js';
import type { FileDescription } from './description.js';
import { formatFileDescription, parseFileDescription } from './description-yaml.js';

/** A file behind a link; `clientData` is free-form text (JSON) for the application. */
export interface FileLink {
  readonly description: FileDescription;
  readonly clientData?: string;
}

/** `simplex:/file#/?desc=...[&data=...]` (40-xftp, section 4.4). */
export function formatFileLink(link: FileLink): string {
  const data = link.clientData === undefined ? '' : `&data=${percentEncode(link.clientData)}`;
  return `simplex:/file#/?desc=${percentEncode(formatFileDescription(link.description))}${data}`;
}

/** Reads both the `simplex:` and the `https:` form. Other parameters are ignored; a space or line end ends the link. */
export function parseFileLink(text: string): FileLink {
  const m = /^(?:simplex:|https:\/\/[A-Za-z0-9.-]+(?::\d{1,5})?)\/file\/?#\/?\?([^ \n]*)$/.exec(text.trim());
  if (m === null) throw new DecodeError('fileLink', 'not a file link', 0);
  const query = parseQuery(m[1] ?? '', 'fileLink');
  const desc = queryValue(query, 'desc');
  const clientData = queryValue(query, 'data');
  if (desc === undefined) throw new DecodeError('fileLink', 'no description', 0);
  const description = parseFileDescription(desc, 'recipient');
  return clientData === undefined ? { description } : { description, clientData };
}
