import { type ApiResponse, invalidRequest, isJsonObject, parseJson } from '../api/index.js';
import { parseLargeRequest } from './large-request.js';

/** A request of a client (70-bot-api.md 1.2). */
export interface ApiRequest {
  readonly corrId: string;
  readonly cmd: string;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
/** Messages above this many bytes are read without copies. */
export const largeRequest = 256 * 1024;

/** Text and binary frames are both UTF-8 JSON; `undefined` when it is no request. Other keys are ignored. */
export function parseRequest(data: Uint8Array): ApiRequest | undefined {
  if (data.length > largeRequest) return parseLargeRequest(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  let text: string;
  try {
    text = utf8.decode(data);
  } catch {
    return undefined;
  }
  const json = parseJson(text);
  if (!isJsonObject(json)) return undefined;
  const { corrId, cmd } = json;
  return typeof corrId === 'string' && typeof cmd === 'string' ? { corrId, cmd } : undefined;
}

/** A response as a message. */
export function responseMessage(corrId: string, response: ApiResponse): string {
  return `{"corrId":${JSON.stringify(corrId)},"resp":${JSON.stringify(withLegacyKeys(response))}}`;
}

/** The answer to what is no request: it has no `corrId`. */
export const invalidRequestMessage = `{"resp":${JSON.stringify(invalidRequest)}}`;

/** An event as a message; clients that asked for numbers get them beside it. */
export function eventMessage(json: string, seq?: number): string {
  return seq === undefined ? `{"resp":${json}}` : `{"seq":${seq},"resp":${json}}`;
}

/** Says that events after `from` up to `to` are no longer in the log. */
export function eventsLostMessage(from: number, to: number): string {
  return eventMessage(JSON.stringify({ type: 'eventsLost', from, to }), to);
}

/**
 * Keys that the npm client simplex-chat 0.2.1 reads (70-bot-api.md 9): the short link if there is one, else the full
 * link. The address in `contactLink` has its key already.
 */
function withLegacyKeys(response: ApiResponse): ApiResponse {
  switch (response.type) {
    case 'invitation': {
      const { connFullLink, connShortLink } = response.connLinkInvitation;
      return { ...response, connReqInvitation: connShortLink ?? connFullLink };
    }
    case 'userContactLinkCreated': {
      const { connFullLink, connShortLink } = response.connLinkContact;
      return { ...response, connReqContact: connShortLink ?? connFullLink };
    }
    case 'userContactLink':
    case 'userContactLinkUpdated': {
      const { connFullLink, connShortLink } = response.contactLink.connLinkContact;
      return { ...response, contactLink: { ...response.contactLink, connReqContact: connShortLink ?? connFullLink } };
    }
    default:
      return response;
  }
}
