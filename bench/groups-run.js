// The processes that bench/groups.js measures: `host` is an engine, `members` are agents that receive and confirm.
import { built } from './chat-parties.js';
import { watchBlocks } from './lib.js';

const { systemClock, systemRandom } = await built('core/index.js');
const info = Buffer.from('{"v":"1-16","event":"x.ok","params":{}}');

/** The answers of the other process are calls of these functions. */
const roles = { host, members };

/** An engine; its groups are rows, with members whose connections are real. */
async function host({ relay, path }) {
  const { openLocalEngine } = await built('chat/index.js');
  const local = await openLocalEngine({ database: { kind: 'sqlite', path }, smpServers: [relay], xftpServers: [] });
  const { engine, store } = local;
  const { agent } = engine.context;
  await engine.start();
  const { user } = await engine.execute('/create bot host');
  const agentUserId = Number(user.agentUserId);
  let blocks;

  async function addMember(groupId, number, link) {
    const memberId = Buffer.from(systemRandom.bytes(12)).toString('base64url');
    const connId = await store.transaction((tx) => agent.prepareConnectionToJoin(tx, agentUserId, link, false));
    await agent.joinConnection({ userId: agentUserId, connId, link, info, pqSupport: false });
    const now = Date.now();
    const name = `member${groupId}_${number}`;
    await store.transaction(async (tx) => {
      const insert = async (table, values, key) => {
        const names = Object.keys(values);
        const { rows } = await tx.execute(
          `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')}) RETURNING ${key}`,
          Object.values(values),
        );
        return rows[0][key];
      };
      const times = { created_at: now, updated_at: now };
      const versions = { peer_chat_min_version: 1, peer_chat_max_version: 16 };
      const profile = await insert(
        'contact_profiles',
        { user_id: user.userId, display_name: name, full_name: '', ...times },
        'contact_profile_id',
      );
      const member = await insert(
        'group_members',
        {
          user_id: user.userId,
          group_id: groupId,
          member_id: memberId,
          member_role: 'member',
          member_category: 'invitee',
          member_status: 'connected',
          local_display_name: name,
          contact_profile_id: profile,
          ...versions,
          ...times,
        },
        'group_member_id',
      );
      await insert(
        'connections',
        {
          user_id: user.userId,
          agent_conn_id: connId,
          conn_type: 'member',
          conn_status: 'ready',
          group_member_id: member,
          conn_chat_version: 16,
          ...versions,
          ...times,
        },
        'connection_id',
      );
    });
    return memberId;
  }

  return {
    async group({ links, number }) {
      const made = await engine.execute(`/_group 1 {"displayName":"group${number}","fullName":""}`);
      const { groupId } = made.groupInfo;
      const memberIds = {};
      let next = 0;
      await Promise.all(
        Array.from({ length: 8 }, async () => {
          while (next < links.length) {
            const i = next++;
            memberIds[links[i]] = await addMember(groupId, i, links[i]);
          }
        }),
      );
      return { groupId, memberIds };
    },
    async execute({ command }) {
      return engine.execute(command);
    },
    watch() {
      blocks = watchBlocks();
    },
    watched() {
      return blocks.stop();
    },
    close: () => local.close(),
  };
}

/**
 * One agent for all members, which confirms what it receives as members do and connects with those whom the host
 * introduces; and an engine that joins.
 */
