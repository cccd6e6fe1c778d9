import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ApiEvent, ApiResponse } from '../../src/api/index.js';
import { type Actor, agree, befriend, forge, invite, memberIdOf, until, World } from './group-world.js';

/*
 * alice is the owner and has invited everybody: bob is an admin, dan a moderator, carol and eve are members, finn an
 * observer. Messages are made by hand and sent on the members' own connections. Nothing may change by them, and what
 * they are is told.
 */
const names = ['alice', 'bob', 'carol', 'dan', 'eve', 'finn'] as const;
type Name = (typeof names)[number];

let world: World;
let actors: Record<Name, Actor>;
const ids = new Map<Actor, number>();
const memberIds = new Map<Name, string>();
/** Shared ids of messages by author. */
const messages = new Map<Name, string>();
/** A link that works, of somebody who wants to be taken for another. */
let link: string;

const newMsgId = (): string => Buffer.from(randomBytes(12).toString('base64')).toString('base64url');
const wire = (event: string, params: unknown, msgId = newMsgId()) => ({ v: '1-16', msgId, event, params });
const id = (name: Name): string => memberIds.get(name) ?? expect.fail(`no id of ${name}`);
const msg = (name: Name): string => messages.get(name) ?? expect.fail(`no message of ${name}`);
const text = (t: string) => ({ content: { type: 'text', text: t } });
const padded = (b: Buffer): string =>
  b.toString('base64url') + '='.repeat((4 - (b.toString('base64url').length % 4)) % 4);
const nobody = padded(Buffer.from('AAECAwQFBgcICQoL'));
const profile = { displayName: 'team2', fullName: '' };
const info = (memberId: string, memberRole: string) => ({
  memberId,
  memberRole,
  v: '1-16',
  profile: { displayName: 'mallory', fullName: '' },
});
const forward = (author: string, inner: unknown) =>
  wire('x.grp.msg.forward', { memberId: author, msg: inner, msgTs: new Date().toISOString() });

beforeAll(async () => {
  world = await World.open();
  const [alice, ...others] = await world.actors(...names);
  if (alice === undefined) throw new Error('no actor');
  actors = Object.fromEntries([alice, ...others].map((a) => [a.name, a])) as Record<Name, Actor>;
  const profileOfGroup = {
    displayName: 'team',
    fullName: '',
    groupPreferences: { directMessages: { enable: 'off' }, fullDelete: { enable: 'on' }, history: { enable: 'off' } },
  };
  const { groupInfo } = await alice.ok(`/_group 1 ${JSON.stringify(profileOfGroup)}`, 'groupCreated');
  ids.set(alice, groupInfo.groupId);
  const roles = { bob: 'admin', carol: 'member', dan: 'moderator', eve: 'member', finn: 'observer' } as const;
  await Promise.all(others.map((other) => befriend(alice, other)));
  for (const other of others) {
    ids.set(other, await invite(alice, groupInfo.groupId, other, roles[other.name as keyof typeof roles]));
  }
  await agree(ids);
  link = (await alice.ok('/_connect 1', 'invitation')).connLinkInvitation.connFullLink;
  for (const name of names) {
    const actor = actors[name];
    const groupId = ids.get(actor) ?? 0;
    memberIds.set(name, await memberIdOf(actor, groupId));
    if (name === 'finn') continue;
    const arrived = names
      .filter((n) => n !== name)
      .map((n) => actors[n].next('newChatItems', (e) => e.chatItems[0]?.chatItem.meta.itemText === `of ${name}`));
    const { chatItems } = await actor.ok(
      `/_send #${groupId} json [{"msgContent":{"type":"text","text":"of ${name}"}}]`,
      'newChatItems',
    );
    messages.set(name, chatItems[0]?.chatItem.meta.itemSharedMsgId ?? '');
    await Promise.all(arrived);
  }
});

afterAll(() => world.close());

