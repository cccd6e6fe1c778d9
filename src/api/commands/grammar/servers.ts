import type { CommandInput } from '../input.js';
import { jsonObject, jsonValue, path, serverWord } from '../parts/index.js';
import type { ServerOperatorRoles, ServerProtocol, ServerRoles, SimpleNetworkConfig } from '../types.js';
import { command, type GrammarEntry, plain, unsupported } from './entry.js';

function servers(p: CommandInput, protocol: ServerProtocol): readonly string[] {
  const list = [serverWord(p, protocol).server];
  for (;;) {
    const next = p.option(' ', () => serverWord(p, protocol).server);
    if (next === undefined) return list;
    list.push(next);
  }
}

const protocolCommands = (protocol: ServerProtocol): readonly GrammarEntry[] => [
  command('TestProtoServer', `/${protocol} test `, (p) => serverWord(p, protocol)),
  command('SetUserProtoServers', `/${protocol} `, (p) => ({ protocol, servers: servers(p, protocol) })),
  command('GetUserProtoServers', `/${protocol}`, () => ({ protocol })),
];

const both: ServerRoles = { storage: true, proxy: true };
const roles = (p: CommandInput): ServerRoles =>
  p.keyword({
    off: { storage: false, proxy: false },
    on: both,
    storage: { storage: true, proxy: false },
    proxy: { storage: false, proxy: true },
  });

function operator(p: CommandInput): ServerOperatorRoles {
  const operatorId = p.number();
  p.literal(':');
  const enabled = p.onOff();
  return {
    operatorId,
    enabled,
    smpRoles: p.option(':smp=', () => roles(p)) ?? both,
    xftpRoles: p.option(':xftp=', () => roles(p)) ?? both,
  };
}

function networkConfig(p: CommandInput): SimpleNetworkConfig {
  p.literal('socks=');
  const socks = p.until((c) => c === 0x20, 'on, off or an address');
  const socksMode =
    p.option(' socks-mode=', () => p.keyword({ always: 'always', onion: 'onion' } as const)) ?? 'always';
  const hostMode = p.option(' host-mode=', () => p.keyword({ onion: 'onion', public: 'public' } as const));
  const requiredHostMode = p.has(' required-host-mode');
  const smpProxyMode = p.option(' smp-proxy=', () =>
    p.keyword({ always: 'always', unknown: 'unknown', unprotected: 'unprotected', never: 'never' } as const),
  );
  const smpProxyFallback = p.option(' smp-proxy-fallback=', () =>
    p.keyword({ yes: 'yes', protected: 'protected', no: 'no' } as const),
  );
  const smpWebPortServers =
    p.option(' smp-web-port-servers=', () => p.keyword({ all: 'all', preset: 'preset', off: 'off' } as const)) ??
    (p.has(' smp-web-port') ? 'all' : 'preset');
  const tcpTimeout = p.option(' timeout=', () => p.number());
  const logTLSErrors = p.option(' log=', () => p.onOff()) ?? false;
  return {
    socksProxy: socks === 'off' ? undefined : socks === 'on' ? '127.0.0.1:9050' : socks,
    socksMode,
    hostMode,
    requiredHostMode,
    smpProxyMode,
    smpProxyFallback,
    smpWebPortServers,
    tcpTimeout,
    logTLSErrors,
  };
}

export const serverCommands: readonly GrammarEntry[] = [
  ...protocolCommands('smp'),
  ...protocolCommands('xftp'),
  command('APITestProtoServer', '/_server test ', (p) => {
    const userId = p.number();
    p.space();
    return { userId, ...serverWord(p) };
  }),
  command('APIGetUserServers', '/_servers ', (p) => ({ userId: p.number() })),
  command('APISetUserServers', '/_servers ', (p) => {
    const userId = p.number();
    p.space();
    return { userId, userServers: jsonValue(p, 'servers') };
  }),
  command('APIValidateServers', '/_validate_servers ', (p) => {
    const userId = p.number();
    p.space();
    return { userId, userServers: jsonValue(p, 'servers') };
  }),
  plain('APIGetServerOperators', '/_operators'),
  command('APISetServerOperators', '/_operators ', (p) => ({ operators: jsonValue(p, 'operators') })),
  command('SetServerOperators', '/operators ', (p) => {
    const operators = [operator(p)];
    while (p.text[p.pos] === ',') {
      p.pos++;
      operators.push(operator(p));
    }
    return { operators };
  }),
  plain('APIGetUsageConditions', '/_conditions'),
  command('APISetConditionsNotified', '/_conditions_notified ', (p) => ({ conditionsId: p.number() })),
  command('APIAcceptConditions', '/_accept_conditions ', (p) => {
    const conditionsId = p.number();
    p.space();
    return { conditionsId, operatorIds: p.numbers() };
  }),
  command('APISetNetworkInfo', '/_network info ', (p) => ({ info: jsonObject(p, 'network information') })),
  command('APISetNetworkConfig', '/_network ', (p) => ({ config: jsonObject(p, 'network settings') })),
  command('SetNetworkConfig', ['/network ', '/net '], (p) => ({ config: networkConfig(p) })),
  plain('APIGetNetworkConfig', '/network', '/net'),
  plain('APIGetNetworkStatuses', '/_network_statuses'),
  command('ReconnectServer', '/reconnect ', (p) => {
    const userId = p.number();
    p.space();
    return { userId, server: serverWord(p, 'smp').server };
  }),
  plain('ReconnectAllServers', '/reconnect'),
];

