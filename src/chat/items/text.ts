import type {
  CICallStatus,
  CIContent,
  CIGroupInvitation,
  GroupFeature,
  GroupMemberRole,
  MsgContent,
  MsgDecryptError,
  MsgErrorType,
  PrefEnabled,
  Profile,
  RatchetSyncState,
  RcvConnEvent,
  RcvDirectEvent,
  RcvGroupEvent,
  SndConnEvent,
  SndGroupEvent,
  SwitchPhase,
} from '../../api/index.js';
import { type DirectFeature, featureNames } from '../preferences/merge.js';

/** What a message shows as text, and what Markdown is parsed from (50, section 1.13). */
export function contentText(content: MsgContent): string {
  switch (content.type) {
    case 'voice': {
      const duration = `voice message (${durationText(content.duration)})`;
      return content.text === '' ? duration : `${duration}; ${content.text}`;
    }
    case 'report':
      return content.text === ''
        ? `report ${String(content.reason)}`
        : `report ${String(content.reason)}: ${content.text}`;
    default:
      return content.text ?? 'unknown message type';
  }
}

/** Minutes and seconds; minutes go on after 59. */
function durationText(seconds: number): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`;
}

/** A time of disappearing messages: `1 hour`, `2 weeks`, `1 min 30 sec`. */
function ttlText(ttl: number): string {
  if (ttl === 0) return '0 sec';
  const seconds = ttl % 60;
  const minutes = Math.floor(ttl / 60) % 60;
  const hours = Math.floor(ttl / 3600) % 24;
  const allDays = Math.floor(ttl / 86400);
  const months = Math.floor(allDays / 30);
  const days = allDays % 30;
  const parts: string[] = [];
  if (months !== 0) parts.push(months === 1 ? '1 month' : `${months} months`);
  if (days !== 0) parts.push(daysText(days));
  if (hours !== 0) parts.push(hours === 1 ? '1 hour' : `${hours} hours`);
  if (minutes !== 0) parts.push(`${minutes} min`);
  if (seconds !== 0) parts.push(`${seconds} sec`);
  return parts.join(' ');
}

function daysText(days: number): string {
  if (days === 1) return '1 day';
  if (days === 7) return '1 week';
  return days === 14 ? '2 weeks' : `${days} days`;
}

/** The names of group features in items and errors (60, section 2.10). */
export const groupFeatureNames: Readonly<Record<GroupFeature, string>> = {
  timedMessages: 'Disappearing messages',
  directMessages: 'Direct messages',
  fullDelete: 'Full deletion',
  reactions: 'Message reactions',
  voice: 'Voice messages',
  files: 'Files and media',
  simplexLinks: 'SimpleX links',
  reports: 'Member reports',
  history: 'Recent history',
  sessions: 'Chat sessions',
};

/** `CIMeta.itemText` of every kind of item. */
export function itemText(content: CIContent): string {
  switch (content.type) {
    case 'sndMsgContent':
    case 'rcvMsgContent':
      return contentText(content.msgContent);
    case 'sndDeleted':
    case 'rcvDeleted':
      return `this item is deleted (${content.deleteMode === 'broadcast' ? 'broadcast' : 'locally'})`;
    case 'sndCall':
      return `outgoing call: ${callText(content.status, content.duration)}`;
    case 'rcvCall':
      return `incoming call: ${callText(content.status, content.duration)}`;
    case 'rcvIntegrityError':
      return integrityText(content.msgError);
    case 'rcvDecryptionError':
      return decryptionText(content.msgDecryptError, content.msgCount);
    case 'rcvGroupInvitation':
      return `received ${invitationText(content.groupInvitation, content.memberRole)}`;
    case 'sndGroupInvitation':
      return `sent ${invitationText(content.groupInvitation, content.memberRole)}`;
    case 'rcvDirectEvent':
      return directEventText(content.rcvDirectEvent);
    case 'rcvGroupEvent':
      return rcvGroupEventText(content.rcvGroupEvent);
    case 'sndGroupEvent':
      return sndGroupEventText(content.sndGroupEvent);
    case 'rcvConnEvent':
      return rcvConnEventText(content.rcvConnEvent);
    case 'sndConnEvent':
      return sndConnEventText(content.sndConnEvent);
    case 'rcvChatFeature':
    case 'sndChatFeature':
      return featureStateText(content.feature, content.enabled, content.param);
    case 'rcvChatPreference':
      return preferenceText(content.feature, content.allowed, content.param);
    case 'sndChatPreference':
      return `you ${preferenceText(content.feature, content.allowed, content.param)}`;
    case 'rcvGroupFeature':
    case 'sndGroupFeature': {
      const { groupFeature, preference, param, memberRole_: role } = content;
      const time = groupFeature === 'timedMessages' && preference.enable === 'on' ? timeSuffix(param) : '';
      const forRole = role === undefined ? '' : ` for ${role}s`;
      return `${groupFeatureNames[groupFeature]}: ${preference.enable}${time}${forRole}`;
    }
    case 'rcvChatFeatureRejected':
      return `${featureNames[content.feature]}: received, prohibited`;
    case 'rcvGroupFeatureRejected':
      return `${groupFeatureNames[content.groupFeature]}: received, prohibited`;
    case 'sndModerated':
    case 'rcvModerated':
      return 'moderated';
    case 'rcvBlocked':
      return 'blocked';
    case 'sndDirectE2EEInfo':
    case 'rcvDirectE2EEInfo':
      return encryptionText(content.e2eeInfo.pqEnabled, true);
    case 'sndGroupE2EEInfo':
    case 'rcvGroupE2EEInfo':
      return encryptionText(content.e2eeInfo.pqEnabled, false);
    case 'chatBanner':
      return 'chat banner';
    case 'invalidJSON':
      return 'invalid content JSON';
  }
}

function callText(status: CICallStatus, duration: number): string {
  switch (status) {
    case 'pending':
      return 'calling...';
    case 'negotiated':
      return 'connecting...';
    case 'progress':
      return `in progress ${durationText(duration)}`;
    case 'ended':
      return `ended ${durationText(duration)}`;
    default:
      return status;
  }
}

function integrityText(e: MsgErrorType): string {
  switch (e.type) {
    case 'msgSkipped':
      return `skipped message ID ${e.fromMsgId}${e.fromMsgId === e.toMsgId ? '' : `..${e.toMsgId}`}`;
    case 'msgBadId':
      return `unexpected message ID ${e.msgId}`;
    case 'msgBadHash':
      return 'incorrect message hash';
    case 'msgDuplicate':
      return 'duplicate message ID';
  }
}

function decryptionText(e: MsgDecryptError, count: number): string {
  const counter = count === 1 ? '' : `${count} messages`;
  const withCounter = (what: string): string => (counter === '' ? what : `${what}, ${counter}`);
  const what = {
    ratchetHeader: withCounter('header'),
    tooManySkipped: withCounter('too many skipped messages'),
    ratchetEarlier: withCounter('earlier message'),
    other: counter,
    ratchetSync: 'synchronization error',
  }[e];
  return `decryption error, possibly due to the device change${what === '' ? '' : ` (${what})`}`;
}

function nameText(displayName: string, fullName: string): string {
  return fullName === '' || fullName === displayName ? displayName : `${displayName} (${fullName})`;
}

function profileText(p: Profile): string {
  return nameText(p.displayName, p.fullName);
}

function invitationText(invitation: CIGroupInvitation, role: GroupMemberRole): string {
  const { displayName, fullName } = invitation.groupProfile;
  return `invitation to join group ${nameText(displayName, fullName)} as ${role}`;
}

function directEventText(e: RcvDirectEvent): string {
  switch (e.type) {
    case 'contactDeleted':
      return 'contact deleted';
    case 'profileUpdated':
      return 'updated profile';
    case 'groupInvLinkReceived':
      return `requested connection from group ${e.groupProfile.displayName}`;
  }
}

function rcvGroupEventText(e: RcvGroupEvent): string {
  switch (e.type) {
    case 'memberAdded':
      return `added ${profileText(e.profile)}`;
    case 'memberConnected':
      return 'connected';
    case 'memberAccepted':
      return `accepted ${profileText(e.profile)}`;
    case 'userAccepted':
      return 'accepted you';
    case 'memberLeft':
      return 'left';
    case 'memberRole':
      return `changed role of ${profileText(e.profile)} to ${e.role}`;
    case 'memberBlocked':
      return `${e.blocked ? 'blocked' : 'unblocked'} ${profileText(e.profile)}`;
    case 'userRole':
      return `changed your role to ${e.role}`;
    case 'memberDeleted':
      return `removed ${profileText(e.profile)}`;
    case 'userDeleted':
      return 'removed you';
    case 'groupDeleted':
      return 'deleted group';
    case 'groupUpdated':
      return 'group profile updated';
    case 'invitedViaGroupLink':
      return 'invited via your group link';
    case 'memberCreatedContact':
      return 'started direct connection with you';
    case 'memberProfileUpdated':
      return 'updated profile';
    case 'newMemberPendingReview':
      return 'new member wants to join the group';
  }
}

function sndGroupEventText(e: SndGroupEvent): string {
  switch (e.type) {
    case 'memberRole':
      return `changed role of ${profileText(e.profile)} to ${e.role}`;
    case 'memberBlocked':
      return `${e.blocked ? 'blocked' : 'unblocked'} ${profileText(e.profile)}`;
    case 'userRole':
      return `changed role for yourself to ${e.role}`;
    case 'memberDeleted':
      return `removed ${profileText(e.profile)}`;
    case 'userLeft':
      return 'left';
    case 'groupUpdated':
      return 'group profile updated';
    case 'memberAccepted':
      return 'you accepted this member';
    case 'userPendingReview':
      return 'please wait for group moderators to review your request to join the group';
  }
}

const rcvSwitchTexts: Readonly<Record<SwitchPhase, string>> = {
  started: 'started changing address for you...',
  confirmed: 'confirmed changing address for you...',
  secured: 'secured new address for you...',
  completed: 'changed address for you',
};

const syncTexts: Readonly<Record<RatchetSyncState, string>> = {
  ok: 'connection synchronized',
  allowed: 'decryption error (connection may be out of sync), synchronization allowed',
  required: 'decryption error (connection out of sync), synchronization required',
  started: 'connection synchronization started',
  agreed: 'connection synchronization agreed',
};

function pqText(enabled: boolean): string {
  return enabled ? 'quantum resistant e2e encryption' : 'standard end-to-end encryption';
}

function rcvConnEventText(e: RcvConnEvent): string {
  switch (e.type) {
    case 'switchQueue':
      return rcvSwitchTexts[e.phase];
    case 'ratchetSync':
      return syncTexts[e.syncStatus];
    case 'verificationCodeReset':
      return 'security code changed';
    case 'pqEnabled':
      return pqText(e.enabled);
  }
}

function sndConnEventText(e: SndConnEvent): string {
  if (e.type === 'pqEnabled') return pqText(e.enabled);
  const forMember = e.member === undefined ? '' : ` for ${e.member.profile.displayName}`;
  if (e.type === 'ratchetSync') return `${syncTexts[e.syncStatus]}${forMember}`;
  switch (e.phase) {
    case 'started':
      return `started changing address${forMember}...`;
    case 'confirmed':
      return `confirmed changing address${forMember}...`;
    case 'secured':
      return `secured new address${forMember}...`;
    case 'completed':
      return `you changed address${forMember}`;
  }
}

function timeSuffix(param: number | undefined): string {
  return param === undefined ? '' : ` (${ttlText(param)})`;
}

function featureStateText(feature: DirectFeature, enabled: PrefEnabled, param: number | undefined): string {
  const timed = feature === 'timedMessages';
  const on = timed && param === undefined ? 'allowed' : 'enabled';
  const state = enabled.forUser
    ? enabled.forContact
      ? on
      : `${on} for you`
    : enabled.forContact
      ? `${on} for contact`
      : 'off';
  return `${featureNames[feature]}: ${state}${timed && enabled.forUser ? timeSuffix(param) : ''}`;
}

function preferenceText(feature: DirectFeature, allowed: string, param: number | undefined): string {
  if (allowed === 'no') return `cancelled ${featureNames[feature]}`;
  return `offered ${featureNames[feature]}${feature === 'timedMessages' ? timeSuffix(param) : ''}`;
}

function encryptionText(pqEnabled: boolean | undefined, direct: boolean): string {
  if (pqEnabled === undefined) return 'This conversation is protected by end-to-end encryption';
  return pqEnabled && direct
    ? 'This conversation is protected by quantum resistant end-to-end encryption. It has perfect forward secrecy, repudiation and quantum resistant break-in recovery.'
    : 'This conversation is protected by end-to-end encryption with perfect forward secrecy, repudiation and break-in recovery.';
}

/** Received items that count as unread and move their chat to the top (50, section 4.3); all sent ones do. */
export function requiresAttention(content: CIContent): boolean {
  switch (content.type) {
    case 'rcvDirectEvent':
      return content.rcvDirectEvent.type === 'groupInvLinkReceived';
    case 'rcvGroupEvent':
      return attentionGroupEvents.has(content.rcvGroupEvent.type);
    case 'rcvChatFeature':
    case 'rcvChatPreference':
    case 'rcvGroupFeature':
    case 'rcvBlocked':
    case 'rcvDirectE2EEInfo':
    case 'rcvGroupE2EEInfo':
    case 'invalidJSON':
      return false;
    default:
      return true;
  }
}

const attentionGroupEvents: ReadonlySet<string> = new Set([
  'userRole',
  'userDeleted',
  'groupDeleted',
  'newMemberPendingReview',
]);
