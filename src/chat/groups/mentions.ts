import type { CIMention, GroupInfo, MsgContent, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { storeFailure } from '../engine/errors.js';
import { formatText } from '../items/format.js';
import { contentText } from '../items/text.js';
import { mentionedNames, quotedName } from '../markdown/index.js';
import type { MsgMentions } from '../protocol/index.js';
import { getMember, memberViewByMemberId } from './queries.js';

/** Members that one message may mention (60, section 8.6). */
const maxSentMentions = 3;
const maxReceivedMentions = 5;

/** Mentions of one item by the name in its text. */
export type Mentions = Readonly<Record<string, CIMention>>;

/** The mentions that a client asks for: `invalidMention`, `groupMemberNotFound`. */
export async function sentMentions(
  tx: Tx,
  user: User,
  group: GroupInfo,
  content: MsgContent,
  wanted: Readonly<Record<string, number>> | undefined,
): Promise<Mentions> {
  const entries = Object.entries(wanted ?? {});
  const formatted = formatText(contentText(content));
  if (entries.length === 0 || formatted === undefined || formatted.length === 0) return {};
  const names = new Set(mentionedNames(formatted));
  const ids = new Set(entries.map(([, id]) => id));
  if (entries.length > maxSentMentions || !entries.every(([name]) => names.has(name)) || ids.size !== entries.length) {
    throw storeFailure({ type: 'invalidMention' });
  }
  const mentions: Record<string, CIMention> = {};
  for (const [name, id] of entries) {
    const member = await getMember(tx, user, group.groupId, id);
    mentions[name] = mentionOf(member);
  }
  return mentions;
}

function mentionOf(member: {
  readonly memberId: string;
  readonly groupMemberId: number;
  readonly memberRole: NonNullable<CIMention['memberRef']>['memberRole'];
  readonly memberProfile: { readonly displayName: string; readonly localAlias: string };
}): CIMention {
  return {
    memberId: member.memberId,
    memberRef: {
      groupMemberId: member.groupMemberId,
      displayName: member.memberProfile.displayName,
      localAlias: member.memberProfile.localAlias,
      memberRole: member.memberRole,
    },
  };
}

/** Those mentions of a received message that its text shows: each member once, the first five. */
export async function receivedMentions(
  tx: Tx,
  user: User,
  group: GroupInfo,
  content: MsgContent,
  received: MsgMentions | undefined,
): Promise<Mentions> {
  if (received === undefined || Object.keys(received).length === 0) return {};
  const mentions: Record<string, CIMention> = {};
  const seen = new Set<string>();
  for (const name of mentionedNames(formatText(contentText(content)))) {
    if (seen.size >= maxReceivedMentions) break;
    const memberId = Object.hasOwn(received, name) ? received[name]?.memberId : undefined;
    if (memberId === undefined || seen.has(memberId)) continue;
    seen.add(memberId);
    const member = await memberViewByMemberId(tx, user, group.groupId, memberId);
    mentions[name] = member === undefined ? { memberId } : mentionOf(member);
  }
  return mentions;
}

/** Also kept in the item's row, so that items without mentions need no look-up. */
export function hasMentions(mentions: Mentions): boolean {
  return Object.keys(mentions).length > 0;
}

/** By the id of the membership: names may have changed. */
export function mentionsUser(group: GroupInfo, mentions: Mentions): boolean {
  return Object.values(mentions).some((m) => m.memberId === group.membership.memberId);
}

/** Mentions as they travel. */
export function messageMentions(mentions: Mentions): MsgMentions | undefined {
  if (!hasMentions(mentions)) return undefined;
  return Object.fromEntries(Object.entries(mentions).map(([name, m]) => [name, { memberId: m.memberId }]));
}

/** Replaces the mentions of an item. */
export async function storeMentions(tx: Tx, itemId: number, groupId: number, mentions: Mentions): Promise<void> {
  await tx.db.deleteFrom('chat_item_mentions').where('chat_item_id', '=', itemId).execute();
  for (const [name, { memberId }] of Object.entries(mentions)) {
    await tx.db
      .insertInto('chat_item_mentions')
      .values({ chat_item_id: itemId, group_id: groupId, member_id: memberId, display_name: name })
      .execute();
  }
}

/** The mentioned member still has the name that the text uses, maybe with a number that tells it from another. */
function hasSameName(name: string, mention: CIMention): boolean {
  const current = mention.memberRef?.displayName;
  return (
    current === undefined || name === current || (name.startsWith(current) && /^_\d+$/.test(name.slice(current.length)))
  );
}

/** A text whose mentions use the present names of members: for what is sent again (60, section 7.9). */
export function withPresentNames(
  content: MsgContent,
  mentions: Mentions,
): { readonly content: MsgContent; readonly mentions: Mentions } {
  const same = { content, mentions };
  if (Object.entries(mentions).every(([name, m]) => hasSameName(name, m))) return same;
  const formatted = formatText(contentText(content));
  // Texts that are made from other fields cannot be changed.
  if (formatted === undefined || contentText(content) !== content.text) return same;
  const renamed: Record<string, CIMention> = {};
  const text = formatted
    .map((f) => {
      if (f.format?.type !== 'mention') return f.text;
      const mention = mentions[f.format.memberName];
      if (mention === undefined) return f.text;
      const name = freeName(mention.memberRef?.displayName ?? f.format.memberName, renamed);
      renamed[name] = mention;
      return `@${quotedName(name)}`;
    })
    .join('');
  return { content: { ...content, text }, mentions: renamed };
}

function freeName(name: string, taken: Mentions): string {
  for (let i = 0; ; i++) {
    const candidate = i === 0 ? name : `${name}_${i}`;
    if (!Object.hasOwn(taken, candidate)) return candidate;
  }
}
