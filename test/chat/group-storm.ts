import type { ApiResponse, GroupMemberRole } from '../../src/api/index.js';
import { type Actor, agree, befriend, disagreement, memberRows, sleep, until, World } from './group-world.js';

export interface StormOptions {
  readonly operations: number;
  readonly seed: number;
  /** Restarts of the relay, spread evenly. */
  readonly restarts: number;
}

export interface StormResult {
  readonly done: Readonly<Record<string, number>>;
  readonly messages: number;
  /** Copies of messages that had to be there. */
  readonly copies: number;
  readonly members: readonly number[];
  /** What must not be. */
  readonly violations: readonly string[];
}

/** A small generator of random numbers with a seed (mulberry32). */
function generator(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A stay of somebody in a group, from the moment when all others know it. */
interface Stay {
  readonly actor: Actor;
  readonly groupId: number;
  readonly memberId: string;
  role: GroupMemberRole;
  /** Says nothing any more: it is about to be gone. */
  silent: boolean;
}

interface Message {
  readonly author: Stay;
  readonly sharedMsgId: string;
  readonly itemId: number;
  text: string;
  deleted: boolean;
  /** Who was there when it was sent, the author not included. */
  readonly audience: readonly Stay[];
  readonly reactions: { readonly by: Stay; readonly emoji: string; readonly audience: readonly Stay[] }[];
}

class Group {
  readonly index: number;
  readonly owner: Stay;
  readonly link: string;
  readonly stays = new Map<Actor, Stay>();
  readonly messages: Message[] = [];
  /** The change of members that is going on: one at a time, because the protocol does not repair what overlaps. */
  change: Promise<void> | undefined;

  constructor(index: number, owner: Stay, link: string) {
    this.index = index;
    this.owner = owner;
    this.link = link;
    this.stays.set(owner.actor, owner);
  }

  get ids(): Map<Actor, number> {
    return new Map([...this.stays].map(([actor, { groupId }]) => [actor, groupId]));
  }

  audience(of: Stay): Stay[] {
    return [...this.stays.values()].filter((s) => s !== of);
  }
}

const ranks: readonly GroupMemberRole[] = ['observer', 'author', 'member', 'moderator', 'admin', 'owner'];
const rank = (role: GroupMemberRole): number => ranks.indexOf(role);
const emojis = ['👍', '❤', '🚀'] as const;

interface ItemRow {
  readonly shared_msg_id: string;
  readonly item_text: string;
  readonly item_deleted: number;
}

/** Users that do at random what members of groups do, over a relay that is restarted meanwhile. */
class Storm {
  readonly #world: World;
  readonly #actors: readonly Actor[];
  readonly #random: () => number;
  readonly #groups: Group[] = [];
  readonly #profiles = new Map<Actor, string>();
  readonly done: Record<string, number> = {};
  readonly violations: string[] = [];
  #number = 0;

  constructor(world: World, actors: readonly Actor[], seed: number) {
    this.#world = world;
    this.#actors = actors;
    this.#random = generator(seed);
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.#random() * from.length)];
  }

  async prepare(): Promise<void> {
    const [first, ...others] = this.#actors;
    if (first === undefined) throw new Error('no actors');
    await Promise.all(others.map((o) => befriend(first, o)));
    for (const [index, actor] of this.#actors.slice(0, 3).entries()) {
      const { groupInfo } = await actor.ok(`/_group 1 {"displayName":"group ${index}","fullName":""}`, 'groupCreated');
      const { groupId, membership } = groupInfo;
      const { groupLink } = await actor.ok(`/_create link #${groupId} member`, 'groupLinkCreated');
      const owner: Stay = { actor, groupId, memberId: membership.memberId, role: 'owner', silent: false };
      this.#groups.push(new Group(index, owner, groupLink.connLinkContact.connFullLink));
    }
  }

  async run({ operations, restarts }: StormOptions): Promise<void> {
    let relay = Promise.resolve();
    let count = 0;
    let restarted = 0;
    while (count < operations) {
      if (restarted < restarts && count >= ((restarted + 1) * operations) / (restarts + 1)) {
        restarted++;
        relay = relay.then(() => this.#world.restartRelay(200));
      }
      const name = await this.#operation(count < 20);
      if (name === undefined) continue;
      this.done[name] = (this.done[name] ?? 0) + 1;
      count++;
    }
    await relay;
    await Promise.all(this.#groups.map((g) => g.change));
  }

  async #operation(starting: boolean): Promise<string | undefined> {
    const r = this.#random();
    if (starting || r < 0.28) return this.#change(starting ? r * 0.15 : r);
    const group = this.#pick(this.#groups);
    if (group === undefined) return undefined;
    if (r < 0.6) return this.#message(group);
    if (r < 0.73) return this.#edit(group);
    if (r < 0.8) return this.#delete(group);
    if (r < 0.94) return this.#react(group);
    return this.#profile();
  }

  // Changes of members

  async #change(r: number): Promise<string | undefined> {
    const free = this.#groups.filter((g) => g.change === undefined);
    const group = this.#pick(free);
    if (group === undefined) {
      await Promise.race(this.#groups.map((g) => g.change));
      return undefined;
    }
    const planned =
      r < 0.08
        ? this.#invite(group)
        : r < 0.15
          ? this.#joinByLink(group)
          : r < 0.19
            ? this.#leave(group)
            : r < 0.24
              ? this.#role(group)
              : this.#remove(group);
    if (planned === undefined) return undefined;
    const { name, work } = planned;
    group.change = work()
      .then(() => agree(group.ids, 60_000))
      .catch((error: unknown) => {
        this.violations.push(`group ${group.index}: ${name}: ${String(error)}`);
      })
      .finally(() => {
        group.change = undefined;
      });
    return name;
  }

  #managers(group: Group): Stay[] {
    return [...group.stays.values()].filter((s) => rank(s.role) >= rank('admin') && !s.silent);
  }

  /** Repeats what fails while the relay is away. */
  async #retried<T extends ApiResponse>(run: () => Promise<T>, isDone: (r: T) => boolean): Promise<T> {
    for (let i = 0; ; i++) {
      const response = await run();
      if (isDone(response)) return response;
      if (i >= 20) throw new Error(JSON.stringify(response).slice(0, 400));
      await sleep(200);
    }
  }

  #invite(group: Group) {
    const candidates = this.#managers(group).flatMap((by) =>
      this.#actors.filter((a) => !group.stays.has(a) && by.actor.hasContact(a)).map((joiner) => ({ by, joiner })),
    );
    const chosen = this.#pick(candidates);
    if (chosen === undefined) return undefined;
    const { by, joiner } = chosen;
    const roles = (['observer', 'member', 'member', 'moderator', 'admin'] as const).filter(
      (x) => rank(x) <= rank(by.role),
    );
    const role = this.#pick(roles) ?? 'member';
    const work = async (): Promise<void> => {
      const invited = joiner.next('receivedGroupInvitation', (e) => isOf(group, e.groupInfo.groupProfile), 60_000);
      invited.catch(() => {});
      await this.#retried(
        () => by.actor.execute(`/_add #${by.groupId} ${by.actor.contactId(joiner)} ${role}`),
        (x) => x.type === 'sentGroupInvitation',
      );
      const { groupId } = (await invited).groupInfo;
      const joined = joiner.next('userJoinedGroup', (e) => e.groupInfo.groupId === groupId, 60_000);
      joined.catch(() => {});
      await this.#retried(
        () => joiner.execute(`/_join #${groupId}`),
        (x) => x.type === 'userAcceptedGroupSent',
      );
      await this.#joined(group, joiner, groupId, role, joined);
    };
    return { name: 'invite', work };
  }

  #joinByLink(group: Group) {
    const joiner = this.#pick(this.#actors.filter((a) => !group.stays.has(a)));
    if (joiner === undefined) return undefined;
    const work = async (): Promise<void> => {
      const connecting = joiner.next('groupLinkConnecting', (e) => isOf(group, e.groupInfo.groupProfile), 60_000);
      const joined = joiner.next('userJoinedGroup', (e) => isOf(group, e.groupInfo.groupProfile), 60_000);
      for (const p of [connecting, joined]) p.catch(() => {});
      await this.#retried(
        () => joiner.execute(`/connect ${group.link}`),
        (x) => x.type === 'sentInvitation',
      );
      await this.#joined(group, joiner, (await connecting).groupInfo.groupId, 'member', joined);
    };
    return { name: 'link', work };
  }

  async #joined(group: Group, actor: Actor, groupId: number, role: GroupMemberRole, joined: Promise<unknown>) {
    await joined;
    const own = (await memberRows(actor, groupId)).find((r) => r.member_category === 'user');
    const stay: Stay = { actor, groupId, memberId: own?.member_id ?? '', role, silent: false };
    // From here on it counts: everybody knows it.
    await agree(new Map([...group.ids, [actor, groupId]]), 60_000);
    group.stays.set(actor, stay);
  }

  #leave(group: Group) {
    const stay = this.#pick([...group.stays.values()].filter((s) => s !== group.owner));
    if (stay === undefined) return undefined;
    stay.silent = true;
    const work = async (): Promise<void> => {
      await stay.actor.ok(`/_leave #${stay.groupId}`, 'leftMemberUser');
      group.stays.delete(stay.actor);
      if (this.#random() < 0.5) await stay.actor.ok(`/_delete #${stay.groupId} full`, 'groupDeletedUser');
    };
    return { name: 'leave', work };
  }

  #role(group: Group) {
    const by = this.#pick(this.#managers(group));
    const target = this.#pick(
      [...group.stays.values()].filter((s) => s !== by && by !== undefined && rank(s.role) <= rank(by.role)),
    );
    if (by === undefined || target === undefined || target === group.owner) return undefined;
    const role = this.#pick((['observer', 'member', 'moderator', 'admin'] as const).filter((x) => x !== target.role));
    if (role === undefined) return undefined;
    target.silent = true;
    const work = async (): Promise<void> => {
      // Who has heard of a lower role already takes nothing any more of what was sent with the higher one.
      await until(() => this.#missing(group, target), 60_000);
      const id = await this.#rowId(by, target);
      await by.actor.ok(`/_member role #${by.groupId} ${id} ${role}`, 'membersRoleUser');
      target.role = role;
      await agree(group.ids, 60_000);
      target.silent = false;
    };
    return { name: 'role', work };
  }

  #remove(group: Group) {
    const by = this.#pick(this.#managers(group));
    const target = this.#pick(
      [...group.stays.values()].filter((s) => s !== by && by !== undefined && rank(s.role) <= rank(by.role)),
    );
    if (by === undefined || target === undefined || target === group.owner) return undefined;
    target.silent = true;
    const work = async (): Promise<void> => {
      // What a member has said last may be lost with its connections, which others end on their own.
      await until(() => this.#missing(group, target), 60_000);
      const id = await this.#rowId(by, target);
      const removed = target.actor.next('deletedMemberUser', (e) => e.groupInfo.groupId === target.groupId, 60_000);
      await by.actor.ok(`/_remove #${by.groupId} ${id}`, 'userDeletedMembers');
      group.stays.delete(target.actor);
      await removed;
    };
    return { name: 'remove', work };
  }

  async #rowId(by: Stay, target: Stay): Promise<number> {
    const [row] = await by.actor.rows<{ group_member_id: number }>(
      'SELECT group_member_id FROM group_members WHERE group_id = ? AND member_id = ?',
      [by.groupId, target.memberId],
    );
    if (row === undefined) throw new Error(`${by.actor.name} does not know ${target.actor.name}`);
    return row.group_member_id;
  }

  /** A message of this author that has not come yet. */
  async #missing(group: Group, author: Stay): Promise<string | undefined> {
    for (const m of group.messages.filter((x) => x.author === author)) {
      for (const stay of m.audience) {
        if (group.stays.get(stay.actor) !== stay) continue;
        const row = await itemOf(stay, m);
        if (row === undefined || row.item_text !== m.text || (row.item_deleted !== 0) !== m.deleted) {
          return `${stay.actor.name} has not got ${m.text}`;
        }
      }
    }
    return undefined;
  }

  // What members say

  #speakers(group: Group): Stay[] {
    return [...group.stays.values()].filter((s) => !s.silent);
  }

  #message(group: Group): Promise<string | undefined> {
    const author = this.#pick(this.#speakers(group).filter((s) => rank(s.role) >= rank('member')));
    return author === undefined ? Promise.resolve(undefined) : this.#messageOf(group, author);
  }

  async #messageOf(group: Group, author: Stay): Promise<string | undefined> {
    const text = `${group.index}.${this.#number++} of ${author.actor.name}`;
    const audience = group.audience(author);
    const response = await author.actor.execute(
      `/_send #${author.groupId} json [{"msgContent":{"type":"text","text":"${text}"}}]`,
    );
    if (response.type !== 'newChatItems') return this.#refused('message', group, author, response);
    const meta = response.chatItems[0]?.chatItem.meta;
    if (meta === undefined) throw new Error('no item');
    group.messages.push({
      author,
      sharedMsgId: meta.itemSharedMsgId ?? '',
      itemId: meta.itemId,
      text,
      deleted: false,
      audience,
      reactions: [],
    });
    return 'message';
  }

  /** A command may fail only when its user lost the right to it meanwhile. */
  #refused(what: string, group: Group, by: Stay, response: ApiResponse): undefined {
    if (group.change === undefined) {
      this.violations.push(`${what} of ${by.actor.name}: ${JSON.stringify(response).slice(0, 300)}`);
    }
    return undefined;
  }

  #own(group: Group): Message | undefined {
    const speakers = new Set(this.#speakers(group).filter((s) => rank(s.role) >= rank('member')));
    return this.#pick(group.messages.filter((m) => speakers.has(m.author) && !m.deleted));
  }

  async #edit(group: Group): Promise<string | undefined> {
    const message = this.#own(group);
    if (message === undefined) return undefined;
    const { author } = message;
    const text = `${message.text}*`;
    const response = await author.actor.execute(
      `/_update item #${author.groupId} ${message.itemId} json {"msgContent":{"type":"text","text":"${text}"},"mentions":{}}`,
    );
    if (response.type !== 'chatItemUpdated') return this.#refused('edit', group, author, response);
    message.text = text;
    return 'edit';
  }

  async #delete(group: Group): Promise<string | undefined> {
    const message = this.#own(group);
    if (message === undefined) return undefined;
    const { author } = message;
    const response = await author.actor.execute(`/_delete item #${author.groupId} ${message.itemId} broadcast`);
    if (response.type !== 'chatItemsDeleted') return this.#refused('delete', group, author, response);
    message.deleted = true;
    return 'delete';
  }

  async #react(group: Group): Promise<string | undefined> {
    const message = this.#pick(group.messages.filter((m) => !m.deleted));
    if (message === undefined) return undefined;
    const by = this.#pick(this.#speakers(group).filter((s) => message.audience.includes(s)));
    const emoji = this.#pick(emojis);
    if (by === undefined || emoji === undefined) return undefined;
    if (message.reactions.some((x) => x.by === by && x.emoji === emoji)) return undefined;
    const row = await itemOf(by, message);
    if (row === undefined) return undefined;
    const audience = group.audience(by);
    const response = await by.actor.execute(
      `/_reaction #${by.groupId} ${row.chat_item_id} on {"type":"emoji","emoji":"${emoji}"}`,
    );
    if (response.type !== 'chatItemReaction') {
      return row.item_deleted !== 0 || message.deleted ? undefined : this.#refused('reaction', group, by, response);
    }
    message.reactions.push({ by, emoji, audience });
    return 'react';
  }

  async #profile(): Promise<string | undefined> {
    const actor = this.#pick(this.#actors);
    if (actor === undefined) return undefined;
    const fullName = `${actor.name} ${this.#number++}`;
    await actor.ok(`/_profile 1 {"displayName":"${actor.name}","fullName":"${fullName}"}`, 'userProfileUpdated');
    this.#profiles.set(actor, fullName);
    return 'profile';
  }

  // What must be so in the end

  async check(): Promise<{ copies: number; messages: number }> {
    // A profile goes with the next message to a group.
    for (const group of this.#groups) {
      for (const stay of group.stays.values()) {
        if (rank(stay.role) >= rank('member')) await this.#messageOf(group, stay);
      }
    }
    let copies = 0;
    let messages = 0;
    for (const group of this.#groups) {
      const problem = async (): Promise<string | undefined> => {
        const differs = await disagreement(group.ids);
        if (differs !== undefined) return differs;
        for (const stay of group.stays.values()) {
          const lost = await this.#missing(group, stay);
          if (lost !== undefined) return lost;
        }
        return this.#roles(group);
      };
      await until(problem, 60_000).catch((error: unknown) => {
        this.violations.push(`group ${group.index}: ${String(error)}`);
      });
      messages += group.messages.length;
      for (const stay of group.stays.values()) copies += await this.#checkItems(group, stay);
    }
    return { copies, messages };
  }

  async #roles(group: Group): Promise<string | undefined> {
    for (const stay of group.stays.values()) {
      const own = (await memberRows(stay.actor, stay.groupId)).find((r) => r.member_category === 'user');
      if (own?.member_role !== stay.role) return `${stay.actor.name} is ${own?.member_role}, not ${stay.role}`;
    }
    return undefined;
  }

  /** Every message that had to come to this member is there, once, as it is now, with its reactions. */
  async #checkItems(group: Group, stay: Stay): Promise<number> {
    const { actor, groupId } = stay;
    const rows = await actor.rows<ItemRow>(
      "SELECT shared_msg_id, item_text, item_deleted FROM chat_items WHERE group_id = ? AND item_content_tag = 'rcvMsgContent'",
      [groupId],
    );
    const reactions = await actor.rows<{ shared_msg_id: string; reaction: string; member_id: string }>(
      `SELECT r.shared_msg_id, r.reaction, m.member_id FROM chat_item_reactions r
       JOIN group_members m ON m.group_member_id = r.group_member_id WHERE r.group_id = ?`,
      [groupId],
    );
    const here = (s: Stay): boolean => group.stays.get(s.actor) === s;
    let copies = 0;
    for (const m of group.messages) {
      const found = rows.filter((r) => r.shared_msg_id === m.sharedMsgId);
      const events = this.#news.get(actor)?.get(m.sharedMsgId) ?? 0;
      if (found.length > 1 || events > 1) this.#violate(group, stay, `${m.text} is there more than once`);
      if (!m.audience.includes(stay)) continue;
      copies++;
      const [row] = found;
      if (row === undefined) this.#violate(group, stay, `${m.text} is missing`);
      else if (row.item_text !== m.text) this.#violate(group, stay, `${m.text} is still ${row.item_text}`);
      else if ((row.item_deleted !== 0) !== m.deleted) this.#violate(group, stay, `${m.text} is not deleted`);
      else if (events !== 1) this.#violate(group, stay, `${m.text} was told ${events} times`);
      if (m.deleted) continue;
      for (const x of m.reactions) {
        if (!here(x.by) || !x.audience.includes(stay)) continue;
        const there = reactions.filter(
          (r) => r.shared_msg_id === m.sharedMsgId && r.member_id === x.by.memberId && r.reaction.includes(x.emoji),
        );
        if (there.length !== 1) {
          this.#violate(group, stay, `${x.emoji} of ${x.by.actor.name} on ${m.text} is there ${there.length} times`);
        }
      }
    }
    for (const other of group.audience(stay)) {
      const profile = this.#profiles.get(other.actor);
      if (profile === undefined || rank(other.role) < rank('member')) continue;
      const members = await actor.members(groupId);
      const seen = members.find((x) => x.memberId === other.memberId)?.memberProfile.fullName;
      if (seen !== profile) this.#violate(group, stay, `${other.actor.name} is ${seen}, not ${profile}`);
    }
    return copies;
  }

  #violate(group: Group, stay: Stay, what: string): void {
    this.violations.push(`group ${group.index}: ${stay.actor.name}: ${what}`);
  }

  /** How often messages were told as new, by their shared ids. */
  readonly #news = new Map<Actor, Map<string, number>>();

  listen(): void {
    for (const actor of this.#actors) {
      const counts = new Map<string, number>();
      this.#news.set(actor, counts);
      actor.local.engine.listen(({ event }) => {
        if (event.type !== 'newChatItems') return;
        for (const { chatItem } of event.chatItems) {
          const id = chatItem.meta.itemSharedMsgId;
          if (chatItem.content.type !== 'rcvMsgContent' || id === undefined) continue;
          counts.set(id, (counts.get(id) ?? 0) + 1);
        }
      });
    }
  }

  get members(): number[] {
    return this.#groups.map((g) => g.stays.size);
  }
}

function isOf(group: Group, profile: { readonly displayName: string }): boolean {
  return profile.displayName === `group ${group.index}`;
}

async function itemOf(stay: Stay, m: Message): Promise<(ItemRow & { readonly chat_item_id: number }) | undefined> {
  const [row] = await stay.actor.rows<ItemRow & { readonly chat_item_id: number }>(
    'SELECT chat_item_id, shared_msg_id, item_text, item_deleted FROM chat_items WHERE group_id = ? AND shared_msg_id = ?',
    [stay.groupId, m.sharedMsgId],
  );
  return row;
}

/** Eight users and three groups on one relay (60-groups.md). */
export async function storm(options: StormOptions): Promise<StormResult> {
  const world = await World.open();
  try {
    const actors = await world.actors('ann', 'ben', 'cat', 'dov', 'eva', 'flo', 'gil', 'hal');
    const s = new Storm(world, actors, options.seed);
    s.listen();
    await s.prepare();
    await s.run(options);
    const { copies, messages } = await s.check();
    return { done: s.done, messages, copies, members: s.members, violations: s.violations.slice(0, 30) };
  } finally {
    await world.close();
  }
}