/** All that a group consists of, for its members. */
async function state(actor: Actor): Promise<unknown> {
  const groupId = ids.get(actor) ?? 0;
  const tables = {
    members: `SELECT group_member_id, member_id, member_role, member_category, member_status, member_restriction,
        local_display_name, contact_id, invited_by_group_member_id, group_queue_info FROM group_members WHERE group_id = ?
        ORDER BY group_member_id`,
    connections: `SELECT c.connection_id, c.conn_status, c.group_member_id FROM connections c
        JOIN group_members m ON m.group_member_id = c.group_member_id WHERE m.group_id = ? ORDER BY c.connection_id`,
    items: `SELECT chat_item_id, shared_msg_id, item_content, item_text, item_deleted, item_edited, group_member_id,
        has_reactions, group_scope_tag FROM chat_items WHERE group_id = ? ORDER BY chat_item_id`,
    profile: `SELECT p.* FROM group_profiles p JOIN groups g ON g.group_profile_id = p.group_profile_id WHERE g.group_id = ?`,
    reactions: 'SELECT * FROM chat_item_reactions WHERE group_id = ?',
    moderations: 'SELECT * FROM chat_item_moderations WHERE group_id = ?',
    intros: `SELECT i.* FROM group_member_intros i JOIN group_members m ON m.group_member_id = i.re_group_member_id
        WHERE m.group_id = ? ORDER BY i.group_member_intro_id`,
  };
  const all: Record<string, unknown> = {};
  for (const [table, sql] of Object.entries(tables)) all[table] = await actor.rows(sql, [groupId]);
  return all;
}

/** What an event tells, for comparing. */
function tellOf(event: ApiEvent | ApiResponse): string {
  if (event.type === 'messageError') return `${event.severity}: ${event.errorMessage}`;
  if (event.type !== 'chatError') return event.type;
  const { chatError } = event;
  if (chatError.type === 'error') {
    const { errorType } = chatError;
    return `${errorType.type}${errorType.type === 'groupContactRole' ? ` ${errorType.contactName}` : ''}`;
  }
  return chatError.type === 'errorStore' ? chatError.storeError.type : chatError.type;
}

interface Forgery {
  readonly name: string;
  readonly from: Name;
  readonly to: Name;
  readonly message: () => unknown;
  /** Events at the receiver. */
  readonly tells: readonly string[];
}

