import { SchemaMismatch } from '../../decode.js';
import { isJsonObject } from '../../json.js';
import type { AddressSettings, NewUser, Profile } from '../../types.generated.js';
import type { CommandInput } from '../input.js';
import {
  autoAccept,
  bio,
  botCommands,
  decoder,
  displayName,
  jsonPassword,
  msgText,
  password,
  path,
  typed,
} from '../parts/index.js';
import type { UserMsgReceiptSettings } from '../types.js';
import { command, type GrammarEntry, plain } from './entry.js';

const id = (p: CommandInput): { userId: number } => ({ userId: p.number() });

function userPassword(p: CommandInput): { userId: number; viewPwd: string } {
  const userId = p.number();
  p.space();
  return { userId, viewPwd: jsonPassword(p) };
}

function optionalPassword(p: CommandInput, read: (p: CommandInput) => string): string | undefined {
  return p.optional(() => {
    p.space();
    return read(p);
  });
}

function receiptSettings(p: CommandInput): UserMsgReceiptSettings {
  return { enable: p.onOff(), clearOverrides: p.option(' clear_overrides=', () => p.onOff()) ?? false };
}

function userReceiptSettings(p: CommandInput): { userId: number; settings: UserMsgReceiptSettings } {
  const userId = p.number();
  p.space();
  return { userId, settings: receiptSettings(p) };
}

/** `pastTimestamp` may be missing beside a profile (clients of other origin leave it out). */
function newUser(p: CommandInput): NewUser {
  return p.json('NewUser', (v) => {
    if (!isJsonObject(v)) throw new SchemaMismatch('$', 'an object');
    const full = isJsonObject(v.profile) ? { pastTimestamp: false, ...v } : v;
    return decoder<NewUser>('NewUser')(full);
  });
}

function namedProfile(p: CommandInput): Profile {
  const displayName_ = displayName(p);
  const shortDescr = bio(p);
  return { displayName: displayName_, fullName: '', ...(shortDescr === undefined ? {} : { shortDescr }) };
}

const imageData = /^data:image\/(?:png|jpg);base64,[A-Za-z0-9+/]*={0,2}$/;

/** Options of `/_start` of old and of later clients, without effect. */
function ignoredStartOption(p: CommandInput): boolean {
  p.literal(' ');
  p.keyword({ 'subscribe=': true, 'expire=': true, 'xftp=': true, 'service_requests=': true });
  return p.onOff();
}

