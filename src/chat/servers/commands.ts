import {
  type ApiResponse,
  isJsonObject,
  type JsonValue,
  type NetworkConfig,
  type ServerProtocol,
  type User,
  type UserServer,
} from '../../api/index.js';
import { parseServerWithAuth } from '../../smp/index.js';
import { DecodeError } from '../../wire/index.js';
import {
  anytime,
  type CommandTable,
  checkActiveUser,
  forUser,
  ok,
  okProcess,
  whenRunning,
} from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { commandFailure } from '../engine/errors.js';
import { type NewServer, replaceServers, storedServers, userServers } from './queries.js';
import { useServers } from './use.js';

async function shownServers(ctx: ChatContext, user: User, protocols: readonly ServerProtocol[]): Promise<ApiResponse> {
  const of = async (protocol: ServerProtocol): Promise<UserServer[]> => {
    if (!protocols.includes(protocol)) return [];
    const rows = await ctx.store.read((tx) => storedServers(tx, user.userId, protocol));
    return rows.map((s) => ({
      serverId: s.serverId,
      server: s.address,
      preset: s.preset,
      tested: s.tested,
      enabled: s.enabled,
      deleted: false,
    }));
  };
  const servers = { smpServers: await of('smp'), xftpServers: await of('xftp') };
  return { type: 'userServers', user, userServers: [servers] };
}

/** A server address as it is stored; a command error when it is none. */
function checkServer(protocol: ServerProtocol, address: string): string {
  try {
    parseServerWithAuth(address, protocol);
    return address;
  } catch (error) {
    if (error instanceof DecodeError) throw commandFailure('bad server address');
    throw error;
  }
}

async function setServers(
  ctx: ChatContext,
  user: User,
  protocol: ServerProtocol,
  addresses: readonly string[],
): Promise<ApiResponse> {
  const checked = addresses.map((a) => checkServer(protocol, a));
  await ctx.store.transaction(async (tx) => {
    const replacement = checked.map((address) => ({ address, preset: false, enabled: true }));
    await replaceServers(tx, user.userId, protocol, replacement, ctx.clock.now());
    const servers = await userServers(tx, ctx.options, user.userId);
    tx.onCommit(() => useServers(ctx, Number(user.agentUserId), servers));
  });
  return ok(user);
}

async function test(ctx: ChatContext, user: User, protocol: ServerProtocol, server: string): Promise<ApiResponse> {
  const testServer = checkServer(protocol, server);
  const tester = protocol === 'xftp' && ctx.fileAgent !== undefined ? ctx.fileAgent : ctx.agent;
  const failure = await tester.testServer(Number(user.agentUserId), testServer);
  return {
    type: 'serverTestResult',
    user,
    testServer,
    testFailure:
      failure === undefined
        ? undefined
        : // The agent's JSON is this type by specification; its file errors are open objects.
          (failure as Extract<ApiResponse, { type: 'serverTestResult' }>['testFailure']),
  };
}

/** The settings as the official program shows them; what we cannot change has its defaults (70, section 8.2). */
function networkConfig(ctx: ChatContext): NetworkConfig {
  const { smpProxyMode, smpProxyFallback } = ctx.agent.networkConfig;
  const fallback = { allow: 'allow', protected: 'allowProtected', prohibit: 'prohibit' }[smpProxyFallback];
  return {
    socksMode: 'always',
    hostMode: 'public',
    requiredHostMode: false,
    sessionMode: 'session',
    smpProxyMode,
    smpProxyFallback: fallback,
    smpWebPortServers: 'preset',
    tcpConnectTimeout: { backgroundTimeout: 31_500_000, interactiveTimeout: 10_500_000 },
    tcpTimeout: { backgroundTimeout: 21_000_000, interactiveTimeout: 7_000_000 },
    tcpTimeoutPerKb: 5000,
    rcvConcurrency: 8,
    tcpKeepAlive: { keepIdle: 30, keepIntvl: 15, keepCnt: 4 },
    smpPingInterval: 600_000_000,
    smpPingCount: 3,
    logTLSErrors: false,
  };
}

/** The servers in `/_servers <userId> <json>`: groups of servers, those marked deleted left out. */
function givenServers(json: JsonValue): Readonly<Record<ServerProtocol, readonly NewServer[]>> {
  const groups = Array.isArray(json) ? json : [json];
  const of = (key: 'smpServers' | 'xftpServers', protocol: ServerProtocol): NewServer[] =>
    groups.flatMap((group: JsonValue) => {
      const list = isJsonObject(group) ? group[key] : undefined;
      if (!Array.isArray(list)) throw commandFailure(`${key} expected`);
      return list.flatMap((s: JsonValue): NewServer[] => {
        if (!isJsonObject(s) || typeof s.server !== 'string') throw commandFailure('bad server');
        if (s.deleted === true) return [];
        const address = checkServer(protocol, s.server);
        return [{ address, preset: s.preset === true, enabled: s.enabled !== false }];
      });
    });
  return { smp: of('smpServers', 'smp'), xftp: of('xftpServers', 'xftp') };
}

async function setAllServers(ctx: ChatContext, user: User, json: JsonValue): Promise<ApiResponse> {
  const given = givenServers(json);
  await ctx.store.transaction(async (tx) => {
    for (const protocol of ['smp', 'xftp'] as const) {
      await replaceServers(tx, user.userId, protocol, given[protocol], ctx.clock.now());
    }
    const servers = await userServers(tx, ctx.options, user.userId);
    tx.onCommit(() => useServers(ctx, Number(user.agentUserId), servers));
  });
  return ok(user);
}

export const serverCommands: CommandTable = {
  GetUserProtoServers: whenRunning((ctx, cmd, user) => shownServers(ctx, user, [cmd.protocol])),
  SetUserProtoServers: whenRunning((ctx, cmd, user) => setServers(ctx, user, cmd.protocol, cmd.servers)),
  APIGetUserServers: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return shownServers(ctx, user, ['smp', 'xftp']);
  }),
  APISetUserServers: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return setAllServers(ctx, user, cmd.userServers);
  }),
  APIValidateServers: whenRunning(async (_ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    givenServers(cmd.userServers);
    return { type: 'userServersValidation', user, serverErrors: [] };
  }),
  APITestProtoServer: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return test(ctx, user, cmd.protocol, cmd.server);
  }),
  TestProtoServer: whenRunning((ctx, cmd, user) => test(ctx, user, cmd.protocol, cmd.server)),
  APIGetNetworkConfig: forUser(async (ctx) => ({ type: 'networkConfig', networkConfig: networkConfig(ctx) })),
  SetNetworkConfig: forUser(async (ctx, cmd) => {
    const { smpProxyMode, smpProxyFallback } = cmd.config;
    const now = ctx.agent.networkConfig;
    const fallback =
      smpProxyFallback === undefined
        ? now.smpProxyFallback
        : ({ yes: 'allow', protected: 'protected', no: 'prohibit' } as const)[smpProxyFallback];
    ctx.agent.setNetworkConfig({ smpProxyMode: smpProxyMode ?? now.smpProxyMode, smpProxyFallback: fallback });
    return { type: 'networkConfig', networkConfig: networkConfig(ctx) };
  }),
  // Which network the device is in makes no difference to a server program.
  APISetNetworkInfo: anytime(async () => okProcess),
  APIGetNetworkStatuses: whenRunning(async (_ctx, _cmd, user) => ({
    type: 'networkStatuses',
    user_: user,
    networkStatuses: [],
  })),
};