const forgeries: readonly Forgery[] = [
  {
    name: 'a member edits the message of another',
    from: 'carol',
    to: 'alice',
    message: () => wire('x.msg.update', { msgId: msg('eve'), ...text('never said') }),
    tells: ['error: x.msg.update: group member attempted to update a message of another member'],
  },
  {
    name: "a member edits the receiver's message",
    from: 'carol',
    to: 'alice',
    message: () => wire('x.msg.update', { msgId: msg('alice'), ...text('never said') }),
    tells: ['error: x.msg.update: group member attempted to update a message of another member'],
  },
  {
    name: 'a member deletes the message of another as its own',
    from: 'carol',
    to: 'alice',
    message: () => wire('x.msg.del', { msgId: msg('eve') }),
    tells: ['error: x.msg.del: message not found'],
  },
  {
    name: 'a member moderates a message',
    from: 'carol',
    to: 'bob',
    message: () => wire('x.msg.del', { msgId: msg('eve'), memberId: id('eve') }),
    tells: ['error: x.msg.del: message of another member with insufficient member permissions'],
  },
  {
    name: "a member moderates the receiver's message",
    from: 'carol',
    to: 'eve',
    message: () => wire('x.msg.del', { msgId: msg('eve'), memberId: id('eve') }),
    tells: ['error: x.msg.del: message of another member with insufficient member permissions'],
  },
  {
    name: 'a moderator moderates a message of the owner',
    from: 'dan',
    to: 'carol',
    message: () => wire('x.msg.del', { msgId: msg('alice'), memberId: id('alice') }),
    tells: ['error: x.msg.del: message of another member with insufficient member permissions'],
  },
  {
    name: 'a member moderates a message that has not come',
    from: 'carol',
    to: 'bob',
    message: () => wire('x.msg.del', { msgId: newMsgId(), memberId: id('eve') }),
    tells: ['error: x.msg.del: message not found, message of another member with insufficient member permissions'],
  },
  {
    name: 'a member sends with the id of a message of another',
    from: 'carol',
    to: 'alice',
    message: () => wire('x.msg.new', text('instead'), msg('eve')),
    tells: ['duplicateGroupMessage'],
  },
  {
    name: 'a message comes a second time',
    from: 'carol',
    to: 'alice',
    message: () => wire('x.msg.new', text('of carol'), msg('carol')),
    tells: ['duplicateGroupMessage'],
  },
  {
    name: 'an observer writes',
    from: 'finn',
    to: 'alice',
    message: () => wire('x.msg.new', text('I may not')),
    tells: ['error: member is not allowed to send messages'],
  },
  {
    name: 'an observer brings back a message by an edit',
    from: 'finn',
    to: 'alice',
    message: () => wire('x.msg.update', { msgId: newMsgId(), ...text('I may not') }),
    tells: ['error: member is not allowed to send messages'],
  },
  {
    name: 'a member writes into the support chat of another',
    from: 'carol',
    to: 'alice',
    message: () => wire('x.msg.new', { ...text('hello'), scope: { type: 'member', memberId: id('eve') } }),
    tells: ['error: member is not allowed to send messages'],
  },
  {
    name: "a member writes into the receiver's support chat",
    from: 'carol',
    to: 'eve',
    message: () => wire('x.msg.new', { ...text('hello'), scope: { type: 'member', memberId: id('eve') } }),
    tells: ['error: member is not allowed to send messages'],
  },
  {
    name: 'a reaction without the author of the message',
    from: 'carol',
    to: 'alice',
    message: () => wire('x.msg.react', { msgId: msg('eve'), reaction: { type: 'emoji', emoji: '👍' }, add: true }),
    tells: ['error: unsupported message: x.msg.react'],
  },
  {
    name: 'a member changes a role',
    from: 'carol',
    to: 'bob',
    message: () => wire('x.grp.mem.role', { memberId: id('eve'), role: 'observer' }),
    tells: ['error: x.grp.mem.role with insufficient member permissions'],
  },
  {
    name: 'a member makes itself an admin',
    from: 'carol',
    to: 'bob',
    message: () => wire('x.grp.mem.role', { memberId: id('carol'), role: 'admin' }),
    tells: ['error: x.grp.mem.role with insufficient member permissions'],
  },
  {
    name: 'an admin makes a member an owner',
    from: 'bob',
    to: 'carol',
    message: () => wire('x.grp.mem.role', { memberId: id('eve'), role: 'owner' }),
    tells: ['error: x.grp.mem.role with insufficient member permissions'],
  },
  {
    name: 'an admin makes the receiver an owner',
    from: 'bob',
    to: 'carol',
    message: () => wire('x.grp.mem.role', { memberId: id('carol'), role: 'owner' }),
    tells: ['error: x.grp.mem.role with insufficient member permissions'],
  },
  {
    name: 'an admin degrades the owner',
    from: 'bob',
    to: 'alice',
    message: () => wire('x.grp.mem.role', { memberId: id('alice'), role: 'member' }),
    tells: ['error: x.grp.mem.role with insufficient member permissions'],
  },
  {
    name: 'the role of an unknown member changes',
    from: 'alice',
    to: 'carol',
    message: () => wire('x.grp.mem.role', { memberId: nobody, role: 'admin' }),
    tells: ['error: x.grp.mem.role with unknown member ID'],
  },
  {
    name: 'a member removes another',
    from: 'carol',
    to: 'bob',
    message: () => wire('x.grp.mem.del', { memberId: id('eve'), messages: true }),
    tells: ['error: x.grp.mem.del with insufficient member permissions'],
  },
  {
    name: 'a member removes the receiver',
    from: 'carol',
    to: 'eve',
    message: () => wire('x.grp.mem.del', { memberId: id('eve') }),
    tells: ['error: x.grp.mem.del with insufficient member permissions'],
  },
  {
    name: 'an admin removes the owner',
    from: 'bob',
    to: 'carol',
    message: () => wire('x.grp.mem.del', { memberId: id('alice'), messages: true }),
    tells: ['error: x.grp.mem.del with insufficient member permissions'],
  },
  {
    name: 'an unknown member is removed',
    from: 'bob',
    to: 'carol',
    message: () => wire('x.grp.mem.del', { memberId: nobody }),
    tells: ['error: x.grp.mem.del with unknown member ID'],
  },
  {
    name: 'a member blocks another for all',
    from: 'carol',
    to: 'bob',
    message: () => wire('x.grp.mem.restrict', { memberId: id('eve'), memberRestrictions: { restriction: 'blocked' } }),
    tells: ['error: x.grp.mem.restrict with insufficient member permissions'],
  },
  {
    name: 'a member blocks an unknown member',
    from: 'carol',
    to: 'bob',
    message: () => wire('x.grp.mem.restrict', { memberId: nobody, memberRestrictions: { restriction: 'blocked' } }),
    tells: ['error: x.grp.mem.restrict with insufficient member permissions'],
  },
  {
    name: 'a moderator blocks an admin',
    from: 'dan',
    to: 'carol',
    message: () => wire('x.grp.mem.restrict', { memberId: id('bob'), memberRestrictions: { restriction: 'blocked' } }),
    tells: ['error: x.grp.mem.restrict with insufficient member permissions'],
  },
  {
    name: 'the receiver is told that it is blocked',
    from: 'bob',
    to: 'carol',
    message: () =>
      wire('x.grp.mem.restrict', { memberId: id('carol'), memberRestrictions: { restriction: 'blocked' } }),
    tells: ['error: x.grp.mem.restrict: admin blocks you'],
  },
  {
    name: 'an admin changes the profile of the group',
    from: 'bob',
    to: 'carol',
    message: () => wire('x.grp.info', { groupProfile: profile }),
    tells: ['error: x.grp.info with insufficient member permissions'],
  },
  {
    name: 'an admin changes the preferences of the group',
    from: 'bob',
    to: 'carol',
    message: () => wire('x.grp.prefs', { groupPreferences: { directMessages: { enable: 'on' } } }),
    tells: ['error: x.grp.prefs with insufficient member permissions'],
  },
  {
    name: 'an admin deletes the group',
    from: 'bob',
    to: 'carol',
    message: () => wire('x.grp.del', {}),
    tells: ['groupUserRole'],
  },
  {
    name: 'a member announces a new member',
    from: 'carol',
    to: 'bob',
    message: () => wire('x.grp.mem.new', { memberInfo: info(nobody, 'member') }),
    tells: ['groupContactRole carol'],
  },
  {
    name: 'an admin announces an owner',
    from: 'bob',
    to: 'carol',
    message: () => wire('x.grp.mem.new', { memberInfo: info(nobody, 'owner') }),
    tells: ['groupContactRole bob'],
  },
  {
    name: 'an admin announces somebody who is a member',
    from: 'bob',
    to: 'carol',
    message: () => wire('x.grp.mem.new', { memberInfo: info(id('eve'), 'member') }),
    tells: ['error: x.grp.mem.new error: member already exists'],
  },
  {
    name: 'who is not the host introduces a member',
    from: 'bob',
    to: 'carol',
    message: () => wire('x.grp.mem.intro', { memberInfo: info(nobody, 'member') }),
    tells: ['error: x.grp.mem.intro can be only sent by host member'],
  },
  {
    name: 'the host introduces somebody who is a member',
    from: 'alice',
    to: 'carol',
    message: () => wire('x.grp.mem.intro', { memberInfo: info(id('bob'), 'owner') }),
    tells: ['error: x.grp.mem.intro ignored: member already exists'],
  },
  {
    name: 'who was not invited by the receiver answers an introduction',
    from: 'bob',
    to: 'carol',
    message: () => wire('x.grp.mem.inv', { memberId: id('eve'), memberIntro: { groupConnReq: link } }),
    tells: ['error: x.grp.mem.inv can be only sent by invitee member'],
  },
  {
    name: 'an admin sends a link in the name of the owner',
    from: 'bob',
    to: 'carol',
    message: () =>
      wire('x.grp.mem.fwd', {
        memberInfo: info(id('alice'), 'member'),
        memberIntro: { groupConnReq: link },
      }),
    tells: ['groupContactRole bob'],
  },
  {
    name: "the host sends a second link of a member, to put itself in the member's place",
    from: 'alice',
    to: 'carol',
    message: () =>
      wire('x.grp.mem.fwd', {
        memberInfo: info(id('eve'), 'member'),
        memberIntro: { groupConnReq: link },
      }),
    tells: ['error: x.grp.mem.fwd ignored: member is connected or has left'],
  },
  {
    name: 'a member sends the link of a member',
    from: 'carol',
    to: 'bob',
    message: () =>
      wire('x.grp.mem.fwd', {
        memberInfo: info(nobody, 'member'),
        memberIntro: { groupConnReq: link },
      }),
    tells: ['groupContactRole carol'],
  },
  {
    name: 'members are connected that nobody has introduced',
    from: 'carol',
    to: 'bob',
    message: () => wire('x.grp.mem.con', { memberId: id('eve') }),
    tells: ['warning: x.grp.mem.con: neither member is invitee'],
  },
  {
    name: 'a moderator accepts somebody who is the owner, as an observer',
    from: 'dan',
    to: 'carol',
    message: () => wire('x.grp.link.acpt', { acceptance: 'accepted', role: 'observer', memberId: id('alice') }),
    tells: ['warning: x.grp.link.acpt: member is not pending'],
  },
  {
    name: 'a moderator accepts the receiver, who is the owner, as an observer',
    from: 'dan',
    to: 'alice',
    message: () => wire('x.grp.link.acpt', { acceptance: 'accepted', role: 'observer', memberId: id('alice') }),
    tells: ['warning: x.grp.link.acpt: member is not pending'],
  },
  {
    name: 'a member accepts a member',
    from: 'carol',
    to: 'bob',
    message: () => wire('x.grp.link.acpt', { acceptance: 'accepted', role: 'member', memberId: id('eve') }),
    tells: ['error: x.grp.link.acpt with insufficient member permissions'],
  },
  {
    name: 'a moderator accepts a member as an owner',
    from: 'dan',
    to: 'bob',
    message: () => wire('x.grp.link.acpt', { acceptance: 'accepted', role: 'owner', memberId: id('eve') }),
    tells: ['error: x.grp.link.acpt with insufficient member permissions'],
  },
  {
    name: 'a host profile that nobody waits for',
    from: 'bob',
    to: 'carol',
    message: () => wire('x.grp.link.mem', { profile: { displayName: 'alice', fullName: '' } }),
    tells: ['error: x.grp.link.mem error: invalid group link host profile update'],
  },
  {
    name: 'a direct invitation where there are none',
    from: 'carol',
    to: 'eve',
    message: () => wire('x.grp.direct.inv', { connReq: link }),
    tells: ['error: x.grp.direct.inv: direct messages not allowed'],
  },
  {
    name: 'a member passes on a message',
    from: 'carol',
    to: 'bob',
    message: () => forward(id('eve'), wire('x.msg.new', text('never said'))),
    tells: ['groupContactRole carol'],
  },
  {
    name: 'an admin who has not invited the author passes on a message',
    from: 'bob',
    to: 'carol',
    message: () => forward(id('eve'), wire('x.msg.new', text('never said'))),
    tells: ['error: x.grp.msg.forward: neither from the host nor from who invited the author'],
  },
  {
    name: 'an admin who is not the host passes on a message of nobody',
    from: 'bob',
    to: 'carol',
    message: () => forward(nobody, wire('x.msg.new', text('never said'))),
    tells: ['error: x.grp.msg.forward: neither from the host nor from who invited the author'],
  },
  {
    name: "an admin passes on a deletion of the group in the owner's name",
    from: 'bob',
    to: 'carol',
    message: () => forward(id('alice'), wire('x.grp.del', {})),
    tells: ['error: x.grp.msg.forward: neither from the host nor from who invited the author'],
  },
  {
    name: "the host passes on a message in the receiver's name",
    from: 'alice',
    to: 'carol',
    message: () => forward(id('carol'), wire('x.msg.new', text('never said'))),
    tells: ['error: x.grp.msg.forward: message of the user'],
  },
  {
    name: 'a message that is there is passed on with another author',
    from: 'alice',
    to: 'carol',
    message: () => forward(id('bob'), wire('x.msg.new', text('of eve'), msg('eve'))),
    tells: ['error: duplicate message is forwarded with another author'],
  },
  {
    name: 'something is passed on that cannot be',
    from: 'alice',
    to: 'carol',
    message: () => forward(id('bob'), wire('x.grp.mem.intro', { memberInfo: info(nobody, 'member') })),
    tells: ['error: x.grp.msg.forward: unsupported forwarded event x.grp.mem.intro'],
  },
  {
    name: 'a forward is passed on',
    from: 'alice',
    to: 'carol',
    message: () => forward(id('bob'), forward(id('eve'), wire('x.msg.new', text('never said')))),
    tells: ['error: x.grp.msg.forward: unsupported forwarded event x.grp.msg.forward'],
  },
  {
    name: 'an event that is none',
    from: 'carol',
    to: 'alice',
    message: () => wire('x.grp.own', {}),
    tells: ['error: unsupported message: XUnknown x.grp.own'],
  },
];

