import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type {
  ApiResponse,
  GroupFeature,
  GroupInfo,
  GroupMemberRole,
  GroupMemberStatus,
  MsgContent,
} from '../../src/api/index.js';
import { prohibitedContent } from '../../src/chat/groups/content-rules.js';
import { insertMember } from '../../src/chat/groups/records.js';
import { ourChatVersions } from '../../src/chat/protocol/index.js';
import { type Actor, agree, befriend, forge, invite, memberIdOf, World } from './group-world.js';

/*
 * The matrix of 60-groups.md, section 3.3: what each role may do, where it is done and where it is heard. alice has a
 * group with bob; roles are set in alice's database, and other members are rows without connections.
 */
const roles = ['observer', 'author', 'member', 'moderator', 'admin', 'owner'] as const;
const rank = (r: GroupMemberRole): number => roles.indexOf(r);
const highest = (...of: GroupMemberRole[]): GroupMemberRole => roles[Math.max(...of.map(rank))] ?? 'owner';
const padded = (b: Buffer): string => b.toString('base64');
const newId = (): string =>
  Buffer.from(padded(randomBytes(12)))
    .toString('base64')
    .replaceAll('+', '-')
    .replaceAll('/', '_');

let world: World;
let alice: Actor;
let bob: Actor;
let group: GroupInfo;
let groupId: number;
const ids = new Map<Actor, number>();
let names = 0;

beforeAll(async () => {
  world = await World.open();
  [alice, bob] = (await world.actors('alice', 'bob')) as [Actor, Actor];
  await befriend(alice, bob);
  const profile = {
    displayName: 'team',
    fullName: '',
    groupPreferences: { directMessages: { enable: 'on' }, history: { enable: 'off' } },
  };
  group = (await alice.ok(`/_group 1 ${JSON.stringify(profile)}`, 'groupCreated')).groupInfo;
  groupId = group.groupId;
  ids.set(alice, groupId);
  ids.set(bob, await invite(alice, groupId, bob, 'member'));
  await agree(ids);
  // A moderator who takes messages to support chats.
  await member('moderator');
});

afterAll(() => world.close());

interface Target {
  readonly id: number;
  readonly memberId: string;
}

/** Another member, invited by the user, who cannot be reached. */
async function member(role: GroupMemberRole, status: GroupMemberStatus = 'connected'): Promise<Target> {
  const memberId = newId();
  const { store, clock } = alice.local.engine.context;
  const id = await store.transaction((tx) =>
    insertMember(
      tx,
      1,
      groupId,
      {
        memberId,
        role,
        // Those who wait for a review were invited by somebody else.
        category: status === 'connected' ? 'invitee' : 'post',
        status,
        who: { type: 'profile', profile: { displayName: `m${names++}`, fullName: '' } },
        versions: ourChatVersions,
      },
      clock.now(),
    ),
  );
  return { id, memberId };
}

async function ownRole(role: GroupMemberRole, status: GroupMemberStatus = 'creator'): Promise<void> {
  await alice.run(
    "UPDATE group_members SET member_role = ?, member_status = ? WHERE group_id = ? AND member_category = 'user'",
    [role, status, groupId],
  );
}

async function bobsRole(role: GroupMemberRole): Promise<void> {
  await alice.run('UPDATE group_members SET member_role = ? WHERE group_id = ? AND member_id = ?', [
    role,
    groupId,
    await memberIdOf(bob, ids.get(bob) ?? 0),
  ]);
}

/** What a command was answered with: `ok`, the role that it needs, or another error. */
function outcome(response: ApiResponse): string {
  if (response.type !== 'chatCmdError') return 'ok';
  const { chatError } = response;
  if (chatError.type !== 'error') return JSON.stringify(chatError);
  const { errorType } = chatError;
  if (errorType.type === 'groupUserRole') return `needs ${errorType.requiredRole}`;
  return errorType.type === 'commandError' ? errorType.message : errorType.type;
}

interface Action {
  readonly name: string;
  /** The least role; nobody else may. */
  readonly needs: GroupMemberRole;
  /** Another answer than `needs <role>` to who may not. */
  readonly refused?: (role: GroupMemberRole) => string;
  /** What makes the command; run while the user is the owner. */
  readonly command: () => Promise<string> | string;
  /** Where it would cost too much, or end the group, only refusals are looked at. */
  readonly onlyRefusals?: true;
}

const text = '{"msgContent":{"type":"text","text":"hello"}}';

