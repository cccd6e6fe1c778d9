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
          member_id: Buffer.from(systemRandom.bytes(12)).toString('base64'),
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
  }

  return {
    async group({ links, number }) {
      const made = await engine.execute(`/_group 1 {"displayName":"group${number}","fullName":""}`);
      const { groupId } = made.groupInfo;
      let next = 0;
      await Promise.all(
        Array.from({ length: 8 }, async () => {
          while (next < links.length) {
            const i = next++;
            await addMember(groupId, i, links[i]);
          }
        }),
      );
      return groupId;
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

/** One agent for all members, which confirms what it receives as members do; and an engine that joins. */
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
        tx.onCommit(() => {
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
  return {
    async invite({ count }) {
      const links = [];
      for (let i = 0; i < count; i++) {
        const { link } = await agent.createConnection({ userId, mode: 'invitation', initialKeys: 'linkPQOff' });
        links.push(link.connFullLink);
      }
      return links;
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
          if (event.type === 'userJoinedGroup') resolve(Date.now());
        });
      });
      const answer = await joiner.engine.execute(`/connect ${link}`);
      if (answer.type === 'chatCmdError') throw new Error(JSON.stringify(answer.chatError));
      return joined;
    },
    /** Members that the joiner knows by now. */
    async known() {
      const rows = await joiner.store.read((tx) => tx.execute('SELECT count(*) AS n FROM group_members'));
      return Number(rows.rows[0].n);
    },
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