test.each(forgeries)('changes nothing: $name', async ({ from, to, message, tells }) => {
  const receiver = actors[to];
  const before = await state(receiver);
  receiver.take();
  // Messages of a connection come in order: what comes after the forgery shows that the forgery was worked on.
  const marker = receiver.next('messageError', (e) => e.errorMessage.includes('x.marker'));
  await forge(actors[from], receiver, ids, message());
  await forge(actors[from], receiver, ids, wire('x.marker', {}));
  await marker;
  const events = receiver.take().filter((e) => !(e.type === 'messageError' && e.errorMessage.includes('x.marker')));
  expect(events.map(tellOf)).toEqual(tells);
  expect(await state(receiver)).toEqual(before);
});

test('one bad message of a batch does not stop the others', async () => {
  const { alice, carol } = actors;
  alice.take();
  const arrived = alice.next('newChatItems', (e) => e.chatItems[0]?.chatItem.meta.itemText === 'good');
  await forge(carol, alice, ids, [
    { v: '1-16', msgId: 1, event: [], params: 'x' },
    wire('x.grp.mem.del', { memberId: id('eve') }),
    wire('x.msg.new', text('good')),
  ]);
  await arrived;
  const events = alice.take().map(tellOf);
  expect(events).toEqual(['exception', 'error: x.grp.mem.del with insufficient member permissions', 'newChatItems']);
});