async function ownItem(): Promise<number> {
  const { chatItems } = await alice.ok(`/_send #${groupId} json [${text}]`, 'newChatItems');
  return chatItems[0]?.chatItem.meta.itemId ?? 0;
}

/** A message of bob, as it came. */
async function bobsItem(): Promise<number> {
  const arrived = alice.next('newChatItems', (e) => e.chatItems[0]?.chatItem.content.type === 'rcvMsgContent');
  await bob.ok(`/_send #${ids.get(bob)} json [${text}]`, 'newChatItems');
  return (await arrived).chatItems[0]?.chatItem.meta.itemId ?? 0;
}

const targetRoles = ['member', 'moderator', 'admin', 'owner'] as const;

const actions: readonly Action[] = [
  { name: 'write to the group', needs: 'author', command: () => `/_send #${groupId} json [${text}]` },
  {
    name: 'write to the own support chat',
    needs: 'observer',
    command: () => `/_send #${groupId}(_support) json [${text}]`,
  },
  {
    name: 'write to the support chat of a member',
    needs: 'moderator',
    command: async () => `/_send #${groupId}(_support:${(await member('member')).id}) json [${text}]`,
  },
  {
    name: 'edit an own message',
    needs: 'author',
    command: async () =>
      `/_update item #${groupId} ${await ownItem()} json {"msgContent":{"type":"text","text":"${names++}"},"mentions":{}}`,
  },
  {
    name: 'delete an own message',
    needs: 'observer',
    command: async () => `/_delete item #${groupId} ${await ownItem()} broadcast`,
  },
  {
    name: 'react',
    needs: 'observer',
    command: async () => `/_reaction #${groupId} ${await ownItem()} on {"type":"emoji","emoji":"👍"}`,
  },
  {
    name: 'moderate the message of a member',
    needs: 'moderator',
    refused: (role) => (rank(role) < rank('member') ? 'invalidChatItemDelete' : 'needs moderator'),
    command: async () => `/_delete member item #${groupId} ${await bobsItem()}`,
  },
  ...targetRoles.map(
    (role): Action => ({
      name: `block a member who is ${role}`,
      needs: highest('moderator', role),
      command: async () => `/_block #${groupId} ${(await member(role)).id} blocked=on`,
    }),
  ),
  ...targetRoles.map(
    (role): Action => ({
      name: `remove a member who is ${role}`,
      needs: highest('admin', role),
      command: async () => `/_remove #${groupId} ${(await member(role)).id}`,
    }),
  ),
  ...targetRoles.flatMap((from) =>
    (['observer', 'member', 'moderator', 'admin', 'owner'] as const)
      .filter((to) => to !== from)
      .map(
        (to): Action => ({
          name: `make a member who is ${from} ${to}`,
          needs: highest('admin', from, to),
          command: async () => `/_member role #${groupId} ${(await member(from)).id} ${to}`,
        }),
      ),
  ),
  ...(['observer', 'member', 'moderator', 'admin', 'owner'] as const).map(
    (role): Action => ({
      name: `accept a member as ${role}`,
      needs: highest('moderator', role),
      // Its own role comes first, then the one that it gives.
      refused: (own) => (rank(own) < rank('moderator') ? 'needs moderator' : `needs ${role}`),
      command: async () => `/_accept member #${groupId} ${(await member('member', 'pending_review')).id} ${role}`,
    }),
  ),
  ...(['member', 'admin', 'owner'] as const).map(
    (role): Action => ({
      name: `invite a contact as ${role}`,
      needs: highest('admin', role),
      refused: () => `needs ${highest('admin', role)}`,
      command: () => `/_add #${groupId} ${alice.contactId(bob)} ${role}`,
      onlyRefusals: true,
    }),
  ),
  { name: 'make a link', needs: 'admin', command: () => `/_create link #${groupId} member`, onlyRefusals: true },
  {
    name: 'change the profile',
    needs: 'owner',
    command: () =>
      `/_group_profile #${groupId} {"displayName":"team","fullName":"${names++}","groupPreferences":{"directMessages":{"enable":"on"}}}`,
  },
  { name: 'delete the group', needs: 'owner', command: () => `/_delete #${groupId} full`, onlyRefusals: true },
  {
    name: 'start a direct chat with a member',
    needs: 'author',
    command: async () => `/_create member contact #${groupId} ${(await member('member')).id}`,
    onlyRefusals: true,
  },
];

