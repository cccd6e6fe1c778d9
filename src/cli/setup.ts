import type { ApiResponse } from '../api/index.js';
import type { ChatEngine } from '../chat/index.js';
import { FanionError } from '../core/index.js';

/** The response of one type; an error of the engine becomes one of the program. */
function expectType<T extends ApiResponse['type']>(
  response: ApiResponse,
  type: T,
  doing: string,
): Extract<ApiResponse, { type: T }> {
  if (response.type === type) return response as Extract<ApiResponse, { type: T }>;
  const error = response.type === 'chatCmdError' ? JSON.stringify(response.chatError) : response.type;
  throw new FanionError('SETUP', `${doing} failed: ${error}`);
}

/**
 * The name of the active user. Without any user and with `displayName` a bot profile is made, as the official program
 * does with `--create-bot-display-name`.
 */
export async function ensureUser(
  engine: ChatEngine,
  displayName: string | undefined,
  allowFiles: boolean,
): Promise<string | undefined> {
  const current = await engine.execute('/u');
  if (current.type === 'activeUser') return current.user.profile.displayName;
  if (displayName === undefined) return undefined;
  const profile = {
    displayName,
    fullName: '',
    peerType: 'bot',
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