async function members({ relay, path, joinerPath }) {
  const { agentMigrations, openAgent } = await built('agent/index.js');
  const { networkConfig } = await built('smp/index.js');
  const { openSqliteStore } = await built('store/index.js');
  const { openLocalEngine } = await built('chat/index.js');
  const logger = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
  const clock = systemClock;
  const store = await openSqliteStore({ path, migrations: agentMigrations, clock, logger });
  let received = 0;
  let connected = 0;
  let receipt = false;
  let wanted;
  let agent;
  const connOf = new Map();
  const memberIdOf = new Map();
  // A member that the host tells of a newcomer joins with the newcomer's link.
  const meet = async (connId, body) => {
    const text = Buffer.from(body).toString();
    if (!text.includes('x.grp.mem.fwd')) return;
    const memberId = memberIdOf.get(connId);
    for (const { event, params } of [JSON.parse(text)].flat()) {
      if (event !== 'x.grp.mem.fwd') continue;
      const link = params.memberIntro.groupConnReq;
      const profile = { displayName: `m${memberId}`, fullName: '' };
      const own = { v: '1-16', event: 'x.grp.mem.info', params: { memberId, profile } };
      const id = await store.transaction((tx) => agent.prepareConnectionToJoin(tx, userId, link, false));
      await agent.joinConnection({
        userId,
        connId: id,
        link,
        info: Buffer.from(JSON.stringify(own)),
        pqSupport: false,
      });
    }
  };
  const check = () => {
    if (wanted === undefined || received < wanted.received || connected < wanted.connected) return;
    wanted.resolve(Date.now());
    wanted = undefined;
  };
  agent = await openAgent({
    store,
    clock,
    random: systemRandom,
    logger,
    smp: networkConfig({}),
    users: new Map(),
    handler: {
      async event(tx, event) {
        if (event.type === 'CONF') await agent.allowConnection(tx, event.connId, event.confId, info);
        const body = event.type === 'MSG' ? Uint8Array.from(event.body) : undefined;
        tx.onCommit(() => {
          if (body !== undefined) meet(event.connId, body).catch((error) => console.error(error));
          if (event.type === 'MSG') received++;
          if (event.type === 'CON') connected++;
          check();
        });
        return event.type === 'MSG' ? { receipt } : undefined;
      },
      async handlerFailed() {},
    },
  });
  const servers = { smp: [{ server: relay, enabled: true, roles: { storage: true, proxy: false } }], xftp: [] };
  const userId = await store.transaction((tx) => agent.createUser(tx, servers));
  await agent.start();
  let joiner;
  let met = 0;
  return {
    async invite({ count }) {
      const links = [];
      for (let i = 0; i < count; i++) {
        const { connId, link } = await agent.createConnection({ userId, mode: 'invitation', initialKeys: 'linkPQOff' });
        connOf.set(link.connFullLink, connId);
        links.push(link.connFullLink);
      }
      return links;
    },
    /** The ids that the host gave to those who made these links. */
    named({ memberIds }) {
      for (const [link, memberId] of Object.entries(memberIds)) memberIdOf.set(connOf.get(link), memberId);
    },
    confirm({ receipts }) {
      receipt = receipts;
    },
    counts: () => ({ received, connected }),
    /** The instant at which so much has come. */
    until: (goal) =>
      new Promise((resolve) => {
        wanted = { received: 0, connected: 0, ...goal, resolve };
        check();
      }),
    async openJoiner() {
      joiner = await openLocalEngine({
        database: { kind: 'sqlite', path: joinerPath },
        smpServers: [relay],
        xftpServers: [],
      });
      await joiner.engine.start();
      await joiner.engine.execute('/create bot joiner');
    },
    async join({ link }) {
      const joined = new Promise((resolve) => {
        joiner.engine.listen(({ event }) => {
          if (event.type === 'connectedToGroupMember' && event.member.memberCategory !== 'host') met++;
          if (event.type === 'userJoinedGroup') resolve(Date.now());
        });
      });
      const answer = await joiner.engine.execute(`/connect ${link}`);
      if (answer.type === 'chatCmdError') throw new Error(JSON.stringify(answer.chatError));
      return joined;
    },
    /** Members that the joiner is connected with by now, besides the host. */
    met: () => met,
    async close() {
      await joiner?.close();
      await agent.close();
      await store.close();
    },
  };
}

const [role, json] = process.argv.slice(2);
const methods = await roles[role](JSON.parse(json));
process.on('message', async ({ id, name, parameters }) => {
  try {
    process.send({ id, result: await methods[name](parameters) });
  } catch (error) {
    process.send({ id, error: error.stack ?? String(error) });
  }
  if (name === 'close') process.exit(0);
});
process.send({ ready: true });