describe('commands', () => {
  beforeEach(async () => {
    await ownRole('owner');
    await bobsRole('member');
  });

  test.each(actions)('to $name one must be $needs', async (action) => {
    const seen: string[] = [];
    const expected: string[] = [];
    for (const role of roles) {
      const allowed = rank(role) >= rank(action.needs);
      if (allowed && action.onlyRefusals) continue;
      await ownRole('owner');
      const command = await action.command();
      await ownRole(role);
      seen.push(`${role}: ${outcome(await alice.execute(command))}`);
      expected.push(`${role}: ${allowed ? 'ok' : (action.refused?.(role) ?? `needs ${action.needs}`)}`);
    }
    expect(seen).toEqual(expected);
  });

  test('everybody may report, moderators too, as in the official program', async () => {
    const item = await bobsItem();
    for (const role of roles) {
      await ownRole(role);
      expect(outcome(await alice.execute(`/_report #${groupId} ${item} reason=spam`))).toBe('ok');
    }
  });

  test('a link gives no more than the role of a member', async () => {
    const seen: string[] = [];
    for (const role of ['moderator', 'admin', 'owner']) {
      seen.push(outcome(await alice.execute(`/_create link #${groupId} ${role}`)));
    }
    expect(seen).toEqual(Array(3).fill('groupMemberInitialRole'));
  });

  test('the role is looked at before the status of the membership', async () => {
    const target = await member('member');
    const command = `/_remove #${groupId} ${target.id}`;
    const seen: Record<string, string> = {};
    const statuses: readonly GroupMemberStatus[] = [
      'invited',
      'rejected',
      'removed',
      'left',
      'deleted',
      'unknown',
      'introduced',
      'intro-inv',
      'accepted',
      'announced',
    ];
    for (const status of statuses) {
      await ownRole('member', status);
      expect(outcome(await alice.execute(command))).toBe('needs admin');
      await ownRole('admin', status);
      seen[status] = outcome(await alice.execute(command));
    }
    expect(seen).toEqual({
      invited: 'groupNotJoined',
      rejected: 'groupMemberUserRemoved',
      removed: 'groupMemberUserRemoved',
      left: 'groupMemberUserRemoved',
      deleted: 'groupMemberUserRemoved',
      unknown: 'groupMemberNotActive',
      introduced: 'groupMemberNotActive',
      'intro-inv': 'groupMemberNotActive',
      accepted: 'groupMemberNotActive',
      announced: 'groupMemberNotActive',
    });
  });
});

interface Heard {
  readonly name: string;
  readonly needs: GroupMemberRole;
  readonly message: () => Promise<unknown> | unknown;
  /** The event when it is done. */
  readonly event: string;
}

const wire = (event: string, params: unknown) => ({ v: '1-16', msgId: newId(), event, params });
const hello = { content: { type: 'text', text: 'hello' } };
const bobsId = (): Promise<string> => memberIdOf(bob, ids.get(bob) ?? 0);
const scopeOf = (memberId: string) => ({ ...hello, scope: { type: 'member', memberId } });
let profiles = 0;

const heard: readonly Heard[] = [
  { name: 'writes to the group', needs: 'author', message: () => wire('x.msg.new', hello), event: 'newChatItems' },
  {
    name: 'writes to its own support chat',
    needs: 'observer',
    message: async () => wire('x.msg.new', scopeOf(await bobsId())),
    event: 'newChatItems',
  },
  {
    name: 'writes to the support chat of another',
    needs: 'moderator',
    message: async () => wire('x.msg.new', scopeOf((await member('member')).memberId)),
    event: 'newChatItems',
  },
  ...targetRoles.map(
    (role): Heard => ({
      name: `blocks a member who is ${role}`,
      needs: highest('moderator', role),
      message: async () =>
        wire('x.grp.mem.restrict', {
          memberId: (await member(role)).memberId,
          memberRestrictions: { restriction: 'blocked' },
        }),
      event: 'memberBlockedForAll',
    }),
  ),
  ...targetRoles.map(
    (role): Heard => ({
      name: `removes a member who is ${role}`,
      needs: highest('admin', role),
      message: async () => wire('x.grp.mem.del', { memberId: (await member(role)).memberId }),
      event: 'deletedMember',
    }),
  ),
  ...(
    [
      ['member', 'observer'],
      ['member', 'admin'],
      ['member', 'owner'],
      ['moderator', 'member'],
      ['admin', 'member'],
      ['owner', 'member'],
    ] as const
  ).map(
    ([from, role]): Heard => ({
      name: `makes a member who is ${from} ${role}`,
      needs: highest('admin', from, role),
      message: async () => wire('x.grp.mem.role', { memberId: (await member(from)).memberId, role }),
      event: 'memberRole',
    }),
  ),
  ...(['member', 'admin', 'owner'] as const).map(
    (memberRole): Heard => ({
      name: `announces a new member who is ${memberRole}`,
      needs: highest('admin', memberRole),
      message: () =>
        wire('x.grp.mem.new', {
          memberInfo: {
            memberId: newId(),
            memberRole,
            v: '1-16',
            profile: { displayName: `n${names++}`, fullName: '' },
          },
        }),
      event: 'joinedGroupMemberConnecting',
    }),
  ),
  ...(['member', 'admin'] as const).map(
    (role): Heard => ({
      name: `accepts a member as ${role}`,
      needs: highest('moderator', role),
      message: async () => {
        const { memberId } = await member('member', 'pending_review');
        return wire('x.grp.link.acpt', { acceptance: 'accepted', role, memberId });
      },
      event: 'memberAcceptedByOther',
    }),
  ),
  {
    name: 'changes the profile of the group',
    needs: 'owner',
    message: () =>
      wire('x.grp.info', {
        groupProfile: {
          displayName: 'team',
          fullName: `by bob ${profiles++}`,
          groupPreferences: { directMessages: { enable: 'on' } },
        },
      }),
    event: 'groupUpdated',
  },
  {
    name: 'brings back a message by an edit',
    needs: 'author',
    message: () => wire('x.msg.update', { msgId: newId(), ...hello }),
    event: 'chatItemUpdated',
  },
];

