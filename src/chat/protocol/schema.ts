import { parseConnectionLink, parseConnectionRequest } from '../../agent/index.js';
import {
  inputSchema,
  isJsonObject,
  isKnownReaction,
  type JsonValue,
  type Primitives,
  type Schema,
  type SchemaField,
  SchemaMismatch,
  type SchemaType,
} from '../../api/index.js';
import { base64url, DecodeError, decodeBase64url, formatVersionRange, parseVersionRange } from '../../wire/index.js';
import type { ChatEventTag } from './types.js';

/** Field notation: `name: type`, `name?: type`; a type in capitals is a named one, others are primitives. */
function fields(spec: string): readonly SchemaField[] {
  return spec
    .split(',')
    .map((s) => s.trim())
    .filter((s) => s !== '')
    .map((s) => {
      const [name = '', type = ''] = s.split(':').map((x) => x.trim());
      const optional = name.endsWith('?');
      return { name: optional ? name.slice(0, -1) : name, type: typeOf(type), ...(optional ? { optional } : {}) };
    });
}

function typeOf(name: string): SchemaType {
  return /^[A-Z]/.test(name) ? { kind: 'ref', name } : { kind: 'prim', name };
}

const record = (spec: string) => ({ kind: 'record', fields: fields(spec) }) as const;
const choice = (...values: string[]) => ({ kind: 'enum', values }) as const;

/** The field `name` of a record of the API with another type: links are checked in what peers send. */
function withField(type: keyof typeof inputSchema, name: string, prim: string): Schema {
  const def = inputSchema[type];
  const schema: Schema = inputSchema;
  const all = schema[type];
  if (def.kind !== 'record' || all?.kind !== 'record') throw new Error(`${type} is no record`);
  return {
    [type]: {
      kind: 'record',
      fields: all.fields.map((f) => (f.name === name ? { ...f, type: { kind: 'prim', name: prim } } : f)),
    },
  };
}

/** Types of the chat protocol: those of the API and its own. */
export const protocolSchema: Schema = {
  ...inputSchema,
  ...withField('Profile', 'contactLink', 'link'),
  ...withField('FileInvitation', 'fileConnReq', 'invitation'),
  MsgChatLink: {
    kind: 'union',
    members: [
      { tag: 'contact', fields: fields('connLink: link, profile: Profile, business: bool') },
      { tag: 'invitation', fields: fields('invLink: link, profile: Profile') },
      { tag: 'group', fields: fields('connLink: link, groupProfile: GroupProfile') },
    ],
  },
  MsgRef: record('msgId?: id, sentAt: time, sent: bool, memberId?: id'),
  QuotedMsg: record('msgRef: MsgRef, content: MsgContent'),
  MsgMention: record('memberId: id'),
  MsgScope: { kind: 'union', members: [{ tag: 'member', fields: fields('memberId: id') }] },
  MemberIdRole: record('memberId: id, memberRole: role'),
  BusinessChatInfo: record('chatType: BusinessChatType, businessId: id, customerId: id'),
  BusinessChatType: choice('business', 'customer'),
  GroupInvitation: record(
    'fromMember: MemberIdRole, invitedMember: MemberIdRole, connRequest: invitation, groupProfile: GroupProfile, business?: BusinessChatInfo, groupLinkId?: id, groupSize?: int',
  ),
  GroupAcceptance: choice('accepted', 'pending', 'pending_review'),
  GroupLinkInvitation: record(
    'fromMember: MemberIdRole, fromMemberName: string, invitedMember: MemberIdRole, groupProfile: GroupProfile, accepted?: GroupAcceptance, business?: BusinessChatInfo, groupSize?: int',
  ),
  GroupLinkRejection: record(
    'fromMember: MemberIdRole, invitedMember: MemberIdRole, groupProfile: GroupProfile, rejectionReason: string',
  ),
  MemberInfo: record('memberId: id, memberRole: role, v?: versions, profile: Profile'),
  IntroInvitation: record('groupConnReq: invitation, directConnReq?: invitation'),
  MemberRestrictions: record('restriction: string'),
  CallType: record('media: CallMedia, capabilities: CallCapabilities'),
  CallMedia: choice('audio', 'video'),
  CallCapabilities: record('encryption: bool'),
  CallInvitation: record('callType: CallType, callDhPubKey?: string'),
  CallOffer: record('callType: CallType, rtcSession: WebRtcSession, callDhPubKey?: string'),
  CallAnswer: record('rtcSession: WebRtcSession'),
  WebRtcSession: record('rtcSession: string, rtcIceCandidates: string'),
  CallExtra: record('rtcExtraInfo: WebRtcExtra'),
  WebRtcExtra: record('rtcIceCandidates: string'),
};

/** What every form of content carries. */
export const contentFields: readonly SchemaField[] = [
  ...fields('content: MsgContent, file?: FileInvitation, ttl?: int, live?: bool'),
  { name: 'mentions', optional: true, type: mentionsType() },
  ...fields('scope?: MsgScope'),
];

function mentionsType(): SchemaType {
  return { kind: 'map', key: { kind: 'prim', name: 'string' }, value: { kind: 'ref', name: 'MsgMention' } };
}

/** Parameters by event; `x.msg.new` and `x.grp.msg.forward` have rules of their own. */
export const eventFields: Readonly<
  Record<Exclude<ChatEventTag, 'x.msg.new' | 'x.grp.msg.forward'>, readonly SchemaField[]>
