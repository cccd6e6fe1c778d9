import path from 'node:path';
import { type ApiMessage, at, Client, connectContacts, type Serve, sleep, Workshop } from '../api/support.js';

export type Victim = 'joiner' | 'host';

/** When the victim is killed: with an answer or event, and so many milliseconds later. */
export interface KillPoint {
  readonly by: 'invitation' | 'link';
  readonly victim: Victim;
  readonly after:
    | 'command'
    | 'response'
    | 'groupLinkConnecting'
    | 'userJoinedGroup'
    | 'connectedToGroupMember'
    | 'acceptingGroupJoinRequestMember'
    | 'joinedGroupMember';
  readonly delayMs: number;
}

class Person {
  readonly name: string;
  readonly #workshop: Workshop;
  readonly #args: readonly string[];
  #serve: Serve | undefined;
  #client: Client | undefined;
  #since = 0;
  /** The group that was joined last by a link. */
  linked: number | undefined;

  constructor(workshop: Workshop, folder: string, relay: string, name: string) {
    this.name = name;
    this.#workshop = workshop;
    this.#args = ['-d', path.join(folder, name), '-s', relay, '--create-bot-display-name', name];
  }

  get client(): Client {
    if (this.#client === undefined) throw new Error(`${this.name} does not run`);
    return this.#client;
  }

  async start(): Promise<void> {
    this.#serve = await this.#workshop.serve(this.#args);
    await this.connect();
  }

  /** Another connection; what has come before is not told again. */
  async connect(): Promise<void> {
    if (this.#serve === undefined) throw new Error(`${this.name} does not run`);
    this.#client?.close();
    const onEvent = ({ seq, resp }: ApiMessage): void => {
      this.#since = seq ?? this.#since;
      if (resp.type === 'groupLinkConnecting') this.linked = Number(at(resp, 'groupInfo', 'groupId'));
    };
    this.#client = await Client.connect(this.#serve.url, { query: `?since=${this.#since}`, onEvent });
  }

  async kill(): Promise<void> {
    await this.#serve?.program.kill();
  }

  /** The group of the link, when it is there. */
  async linkedGroup(repeat: string | undefined): Promise<number> {
    for (let i = 0; this.linked === undefined; i++) {
      if (i > 400) throw new Error(`${this.name} does not get into the group of the link`);
      if (i % 100 === 99 && repeat !== undefined) await this.client.try(repeat);
      await sleep(50);
    }
    return this.linked;
  }

  event(type: string, ms = 30_000): Promise<ApiMessage['resp']> {
    return this.client.event((resp) => resp.type === type, ms);
  }

  /** How this person sees the group: name and status of each member, `ready` when there is a connection. */
  async view(groupId: number): Promise<string[]> {
    const response = await this.client.cmd(`/_members #${groupId}`, 'groupMembers');
    const own = at(response, 'group', 'groupInfo', 'membership', 'memberStatus');
    const members = at(response, 'group', 'members');
    const views = (Array.isArray(members) ? members : [])
      .filter((m: unknown) => !['left', 'removed'].includes(String(at(m, 'memberStatus'))))
      .map((m: unknown) => {
        const name = at(m, 'memberProfile', 'displayName');
        return `${name} ${at(m, 'memberStatus')} ${at(m, 'activeConn', 'connStatus')}`;
      });
    return [`self ${own === 'creator' ? 'connected' : own}`, ...views.sort()];
  }
}

/**
 * A host and a member, as processes; somebody joins, and the joiner or the host is killed with SIGKILL in the middle
 * and started again, at each of these points. Gives what was not as it must be afterwards: everybody connected with everybody.
 */
export async function killRounds(points: readonly KillPoint[]): Promise<string[]> {
  const workshop = new Workshop();
  const violations: string[] = [];
  try {
    const folder = workshop.folder();
    const { address } = await workshop.relay(['--port', '0', '-d', path.join(folder, 'relay')]);
    const people = ['host', 'member', 'joiner'].map((name) => new Person(workshop, folder, address, name));
    await Promise.all(people.map((p) => p.start()));
    const [host, member, joiner] = people;
    if (host === undefined || member === undefined || joiner === undefined) throw new Error('nobody');
    const withMember = await connectContacts(host.client, member.client);
    await host.connect();
    const withJoiner = await connectContacts(host.client, joiner.client);
    const groupId = Number(
      at(
        await host.client.cmd('/_group 1 {"displayName":"team","fullName":""}', 'groupCreated'),
        'groupInfo',
        'groupId',
      ),
    );
    const invite = async (who: Person, contactId: number): Promise<number> => {
      await host.client.cmd(`/_add #${groupId} ${contactId} member`, 'sentGroupInvitation');
      return Number(at(await who.event('receivedGroupInvitation'), 'groupInfo', 'groupId'));
    };
    const memberGroup = await invite(member, withMember.a);
    await member.client.cmd(`/_join #${memberGroup}`, 'userAcceptedGroupSent');
    await Promise.all([member.event('userJoinedGroup'), host.event('joinedGroupMember')]);

    const made = await host.client.cmd(`/_create link #${groupId} member`, 'groupLinkCreated');
    const link = at(made, 'groupLink', 'connLinkContact', 'connFullLink');

    for (const point of points) {
      for (const p of people) await p.connect();
      const byLink = point.by === 'link';
      joiner.linked = undefined;
      const invited = byLink ? undefined : await invite(joiner, withJoiner.a);
      const victim = point.victim === 'host' ? host : joiner;
      const moment =
        point.after === 'command' || point.after === 'response'
          ? undefined
          : victim.event(point.after).catch((e: unknown) => violations.push(String(e)));
      const join = byLink ? `/connect ${link}` : `/_join #${invited}`;
      const response = joiner.client.try(join);
      if (point.after === 'response') await response;
      await moment;
      await sleep(point.delayMs);
      await victim.kill();
      const answer = await response;
      await victim.start();
      // Who was killed before the answer does what a user does: joins again if nothing has happened.
      const joined = invited ?? (await joiner.linkedGroup(answer === undefined ? join : undefined));
      const expected = new Map([
        [host, { groupId, view: ['self connected', 'joiner connected ready', 'member connected ready'] }],
        [member, { groupId: memberGroup, view: ['self connected', 'host connected ready', 'joiner connected ready'] }],
        [joiner, { groupId: joined, view: ['self connected', 'host connected ready', 'member connected ready'] }],
      ]);
      const name = `${point.by}: ${point.victim} killed ${point.delayMs} ms after ${point.after}`;
      const problem = await settled(expected, async () => {
        // A join that was not answered, and did not begin, is for the user to repeat.
        if (invited === undefined || (answer !== undefined && point.victim === 'joiner')) return;
        const [own] = await joiner.view(joined);
        if (own === 'self invited') await joiner.client.try(`/_join #${joined}`);
      });
      if (problem !== undefined) violations.push(`${name}: ${problem}`);
      await joiner.client.cmd(`/_leave #${joined}`, 'leftMemberUser');
      await Promise.all([host.event('leftMember'), member.event('leftMember')]);
    }
    return violations;
  } finally {
    await workshop.clean();
  }
}

async function settled(
  expected: ReadonlyMap<Person, { readonly groupId: number; readonly view: readonly string[] }>,
  repeat: () => Promise<void>,
): Promise<string | undefined> {
  const until = Date.now() + 40_000;
  for (;;) {
    await repeat();
    const wrong: string[] = [];
    for (const [person, { groupId, view }] of expected) {
      const seen = await person.view(groupId);
      if (seen.join() !== view.join()) wrong.push(`${person.name} sees ${seen.join(', ')}`);
    }
    if (wrong.length === 0) return undefined;
    if (Date.now() > until) return wrong.join('; ');
    await sleep(100);
  }
}