describe('messages of members', () => {
  beforeEach(() => ownRole('owner'));

  test.each(heard)('who $name must be $needs', async ({ needs, message, event }) => {
    const seen: string[] = [];
    const expected: string[] = [];
    for (const role of roles) {
      await bobsRole(role);
      const body = await message();
      alice.take();
      const marker = alice.next('messageError', (e) => e.errorMessage.includes('x.marker'));
      await forge(bob, alice, ids, body);
      await forge(bob, alice, ids, wire('x.marker', {}));
      await marker;
      const events = alice.take();
      const refused = events.some(
        (e) => e.type === 'chatError' || (e.type === 'messageError' && !e.errorMessage.includes('x.marker')),
      );
      const done = events.some((e) => e.type === event);
      seen.push(`${role}: ${done ? 'done' : 'not done'}, ${refused ? 'refused' : 'not refused'}`);
      expected.push(rank(role) >= rank(needs) ? `${role}: done, not refused` : `${role}: not done, refused`);
    }
    expect(seen).toEqual(expected);
  });
});

describe('features for a role', () => {
  const link =
    'simplex:/contact#/?v=2-7&smp=smp%3A%2F%2F1234-w%3D%3D%40smp.simplex.im%3A5223%2F3456-w%3D%3D%23%2F%3Fv%3D1-2%26dh%3DMCowBQYDK2VuAyEAjiswwI3O_NlS8Fk3HJUW870EY2bAwmttMBsvRB9eV3o%253D';
  const contents: readonly { feature: GroupFeature; content: MsgContent; file: boolean; inSupport: boolean }[] = [
    { feature: 'voice', content: { type: 'voice', text: '', duration: 1 }, file: true, inSupport: true },
    { feature: 'files', content: { type: 'file', text: '' }, file: true, inSupport: false },
    { feature: 'simplexLinks', content: { type: 'text', text: `join ${link}` }, file: false, inSupport: false },
  ];

  test.each(contents)('$feature', ({ feature, content, file, inSupport }) => {
    const seen: string[] = [];
    const expected: string[] = [];
    for (const [enable, least] of [
      ['off', undefined],
      ['on', undefined],
      ...roles.map((r) => ['on', r] as const),
    ] as const) {
      for (const role of roles) {
        const preference = least === undefined ? { enable } : { enable, role: least };
        const limited: GroupInfo = {
          ...group,
          fullGroupPreferences: { ...group.fullGroupPreferences, [feature]: preference },
        };
        const author = { ...group.membership, memberRole: role };
        const allowed = enable === 'on' && (least === undefined || rank(role) >= rank(least));
        for (const scope of [undefined, { type: 'own' }] as const) {
          const name = `${enable} ${least ?? ''} ${role} ${scope?.type ?? 'main'}`;
          const refused = prohibitedContent(limited, author, scope, content, file, true);
          seen.push(`${name}: ${refused ?? 'allowed'}`);
          expected.push(`${name}: ${allowed || (scope !== undefined && !inSupport) ? 'allowed' : feature}`);
        }
      }
    }
    expect(seen).toEqual(expected);
  });
});
