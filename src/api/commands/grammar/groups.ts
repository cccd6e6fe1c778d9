import type { GroupMemberSettings, GroupProfile } from '../../types.generated.js';
import type { CommandInput } from '../input.js';
import {
  bio,
  displayName,
  incognitoOption,
  incognitoWord,
  msgText,
  nameAfter,
  role,
  timedTTL,
  typed,
} from '../parts/index.js';
import type { CommandMap } from '../types.js';
import { alias, customData, verificationCode } from './connections.js';
import { command, type GrammarEntry } from './entry.js';

const groupId = (p: CommandInput): { groupId: number } => ({ groupId: p.number() });
const groupName = (p: CommandInput): { groupName: string } => ({ groupName: nameAfter(p, '#') });
const force = (p: CommandInput): { force: boolean } => ({ force: p.has(' force=on') });

/** `<id> <id>` */
const member = (p: CommandInput): { groupId: number; groupMemberId: number } => {
  const id = p.number();
  p.space();
  return { groupId: id, groupMemberId: p.number() };
};

/** `[#]group [@]member` */
const namedMember = (p: CommandInput): { groupName: string; memberName: string } => {
  const group = nameAfter(p, '#');
  p.space();
  return { groupName: group, memberName: nameAfter(p, '@') };
};

/** `group [@]member` after a head that ends in `#`. */
const strictMember = (p: CommandInput): { groupName: string; memberName: string } => {
  const group = displayName(p);
  p.space();
  return { groupName: group, memberName: nameAfter(p, '@') };
};

const members = (p: CommandInput): { groupId: number; groupMemberIds: readonly number[] } => {
  const id = p.number();
  p.space();
  return { groupId: id, groupMemberIds: p.numbers() };
};

const roleOrMember = (p: CommandInput) => p.optional(() => role(p)) ?? 'member';
const onOffWord = (p: CommandInput) => {
  p.space();
  return p.keyword({ on: 'on', off: 'off' } as const);
};

function groupJson(p: CommandInput): { groupProfile: GroupProfile } {
  p.space();
  return { groupProfile: typed<GroupProfile>(p, 'GroupProfile') };
}

const featureRole = (word: string, feature: CommandMap['SetGroupFeatureRole']['feature']): GrammarEntry =>
  command('SetGroupFeatureRole', `/set ${word} #`, (p) => ({
    feature,
    groupName: displayName(p),
    enable: onOffWord(p),
    role: p.optional(() => role(p)),
  }));

const feature = (word: 'history' | 'reactions' | 'reports'): GrammarEntry =>
  command('SetGroupFeature', `/set ${word} #`, (p) => ({
    feature: word,
    groupName: displayName(p),
    enable: onOffWord(p),
  }));

