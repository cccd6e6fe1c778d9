import type { JsonObject } from '../../json.js';
import type { MsgContent } from '../../types.generated.js';
import { type CommandInput, noMatch } from '../input.js';
import {
  createdLink,
  deleteMode,
  displayName,
  incognitoOption,
  incognitoWord,
  jsonObject,
  nameAfter,
  optionalContent,
  timedTTL,
  typed,
} from '../parts/index.js';
import type { TimedMessagesChange, UserFeature } from '../types.js';
import { command, type GrammarEntry, plain } from './entry.js';

const contactId = (p: CommandInput): { contactId: number } => ({ contactId: p.number() });
const contactName = (p: CommandInput): { contactName: string } => ({ contactName: nameAfter(p, '@') });
const force = (p: CommandInput): { force: boolean } => ({ force: p.has(' force=on') });

/** A space and the rest; empty without it. */
export function alias(p: CommandInput): string {
  if (p.atEnd) return '';
  p.space();
  return p.rest();
}

/** A space and digits and spaces. */
export function verificationCode(p: CommandInput): string | undefined {
  return p.optional(() => {
    p.space();
    return p.until((c) => c !== 0x20 && (c < 0x30 || c > 0x39), 'digits');
  });
}

/** A space and a JSON object, or nothing. */
export function customData(p: CommandInput): JsonObject | undefined {
  if (p.atEnd) return undefined;
  p.space();
  return jsonObject(p, 'custom data');
}

function two(p: CommandInput): [number, number] {
  const first = p.number();
  p.space();
  return [first, p.number()];
}

function prepared(p: CommandInput): { incognito: boolean; msgContent_: MsgContent | undefined } {
  return { incognito: incognitoOption(p), msgContent_: optionalContent(p) };
}

const allow = (p: CommandInput) => p.keyword({ always: 'always', yes: 'yes', no: 'no' } as const);

function featureCommands(word: string, feature: UserFeature): readonly GrammarEntry[] {
  return [
    command('SetContactFeature', `/set ${word} @`, (p) => ({
      feature,
      contactName: displayName(p),
      allowed: p.option(' ', () => allow(p)),
    })),
    command('SetUserFeature', `/set ${word} `, (p) => ({ feature, allowed: allow(p) })),
  ];
}

function timedChange(p: CommandInput): TimedMessagesChange {
  return p.first<TimedMessagesChange>(
    () => {
      p.option('yes ', () => undefined);
      return { type: 'enableSetTTL', ttl: timedTTL(p) };
    },
    () => p.keyword({ yes: { type: 'enableKeepTTL' }, no: { type: 'disableKeepTTL' } } as const),
  );
}

