import { mkdir } from 'node:fs/promises';
import { anytime, type CommandTable, forUser, okProcess, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { commandFailure } from '../engine/errors.js';

/** The version of the API that we follow: clients compare it. */
const apiVersion = '6.4.3.1';

async function useFolder(ctx: ChatContext, folder: 'filesFolder' | 'tempFolder', path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  ctx.state[folder] = path;
  if (folder === 'tempFolder') ctx.fileAgent?.setWorkFolder(path);
}

/** Starting and stopping, folders, help. */
export const lifecycleCommands: CommandTable = {
  StartChat: forUser(async (ctx) => {
    if (ctx.state.started) return { type: 'chatRunning' };
    await ctx.lifecycle.start();
    return { type: 'chatStarted' };
  }),
  APIStopChat: anytime(async (ctx) => {
    await ctx.lifecycle.stop();
    return { type: 'chatStopped' };
  }),
  CheckChatRunning: anytime(async (ctx) => ({ type: ctx.state.started ? 'chatRunning' : 'chatStopped' })),
  APIActivateChat: forUser(async (ctx) => {
    await ctx.agent.resume();
    if (ctx.state.started) ctx.fileAgent?.resume();
    return okProcess;
  }),
  APISuspendChat: forUser(async (ctx, cmd) => {
    ctx.fileAgent?.suspend();
    // Suspending waits for what is under way; its end is told by an event.
    ctx.background('suspend', () => ctx.agent.suspend(cmd.suspendTimeout * 1000));
    return okProcess;
  }),
  ResubscribeAllConnections: whenRunning(async (ctx, _cmd, user) => {
    ctx.background('subscribe', () => ctx.agent.subscribeAll(Number(user.agentUserId)));
    return okProcess;
  }),
  ReconnectAllServers: whenRunning(async (ctx) => {
    await ctx.agent.reconnectServers();
    return okProcess;
  }),
  ReconnectServer: whenRunning(async (ctx, _cmd, user) => {
    await ctx.agent.reconnectServers(Number(user.agentUserId));
    return okProcess;
  }),
  SetTempFolder: anytime(async (ctx, cmd) => {
    await useFolder(ctx, 'tempFolder', cmd.path);
    return okProcess;
  }),
  SetFilesFolder: anytime(async (ctx, cmd) => {
    await useFolder(ctx, 'filesFolder', cmd.path);
    return okProcess;
  }),
  APISetAppFilePaths: anytime(async (ctx, cmd) => {
    await useFolder(ctx, 'filesFolder', cmd.paths.appFilesFolder);
    await useFolder(ctx, 'tempFolder', cmd.paths.appTempFolder);
    return okProcess;
  }),
  APISetEncryptLocalFiles: anytime(async (ctx, cmd) => {
    ctx.state.encryptLocalFiles = cmd.onOff;
    return okProcess;
  }),
  // Contacts are never merged: there is nothing to turn off.
  SetContactMergeEnabled: anytime(async () => okProcess),
  ChatHelp: anytime(async (_ctx, cmd) => ({ type: 'chatHelp', helpSection: cmd.helpSection })),
  Welcome: forUser(async (_ctx, _cmd, user) => ({ type: 'welcome', user })),
  ShowVersion: anytime(async () => ({
    type: 'versionInfo',
    versionInfo: { version: apiVersion, simplexmqVersion: apiVersion, simplexmqCommit: '' },
    chatMigrations: [],
    agentMigrations: [],
  })),
  QuitChat: anytime(async (ctx) => {
    const { quit } = ctx.options;
    if (quit === undefined) throw commandFailure('not supported');
    quit();
    return okProcess;
  }),
  CustomChatCommand: anytime(async () => {
    throw commandFailure('not supported');
  }),
};