> = {
  'x.msg.file.descr': fields('msgId: id, fileDescr: FileDescr'),
  'x.msg.update': [
    ...fields('msgId: id, content: MsgContent'),
    { name: 'mentions', optional: true, type: mentionsType() },
    ...fields('ttl?: int, live?: bool, scope?: MsgScope'),
  ],
  'x.msg.del': fields('msgId: id, memberId?: id, scope?: MsgScope'),
  'x.msg.deleted': [],
  'x.msg.react': fields('msgId: id, memberId?: id, scope?: MsgScope, reaction: reaction, add: bool'),
  'x.file': fields('file: FileInvitation'),
  'x.file.acpt': fields('fileName: string'),
  'x.file.acpt.inv': fields('msgId: id, fileConnReq?: invitation, fileName: string'),
  'x.file.cancel': fields('msgId: id'),
  'x.info': fields('profile: Profile'),
  'x.contact': fields('profile: Profile, contactReqId?: id, welcomeMsgId?: id, msgId?: id, content?: MsgContent'),
  'x.direct.del': [],
  'x.grp.inv': fields('groupInvitation: GroupInvitation'),
  'x.grp.acpt': fields('memberId: id'),
  'x.grp.link.inv': fields('groupLinkInvitation: GroupLinkInvitation'),
  'x.grp.link.reject': fields('groupLinkRejection: GroupLinkRejection'),
  'x.grp.link.mem': fields('profile: Profile'),
  'x.grp.link.acpt': fields('acceptance: GroupAcceptance, role: role, memberId: id'),
  'x.grp.mem.new': fields('memberInfo: MemberInfo, scope?: MsgScope'),
  'x.grp.mem.intro': fields('memberInfo: MemberInfo, memberRestrictions?: MemberRestrictions'),
  'x.grp.mem.inv': fields('memberId: id, memberIntro: IntroInvitation'),
  'x.grp.mem.fwd': fields('memberInfo: MemberInfo, memberIntro: IntroInvitation'),
  'x.grp.mem.info': fields('memberId: id, profile: Profile'),
  'x.grp.mem.role': fields('memberId: id, role: role'),
  'x.grp.mem.restrict': fields('memberId: id, memberRestrictions: MemberRestrictions'),
  'x.grp.mem.con': fields('memberId: id'),
  'x.grp.mem.con.all': fields('memberId: id'),
  'x.grp.mem.del': fields('memberId: id'),
  'x.grp.leave': [],
  'x.grp.del': [],
  'x.grp.info': fields('groupProfile: GroupProfile'),
  'x.grp.prefs': fields('groupPreferences: GroupPreferences'),
  'x.grp.direct.inv': fields('connReq: invitation, content?: MsgContent, scope?: MsgScope'),
  'x.info.probe': fields('probe: id'),
  'x.info.probe.check': fields('probeHash: id'),
  'x.info.probe.ok': fields('probe: id'),
  'x.call.inv': fields('callId: id, invitation: CallInvitation'),
  'x.call.offer': fields('callId: id, offer: CallOffer'),
  'x.call.answer': fields('callId: id, answer: CallAnswer'),
  'x.call.extra': fields('callId: id, extra: CallExtra'),
  'x.call.end': fields('callId: id'),
  'x.ok': [],
};

/** Parameters of a forwarded message beside the message itself. */
export const forwardFields: readonly SchemaField[] = fields('memberId?: id, memberName?: string, msgTs: time');

function textPrimitive(what: string, read: (text: string) => JsonValue | undefined) {
  return (value: JsonValue, path: string): JsonValue => {
    if (typeof value !== 'string') throw new SchemaMismatch(path, what);
    try {
      const result = read(value);
      if (result !== undefined) return result;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
    throw new SchemaMismatch(path, what);
  };
}

const isoTime = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,12}))?)?(Z|[+-]\d{2}:\d{2})$/;

/** A time of a peer in the one form that we use, or `undefined`: seconds, the fraction without final zeros, `Z`. */
export function normalTime(text: string): string | undefined {
  const m = isoTime.exec(text);
  if (m === null) return undefined;
  const [, date = '', minutes = '', seconds = '00', fraction = '', zone = 'Z'] = m;
  const ms = Date.parse(`${date}T${minutes}:${seconds}${zone}`);
  if (Number.isNaN(ms)) return undefined;
  const digits = fraction.replace(/0+$/, '');
  return `${new Date(ms).toISOString().slice(0, 19)}${digits === '' ? '' : `.${digits}`}Z`;
}

const knownRoles: ReadonlySet<string> = new Set(['observer', 'author', 'member', 'moderator', 'admin', 'owner']);

/** Primitive types of the protocol. Links stay as they came: another spelling would look like a change of the profile. */
export const protocolPrimitives: Primitives = {
  id: textPrimitive('base64url', (s) => base64url(decodeBase64url(s))),
  time: textPrimitive('a time', normalTime),
  versions: textPrimitive('versions', (s) => formatVersionRange(parseVersionRange(s))),
  link: textPrimitive('a connection link', (s) => {
    parseConnectionLink(s);
    return s;
  }),
  invitation: textPrimitive('a full one-time link', (s) =>
    parseConnectionRequest(s).mode === 'invitation' ? s : undefined,
  ),
  // A role of newer versions may do what everybody may do.
  role(value, path) {
    if (typeof value !== 'string') throw new SchemaMismatch(path, 'a role');
    return knownRoles.has(value) ? value : 'observer';
  },
  reaction(value, path) {
    if (!isJsonObject(value) || typeof value.type !== 'string') throw new SchemaMismatch(path, 'a reaction');
    const { type, emoji } = value;
    const known = type === 'emoji' && typeof emoji === 'string' && isKnownReaction({ type, emoji });
    return known ? { type, emoji } : value;
  },
};