export const connectionCommands: readonly GrammarEntry[] = [
  command('APIConnectPlan', '/_connect plan ', (p) => {
    const userId = p.number();
    p.space();
    return { userId, connectionLink: p.until((c) => c === 0x20, 'a connection link') };
  }),
  command('APIPrepareContact', '/_prepare contact ', (p) => {
    const userId = p.number();
    p.space();
    const connLink = createdLink(p);
    p.space();
    return { userId, connLink, contactShortLinkData: typed(p, 'ContactShortLinkData') };
  }),
  command('APIPrepareGroup', '/_prepare group ', (p) => {
    const userId = p.number();
    p.space();
    const connLink = createdLink(p);
    p.space();
    return { userId, connLink, groupShortLinkData: typed(p, 'GroupShortLinkData') };
  }),
  command('APIChangePreparedContactUser', '/_set contact user @', (p) => {
    const [contact, newUserId] = two(p);
    return { contactId: contact, newUserId };
  }),
  command('APIChangePreparedGroupUser', '/_set group user #', (p) => {
    const [groupId, newUserId] = two(p);
    return { groupId, newUserId };
  }),
  command('APIConnectPreparedContact', '/_connect contact @', (p) => ({ ...contactId(p), ...prepared(p) })),
  command('APIConnectPreparedGroup', '/_connect group #', (p) => ({ groupId: p.number(), ...prepared(p) })),
  command('APIConnectContactViaAddress', '/_connect contact ', (p) => {
    const userId = p.number();
    const incognito = incognitoOption(p);
    p.space();
    return { userId, incognito, ...contactId(p) };
  }),
  command('APIAddContact', '/_connect ', (p) => ({ userId: p.number(), incognito: incognitoOption(p) })),
  command('APIConnect', '/_connect ', (p) => {
    const userId = p.number();
    const incognito = incognitoOption(p);
    p.space();
    const start = p.pos;
    const preparedLink_ = p.optional(() => createdLink(p));
    if (preparedLink_ === undefined) {
      p.pos = start;
      p.until((c) => c === 0x20, 'a full connection link');
    }
    return { userId, incognito, preparedLink_ };
  }),
  command('APISetConnectionIncognito', '/_set incognito :', (p) => {
    const connId = p.number();
    p.space();
    return { connId, incognito: p.onOff() };
  }),
  command('APIChangeConnectionUser', '/_set conn user :', (p) => {
    const [connId, newUserId] = two(p);
    return { connId, newUserId };
  }),
  command('APISetConnectionAlias', '/_set alias :', (p) => ({ connId: p.number(), localAlias: alias(p) })),
  command('AddContact', ['/connect', '/c'], (p) => ({ incognito: incognitoWord(p) })),
  command('Connect', ['/connect', '/c'], (p) => {
    const incognito = incognitoWord(p);
    p.space();
    return { incognito, connLink_: p.word('a connection link') };
  }),
  command('ConnectSimplex', '/simplex', (p) => ({ incognito: incognitoWord(p) })),
  command('APIAcceptContact', '/_accept', (p) => {
    const incognito = incognitoOption(p);
    p.space();
    return { incognito, contactReqId: p.number() };
  }),
  command('AcceptContact', ['/accept', '/ac'], (p) => {
    const incognito = incognitoWord(p);
    p.space();
    return { incognito, ...contactName(p) };
  }),
  command('APIRejectContact', '/_reject ', (p) => ({ contactReqId: p.number() })),
  command('RejectContact', ['/reject ', '/rc '], contactName),
  command('APICreateMemberContact', '/_create member contact #', (p) => {
    const [groupId, groupMemberId] = two(p);
    return { groupId, groupMemberId };
  }),
  command('APISendMemberContactInvitation', '/_invite member contact @', (p) => ({
    ...contactId(p),
    msgContent_: optionalContent(p),
  })),
  command('APIAcceptMemberContact', '/_accept member contact @', contactId),
  command('AcceptMemberContact', '/accept_member_contact @', (p) => ({ contactName: displayName(p) })),

  // Contacts
  command('APIListContacts', '/_contacts ', (p) => ({ userId: p.number() })),
  plain('ListContacts', '/contacts'),
  command('APISetContactPrefs', '/_set prefs @', (p) => {
    const contact = contactId(p);
    p.space();
    return { ...contact, preferences: typed(p, 'Preferences') };
  }),
  command('APISetContactAlias', '/_set alias @', (p) => ({ ...contactId(p), localAlias: alias(p) })),
  command('APISetContactCustomData', '/_set custom @', (p) => ({ ...contactId(p), customData: customData(p) })),
  command('APIContactInfo', '/_info @', contactId),
  command('ContactInfo', ['/info ', '/i '], contactName),
  command('APIGetContactCode', '/_get code @', contactId),
  command('GetContactCode', '/code ', contactName),
  command('APIVerifyContact', '/_verify code @', (p) => ({ ...contactId(p), connectionCode: verificationCode(p) })),
  command('VerifyContact', '/verify ', (p) => ({ ...contactName(p), connectionCode: verificationCode(p) })),
  command('APIEnableContact', '/_enable @', contactId),
  command('EnableContact', '/enable ', contactName),
  command('APIContactQueueInfo', '/_queue info @', contactId),
  command('ContactQueueInfo', ['/queue info ', '/qi '], contactName),
  command('APISwitchContact', '/_switch @', contactId),
  command('SwitchContact', '/switch ', contactName),
  command('APIAbortSwitchContact', '/_abort switch @', contactId),
  command('AbortSwitchContact', '/abort switch ', contactName),
  command('APISyncContactRatchet', '/_sync @', (p) => ({ ...contactId(p), ...force(p) })),
  command('SyncContactRatchet', '/sync ', (p) => ({ ...contactName(p), ...force(p) })),
  command('DeleteContact', ['/delete ', '/d '], (p) => ({ ...contactName(p), chatDeleteMode: deleteMode(p) })),
  command('ClearContact', '/clear ', (p) => {
    if (p.text[p.pos] === '*') throw noMatch;
    return contactName(p);
  }),
  ...featureCommands('voice', 'voice'),
  ...featureCommands('files', 'files'),
  ...featureCommands('calls', 'calls'),
  ...featureCommands('delete', 'fullDelete'),
  command('SetContactTimedMessages', '/set disappear @', (p) => ({
    contactName: displayName(p),
    change: p.option(' ', () => timedChange(p)),
  })),
  command('SetUserTimedMessages', '/set disappear ', (p) => ({ enable: p.keyword({ yes: true, no: false }) })),
];