test('a member that has left is not heard any more', async () => {
  const { alice, bob, carol, dan, eve, finn } = actors;
  const left = [alice, bob, carol, dan, finn].map((a) => a.next('leftMember'));
  await eve.ok(`/_leave #${ids.get(eve)}`, 'leftMemberUser');
  await Promise.all(left);
  ids.delete(eve);
  const before = await state(carol);
  const told: string[] = [];
  carol.take();
  const marker = carol.next('messageError', (e) => e.errorMessage.includes('x.marker'));
  // alice is the host of carol and has invited eve.
  await forge(alice, carol, ids, forward(id('eve'), wire('x.msg.new', text('from beyond'))));
  await forge(
    alice,
    carol,
    ids,
    wire('x.grp.mem.fwd', {
      memberInfo: info(id('eve'), 'member'),
      memberIntro: { groupConnReq: link },
    }),
  );
  await forge(
    dan,
    carol,
    ids,
    wire('x.grp.link.acpt', { acceptance: 'accepted', role: 'member', memberId: id('eve') }),
  );
  await forge(alice, carol, ids, wire('x.marker', {}));
  await marker;
  // The one of dan comes on a connection of its own.
  await until(async () => {
    told.push(
      ...carol
        .take()
        .map(tellOf)
        .filter((t) => !t.includes('x.marker')),
    );
    return told.length < 2 ? 'not yet' : undefined;
  });
  expect(told.sort()).toEqual([
    'error: x.grp.mem.fwd ignored: member is connected or has left',
    'warning: x.grp.link.acpt: member is not pending',
  ]);
  expect(await state(carol)).toEqual(before);
});
