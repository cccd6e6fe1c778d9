import { DecodeError } from '../../wire/index.js';
import { type ConnectionRequest, parseConnectionRequest } from './connection-request.js';
import { parseShortLink, type ShortLink } from './short-link.js';

/** A link of any form. */
export type ConnectionLink =
  | { readonly form: 'full'; readonly request: ConnectionRequest }
  | { readonly form: 'short'; readonly link: ShortLink };

/**
 * Parses a full or a short link.
 * @throws DecodeError when it is neither
 */
export function parseConnectionLink(text: string): ConnectionLink {
  try {
    return { form: 'full', request: parseConnectionRequest(text) };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    // A link with the shape of a full one is reported as such.
    if (/^(?:simplex:|https:\/\/[^/]+)\/(?:invitation|contact)\b/.test(text)) throw error;
  }
  return { form: 'short', link: parseShortLink(text) };
}
