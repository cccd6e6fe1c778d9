import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import type { ApiResponse, ChatError } from '../api/index.js';
import type { ChatEngine } from '../chat/index.js';
import { errorMessage, FanionError } from '../core/index.js';

/**
 * Makes a folder when it is not there.
 * @throws FanionError `FOLDER` when it cannot be made or written
 */
export async function useFolder(folder: string, what: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new FanionError('FOLDER', `cannot write to the folder ${folder} (${what}): ${errorMessage(cause)}`, {
      cause,
    });
  }
}

/** An error of the engine for people: known ones as a sentence, others by their tags. */
export function describeError(error: ChatError): string {
  if (error.type === 'errorAgent' && error.agentError.type === 'BROKER') {
    const { brokerAddress, brokerErr } = error.agentError;
    const host = brokerAddress.replace(/^.*@/, '');
    switch (brokerErr.type) {
      case 'NETWORK':
      case 'HOST':
        return `the server ${host} cannot be reached`;
      case 'TIMEOUT':
        return `the server ${host} does not answer`;
      default:
    }
  }
  if (error.type === 'errorAgent' && error.agentError.type === 'SMP' && error.agentError.smpErr.type === 'AUTH') {
    return 'the link is not valid any more: it was used or deleted';
  }
  if (error.type === 'error' && error.errorType.type === 'commandError') return error.errorType.message;
  return JSON.stringify(error);
}

/** The response of one type; an error of the engine becomes one of the program. */
function expectType<T extends ApiResponse['type']>(
  response: ApiResponse,
  type: T,
  doing: string,
): Extract<ApiResponse, { type: T }> {
  if (response.type === type) return response as Extract<ApiResponse, { type: T }>;
  const error = response.type === 'chatCmdError' ? describeError(response.chatError) : response.type;
  throw new FanionError('SETUP', `${doing} failed: ${error}`);
}

/**
 * The name of the active user; the only user becomes it. Without any user and with `displayName` a bot profile is made, as the official program
 * does with `--create-bot-display-name`.
 */
export async function ensureUser(
  engine: ChatEngine,
  displayName: string | undefined,
  allowFiles: boolean,
  kind: 'bot' | 'human' = 'bot',
): Promise<string | undefined> {
  const current = await engine.execute('/u');
  if (current.type === 'activeUser') return current.user.profile.displayName;
  const listed = expectType(await engine.execute('/users'), 'usersList', 'listing the profiles');
  const [only, ...others] = listed.users;
  if (only !== undefined) {
    // The only profile is the one that is meant; among several the clients choose.
    if (others.length > 0) return undefined;
    const { userId } = only.user;
    return expectType(await engine.execute(`/_user ${userId}`), 'activeUser', 'choosing the profile').user.profile
      .displayName;
  }
  if (displayName === undefined) return undefined;
  const profile = {
    displayName,
    fullName: '',
    ...(kind === 'bot' ? { peerType: 'bot' } : {}),
    ...(allowFiles ? {} : { preferences: { files: { allow: 'no' } } }),
  };
  const request = { profile, sameServers: true, pastTimestamp: false };
  const created = expectType(
    await engine.execute(`/_create user ${JSON.stringify(request)}`),
    'activeUser',
    `creating the profile ${displayName}`,
  );
  return created.user.profile.displayName;
}

/** The link of the active user's contact address; made, with auto-accept, when there is none. */
export async function ensureAddress(engine: ChatEngine): Promise<string> {
  const shown = await engine.execute('/show_address');
  if (shown.type === 'userContactLink') {
    const { connLinkContact } = shown.contactLink;
    return connLinkContact.connShortLink ?? connLinkContact.connFullLink;
  }
  const created = expectType(await engine.execute('/address'), 'userContactLinkCreated', 'creating the address');
  await engine.execute('/auto_accept on');
  return created.connLinkContact.connShortLink ?? created.connLinkContact.connFullLink;
}
