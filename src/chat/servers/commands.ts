import type { ApiResponse, NetworkConfig, ServerProtocol, User, UserServer } from '../../api/index.js';
import { parseServerWithAuth } from '../../smp/index.js';
import { DecodeError } from '../../wire/index.js';
import { type CommandTable, checkActiveUser, forUser, ok, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { commandFailure } from '../engine/errors.js';
import { replaceServers, storedServers, userServers } from './queries.js';

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
    await replaceServers(tx, user.userId, protocol, checked, ctx.clock.now());
    const servers = await userServers(tx, ctx.options, user.userId);
    tx.onCommit(() => {
      ctx.agent.setUserServers(Number(user.agentUserId), servers);
      ctx.fileAgent?.setUserServers(Number(user.agentUserId), servers.xftp);
    });
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

export const serverCommands: CommandTable = {
  GetUserProtoServers: whenRunning((ctx, cmd, user) => shownServers(ctx, user, [cmd.protocol])),
  SetUserProtoServers: whenRunning((ctx, cmd, user) => setServers(ctx, user, cmd.protocol, cmd.servers)),
  APIGetUserServers: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return shownServers(ctx, user, ['smp', 'xftp']);
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
  APIGetNetworkStatuses: whenRunning(async (_ctx, _cmd, user) => ({
    type: 'networkStatuses',
    user_: user,
    networkStatuses: [],
  })),
};