export const groupCommands: readonly GrammarEntry[] = [
  command('APINewGroup', '/_group ', (p) => {
    if (p.text[p.pos] === '{') {
      // Old clients leave the user out.
      return { userId: undefined, incognito: false, groupProfile: typed<GroupProfile>(p, 'GroupProfile') };
    }
    return { userId: p.number(), incognito: incognitoOption(p), ...groupJson(p) };
  }),
  command('NewGroup', ['/group', '/g'], (p) => {
    const incognito = incognitoWord(p);
    p.space();
    const name = nameAfter(p, '#');
    const shortDescr = bio(p);
    return {
      incognito,
      groupProfile: {
        displayName: name,
        fullName: '',
        ...(shortDescr === undefined ? {} : { shortDescr }),
        groupPreferences: { directMessages: { enable: 'on' }, history: { enable: 'on' } },
      },
    };
  }),
  command('APIAddMember', '/_add #', (p) => {
    const group = groupId(p);
    p.space();
    return { ...group, contactId: p.number(), memberRole: role(p) };
  }),
  command('AddMember', ['/add ', '/a '], (p) => {
    const { groupName: group, memberName: contactName } = namedMember(p);
    return { groupName: group, contactName, memberRole: roleOrMember(p) };
  }),
  command('APIJoinGroup', '/_join #', groupId),
  command('JoinGroup', ['/join ', '/j '], (p) => ({ ...groupName(p), enableNtfs: p.has(' mute') ? 'none' : 'all' })),
  command('APIAcceptMember', '/_accept member #', (p) => ({ ...member(p), memberRole: role(p) })),
  command('AcceptMember', '/accept member ', (p) => ({ ...namedMember(p), memberRole: roleOrMember(p) })),
  command('APIDeleteMemberSupportChat', '/_delete member chat #', member),
  command('APIMembersRole', '/_member role #', (p) => ({ ...members(p), memberRole: role(p) })),
  command('MemberRole', ['/member role ', '/mr '], (p) => ({ ...namedMember(p), memberRole: role(p) })),
  command('APIBlockMembersForAll', '/_block #', (p) => {
    const list = members(p);
    p.literal(' blocked=');
    return { ...list, blocked: p.onOff() };
  }),
  command('BlockForAll', '/block for all #', (p) => ({ ...strictMember(p), blocked: true })),
  command('BlockForAll', '/unblock for all #', (p) => ({ ...strictMember(p), blocked: false })),
  command('SetShowMemberMessages', '/block #', (p) => ({ ...strictMember(p), showMessages: false })),
  command('SetShowMemberMessages', '/unblock #', (p) => ({ ...strictMember(p), showMessages: true })),
  command('APISetMemberSettings', '/_member settings #', (p) => {
    const who = member(p);
    p.space();
    return { ...who, settings: typed<GroupMemberSettings>(p, 'GroupMemberSettings') };
  }),
  command('APIRemoveMembers', '/_remove #', (p) => ({
    ...members(p),
    withMessages: p.option(' messages=', () => p.onOff()) ?? false,
  })),
  command('RemoveMembers', ['/remove ', '/rm '], (p) => {
    const group = groupName(p);
    p.space();
    const memberNames = [nameAfter(p, '@')];
    while (p.text[p.pos] === ',') {
      p.pos++;
      memberNames.push(nameAfter(p, '@'));
    }
    return { ...group, memberNames, withMessages: p.option(' messages=', () => p.onOff()) ?? false };
  }),
  command('APILeaveGroup', '/_leave #', groupId),
  command('LeaveGroup', ['/leave ', '/l '], groupName),
  command('DeleteGroup', ['/delete #', '/d #'], (p) => ({ groupName: displayName(p) })),
  command('ClearGroup', '/clear #', (p) => ({ groupName: displayName(p) })),
  command('APIListMembers', '/_members #', groupId),
  command('ListMembers', ['/members ', '/ms '], groupName),
  command('ListMemberSupportChats', '/member support chats #', (p) => ({ groupName: displayName(p) })),
  // The official 6.4.3.1 accepts only the form without space, later versions only the documented one with it.
  command('APIListGroups', ['/_groups ', '/_groups'], (p) => ({
    userId: p.number(),
    contactId_: p.option(' @', () => p.number()),
    search: p.atEnd ? undefined : rest(p),
  })),
  command('ListGroups', ['/groups', '/gs'], (p) => ({
    contactName: p.option(' @', () => displayName(p)),
    search: p.atEnd ? undefined : rest(p),
  })),
  command('APIUpdateGroupProfile', '/_group_profile #', (p) => ({ ...groupId(p), ...groupJson(p) })),
  command('UpdateGroupNames', ['/group_profile ', '/gp '], (p) => {
    const group = groupName(p);
    p.space();
    return { ...group, displayName: displayName(p), shortDescr: bio(p) };
  }),
  command('ShowGroupProfile', ['/group_profile ', '/gp '], groupName),
  command('UpdateGroupDescription', '/group_descr ', (p) => ({
    ...groupName(p),
    description: p.atEnd ? undefined : text(p),
  })),
  command('UpdateGroupDescription', '/set welcome ', (p) => ({ ...groupName(p), description: text(p) })),
  command('UpdateGroupDescription', '/delete welcome ', (p) => ({ ...groupName(p), description: undefined })),
  command('ShowGroupDescription', '/show welcome ', groupName),
  command('APICreateGroupLink', '/_create link #', (p) => ({ ...groupId(p), memberRole: roleOrMember(p) })),
  command('APIGroupLinkMemberRole', '/_set link role #', (p) => ({ ...groupId(p), memberRole: role(p) })),
  command('APIDeleteGroupLink', '/_delete link #', groupId),
  command('APIGetGroupLink', '/_get link #', groupId),
  command('APIAddGroupShortLink', '/_short link #', groupId),
  command('CreateGroupLink', '/create link #', (p) => ({ groupName: displayName(p), memberRole: roleOrMember(p) })),
  command('GroupLinkMemberRole', '/set link role #', (p) => ({ groupName: displayName(p), memberRole: role(p) })),
  command('DeleteGroupLink', '/delete link #', (p) => ({ groupName: displayName(p) })),
  command('ShowGroupLink', '/show link #', (p) => ({ groupName: displayName(p) })),
  command('APISetGroupAlias', '/_set alias #', (p) => ({ ...groupId(p), localAlias: alias(p) })),
  command('APISetGroupCustomData', '/_set custom #', (p) => ({ ...groupId(p), customData: customData(p) })),
  command('APIGroupMemberInfo', '/_info #', member),
  command('APIGroupInfo', '/_info #', groupId),
  command('GroupMemberInfo', ['/info #', '/i #'], strictMember),
  command('ShowGroupInfo', ['/info #', '/i #'], (p) => ({ groupName: displayName(p) })),
  command('APIGetGroupMemberCode', '/_get code #', member),
  command('GetGroupMemberCode', '/code #', strictMember),
  command('APIVerifyGroupMember', '/_verify code #', (p) => ({ ...member(p), connectionCode: verificationCode(p) })),
  command('VerifyGroupMember', '/verify #', (p) => ({ ...strictMember(p), connectionCode: verificationCode(p) })),
  command('APIEnableGroupMember', '/_enable #', member),
  command('EnableGroupMember', '/enable #', strictMember),
  command('APIGroupMemberQueueInfo', '/_queue info #', member),
  command('GroupMemberQueueInfo', ['/queue info #', '/qi #'], strictMember),
  command('APISwitchGroupMember', '/_switch #', member),
  command('SwitchGroupMember', '/switch #', strictMember),
  command('APIAbortSwitchGroupMember', '/_abort switch #', member),
  command('AbortSwitchGroupMember', '/abort switch #', strictMember),
  command('APISyncGroupMemberRatchet', '/_sync #', (p) => ({ ...member(p), ...force(p) })),
  command('SyncGroupMemberRatchet', '/sync #', (p) => ({ ...strictMember(p), ...force(p) })),
  featureRole('voice', 'voice'),
  featureRole('files', 'files'),
  featureRole('delete', 'fullDelete'),
  featureRole('direct', 'directMessages'),
  featureRole('links', 'simplexLinks'),
  feature('history'),
  feature('reactions'),
  feature('reports'),
  command('SetGroupTimedMessages', '/set disappear #', (p) => {
    const name = displayName(p);
    p.space();
    return {
      groupName: name,
      ttl: p.first<number | undefined>(
        () => {
          p.option('on ', () => undefined);
          return timedTTL(p);
        },
        () => p.keyword({ off: undefined }),
      ),
    };
  }),
  command('SetGroupMemberAdmissionReview', '/set admission review #', (p) => {
    const name = displayName(p);
    p.space();
    return { groupName: name, review: p.keyword({ all: 'all', off: undefined } as const) };
  }),
];

function rest(p: CommandInput): string {
  p.space();
  return p.rest();
}

function text(p: CommandInput): string {
  p.space();
  return msgText(p);
}