const number = (p: CommandInput): number => p.number();
const json = (p: CommandInput): unknown => jsonObject(p, 'parameters');
const key = (p: CommandInput): string => p.word('a key');
const numberAndJson = (p: CommandInput): void => {
  p.number();
  p.space();
  json(p);
};
const anyText = (p: CommandInput): string => path(p);

/** Parsed as far as needed to tell a wrong command from one that is not supported. */
export const unsupportedCommands: readonly GrammarEntry[] = [
  unsupported('APIExportArchive', '/_db export ', json),
  unsupported('ExportArchive', '/db export'),
  unsupported('APIImportArchive', '/_db import ', json),
  unsupported('APIDeleteStorage', '/_db delete'),
  unsupported('APIStorageEncryption', '/_db encryption ', json),
  unsupported('APIStorageEncryption', ['/db encrypt ', '/db decrypt '], key),
  unsupported('APIStorageEncryption', '/db key ', (p) => {
    key(p);
    p.space();
    key(p);
  }),
  unsupported('TestStorageEncryption', '/db test key ', key),
  unsupported('SlowSQLQueries', '/sql slow'),
  unsupported('ExecChatStoreSQL', '/sql chat ', anyText),
  unsupported('ExecAgentStoreSQL', '/sql agent ', anyText),
  unsupported('APISaveAppSettings', '/_save app settings', json),
  unsupported('APIGetAppSettings', '/_get app settings', (p) =>
    p.optional(() => {
      p.space();
      json(p);
    }),
  ),
  unsupported('APIGetCallInvitations', '/_call get'),
  unsupported('APISendCallInvitation', '/_call invite @', numberAndJson),
  unsupported('SendCallInvitation', '/call ', (p) => p.word('a name')),
  unsupported('APIRejectCall', '/_call reject @', number),
  unsupported('APISendCallOffer', '/_call offer @', numberAndJson),
  unsupported('APISendCallAnswer', '/_call answer @', numberAndJson),
  unsupported('APISendCallExtraInfo', '/_call extra @', numberAndJson),
  unsupported('APIEndCall', '/_call end @', number),
  unsupported('APICallStatus', '/_call status @', (p) => {
    p.number();
    p.space();
    p.word('a call status');
  }),
  unsupported('APIGetNtfToken', '/_ntf get'),
  unsupported('APIRegisterToken', '/_ntf register ', anyText),
  unsupported('APIVerifyToken', '/_ntf verify ', anyText),
  unsupported('APICheckToken', '/_ntf check ', anyText),
  unsupported('APIDeleteToken', '/_ntf delete ', anyText),
  unsupported('APIGetNtfConns', '/_ntf conns ', anyText),
  unsupported('APIGetConnNtfMessages', '/_ntf conn messages ', anyText),
  unsupported('SetLocalDeviceName', '/set device name ', anyText),
  unsupported('SetRemoteHostsFolder', '/remote_hosts_folder ', anyText),
  unsupported('ListRemoteHosts', '/list remote hosts'),
  unsupported('SwitchRemoteHost', '/switch remote host ', (p) => p.has('local') || p.number()),
  unsupported('StartRemoteHost', '/start remote host ', (p) => {
    if (!p.has('new')) p.number();
    p.rest();
  }),
  unsupported('StopRemoteHost', '/stop remote host ', (p) => p.has('new') || p.number()),
  unsupported('DeleteRemoteHost', '/delete remote host ', number),
  unsupported('StoreRemoteFile', '/store remote file ', (p) => {
    p.number();
    p.option(' encrypt=', () => p.onOff());
    p.space();
    path(p);
  }),
  unsupported('GetRemoteFile', '/get remote file ', numberAndJson),
  unsupported('ConnectRemoteCtrl', ['/connect remote ctrl ', '/crc '], (p) => {
    p.literal('xrcp:/');
    p.rest();
  }),
  unsupported('FindKnownRemoteCtrl', '/find remote ctrl'),
  unsupported('ConfirmRemoteCtrl', '/confirm remote ctrl ', number),
  unsupported('VerifyRemoteCtrlSession', '/verify remote ctrl ', anyText),
  unsupported('ListRemoteCtrls', '/list remote ctrls'),
  unsupported('StopRemoteCtrl', '/stop remote ctrl'),
  unsupported('DeleteRemoteCtrl', '/delete remote ctrl ', number),
  unsupported('DebugLocks', '/debug locks'),
  unsupported('DebugEvent', '/debug event ', json),
  unsupported('GetAgentSubsTotal', '/get subs total ', number),
  unsupported('GetAgentServersSummary', '/get servers summary ', number),
  unsupported('ResetAgentServersStats', '/reset servers stats'),
  unsupported('GetAgentSubs', '/get subs'),
  unsupported('GetAgentSubsDetails', '/get subs details'),
  unsupported('GetAgentWorkers', '/get workers'),
  unsupported('GetAgentWorkersDetails', '/get workers details'),
  unsupported('GetAgentQueuesInfo', '/get queues'),
];