export const userCommands: readonly GrammarEntry[] = [
  command('CreateActiveUser', '/_create user ', (p) => ({ newUser: newUser(p) })),
  command('CreateActiveUser', '/create user ', (p) => ({
    newUser: { profile: namedProfile(p), pastTimestamp: false },
  })),
  command('CreateActiveUser', '/create bot ', (p) => {
    const files = p.optional(() => {
      p.literal('files=');
      const on = p.onOff();
      p.space();
      return on;
    });
    const profile: Profile = {
      ...namedProfile(p),
      peerType: 'bot',
      ...(files === true ? {} : { preferences: { files: { allow: 'no' } } }),
    };
    return { newUser: { profile, pastTimestamp: false } };
  }),
  plain('ListUsers', '/users'),
  command('APISetActiveUser', '/_user ', (p) => ({ ...id(p), viewPwd: optionalPassword(p, jsonPassword) })),
  command('SetActiveUser', ['/user ', '/u '], (p) => ({
    userName: displayName(p),
    viewPwd: optionalPassword(p, password),
  })),
  command('SetAllContactReceipts', '/set receipts all ', (p) => ({ enable: p.onOff() })),
  command('APISetUserContactReceipts', '/_set receipts contacts ', userReceiptSettings),
  command('SetUserContactReceipts', '/set receipts contacts ', (p) => ({ settings: receiptSettings(p) })),
  command('APISetUserGroupReceipts', '/_set receipts groups ', userReceiptSettings),
  command('SetUserGroupReceipts', '/set receipts groups ', (p) => ({ settings: receiptSettings(p) })),
  command('APISetUserAutoAcceptMemberContacts', '/_set accept member contacts ', (p) => {
    const { userId } = id(p);
    p.space();
    return { userId, onOff: p.onOff() };
  }),
  command('SetUserAutoAcceptMemberContacts', '/set accept member contacts ', (p) => ({ onOff: p.onOff() })),
  command('APIHideUser', '/_hide user ', userPassword),
  command('APIUnhideUser', '/_unhide user ', userPassword),
  command('APIMuteUser', '/_mute user ', id),
  command('APIUnmuteUser', '/_unmute user ', id),
  command('HideUser', '/hide user ', (p) => ({ viewPwd: password(p) })),
  command('UnhideUser', '/unhide user ', (p) => ({ viewPwd: password(p) })),
  plain('MuteUser', '/mute user'),
  plain('UnmuteUser', '/unmute user'),
  command('APIDeleteUser', '/_delete user ', (p) => {
    const { userId } = id(p);
    p.literal(' del_smp=');
    return { userId, delSMPQueues: p.onOff(), viewPwd: optionalPassword(p, jsonPassword) };
  }),
  command('DeleteUser', '/delete user ', (p) => ({
    userName: displayName(p),
    delSMPQueues: true,
    viewPwd: optionalPassword(p, password),
  })),
  plain('ShowActiveUser', '/user', '/u'),
  command('APIUpdateProfile', '/_profile ', (p) => {
    const { userId } = id(p);
    p.space();
    return { userId, profile: typed<Profile>(p, 'Profile') };
  }),
  command('UpdateProfileImage', '/set profile image ', (p) => {
    const start = p.pos;
    const image = p.rest();
    if (!imageData.test(image)) {
      p.pos = start;
      p.fail('data:image/png;base64,… or data:image/jpg;base64,…');
    }
    return { image };
  }),
  command('UpdateProfileImage', '/delete profile image', () => ({ image: undefined })),
  plain('ShowProfileImage', '/show profile image'),
  command('UpdateProfile', ['/profile ', '/p '], (p) => ({ displayName: displayName(p), shortDescr: bio(p) })),
  plain('ShowProfile', '/profile', '/p'),
  command('SetBotCommands', '/set bot commands ', (p) => ({ commands: botCommands(p) })),
  command('SetBotCommands', '/delete bot commands', () => ({ commands: [] })),
  command('APISetUserUIThemes', '/_set theme user ', (p) => {
    const { userId } = id(p);
    return {
      userId,
      uiThemes: p.optional(() => {
        p.space();
        return typed(p, 'UIThemeEntityOverrides');
      }),
    };
  }),

  // Addresses
  command('APICreateMyAddress', '/_address ', (p) => {
    const { userId } = id(p);
    p.option(' pq_ratchet=', () => p.onOff()); // of later versions; always on here
    return { userId };
  }),
  plain('CreateMyAddress', '/address', '/ad'),
  command('APIDeleteMyAddress', '/_delete_address ', id),
  plain('DeleteMyAddress', '/delete_address', '/da'),
  command('APIShowMyAddress', '/_show_address ', id),
  plain('ShowMyAddress', '/show_address', '/sa'),
  command('APIAddMyAddressShortLink', '/_short_link_address ', id),
  command('APISetProfileAddress', '/_profile_address ', (p) => {
    const { userId } = id(p);
    p.space();
    return { userId, enable: p.onOff() };
  }),
  command('SetProfileAddress', ['/profile_address ', '/pa '], (p) => ({ enable: p.onOff() })),
  command('APISetAddressSettings', '/_address_settings ', (p) => {
    const { userId } = id(p);
    p.option(' pq_ratchet=', () => p.onOff());
    p.space();
    return { userId, settings: typed<AddressSettings>(p, 'AddressSettings') };
  }),
  command('SetAddressSettings', '/auto_accept ', (p) => ({ userId: undefined, settings: autoAccept(p) })),
  command('SetAddressSettings', '/_auto_accept ', (p) => {
    const { userId } = id(p);
    p.space();
    return { userId, settings: autoAccept(p) };
  }),

  // Life cycle
  command('StartChat', '/_start', (p) => {
    const main = p.option(' main=', () => p.onOff());
    const mainApp = main ?? true;
    // Only beside `main`.
    const enableSndFiles = main === undefined ? undefined : p.option(' snd_files=', () => p.onOff());
    while (p.optional(() => ignoredStartOption(p)) !== undefined);
    return { mainApp, enableSndFiles: enableSndFiles ?? mainApp };
  }),
  plain('CheckChatRunning', '/_check running'),
  plain('APIStopChat', '/_stop'),
  command('APIActivateChat', '/_app activate', (p) => ({
    restoreChat: p.option(' restore=', () => p.onOff()) ?? true,
  })),
  command('APISuspendChat', '/_app suspend ', (p) => ({ suspendTimeout: p.number() })),
  plain('ResubscribeAllConnections', '/_resubscribe all'),
  command('SetTempFolder', '/_temp_folder ', (p) => ({ path: path(p) })),
  command('SetFilesFolder', ['/_files_folder ', '/files_folder '], (p) => ({ path: path(p) })),
  command('APISetAppFilePaths', '/set file paths ', (p) => ({
    paths: p.json('file paths', (v) => {
      const text = (key: string): string => {
        const s = isJsonObject(v) ? v[key] : undefined;
        if (typeof s !== 'string') throw new SchemaMismatch(`$.${key}`, 'a string');
        return s;
      };
      return {
        appFilesFolder: text('appFilesFolder'),
        appTempFolder: text('appTempFolder'),
        appAssetsFolder: text('appAssetsFolder'),
        appRemoteHostsFolder:
          isJsonObject(v) && (v.appRemoteHostsFolder ?? null) !== null ? text('appRemoteHostsFolder') : undefined,
      };
    }),
  })),
  command('APISetEncryptLocalFiles', '/_files_encrypt ', (p) => ({ onOff: p.onOff() })),
  command('SetContactMergeEnabled', '/contact_merge ', (p) => ({ onOff: p.onOff() })),
  command('ChatHelp', ['/help files', '/help file', '/hf'], () => ({ helpSection: 'files' })),
  command('ChatHelp', ['/help groups', '/help group', '/hg'], () => ({ helpSection: 'groups' })),
  command('ChatHelp', ['/help contacts', '/help contact', '/hc'], () => ({ helpSection: 'contacts' })),
  command('ChatHelp', ['/help address', '/ha'], () => ({ helpSection: 'myAddress' })),
  command('ChatHelp', ['/help incognito', '/hi'], () => ({ helpSection: 'incognito' })),
  command('ChatHelp', ['/help messages', '/hm'], () => ({ helpSection: 'messages' })),
  command('ChatHelp', ['/help remote', '/hr'], () => ({ helpSection: 'remote' })),
  command('ChatHelp', ['/help settings', '/hs'], () => ({ helpSection: 'settings' })),
  command('ChatHelp', ['/help db', '/hd'], () => ({ helpSection: 'database' })),
  command('ChatHelp', ['/help', '/h'], () => ({ helpSection: 'main' })),
  command('ChatHelp', ['/markdown', '/m'], () => ({ helpSection: 'markdown' })),
  command('ChatHelp', '/incognito', (p) => {
    p.option(' ', () => p.onOff());
    return { helpSection: 'incognito' };
  }),
  plain('Welcome', '/welcome', '/w'),
  plain('ShowVersion', '/version', '/v'),
  plain('QuitChat', '/quit', '/q', '/exit'),
  command('APIParseMarkdown', '/_parse ', (p) => ({ text: msgText(p) })),
  command('CustomChatCommand', '//', (p) => ({ command: p.rest() })),
];
