import type { ApiResponse, Connection, GroupInfo, GroupMember, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { updateConnection } from '../connections/queries.js';
import { readConnectionCode, verifyConnectionCode } from '../connections/security-code.js';
import { type CommandTable, ok, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure } from '../engine/errors.js';
import { agentConnIdOf } from '../messaging/send.js';
import { toProfile } from '../users/profiles.js';
import { emitGroupItem } from './items.js';
import { getGroup, getMember } from './queries.js';
import { placeEvent } from './scope.js';
import { memberByName } from './selection.js';

/** A member that a command names. */
interface Ref {
  readonly groupId: number;
  readonly groupMemberId: number;
}

interface Named {
  readonly group: GroupInfo;
  readonly member: GroupMember;
}

async function read(tx: Tx, user: User, { groupId, groupMemberId }: Ref): Promise<Named> {
  return { group: await getGroup(tx, user, groupId), member: await getMember(tx, user, groupId, groupMemberId) };
}

/** The connection of a member; `groupMemberNotActive`. */
function connectionOf({ member }: Named): Connection {
  if (member.activeConn === undefined) throw chatFailure({ type: 'groupMemberNotActive' });
  return member.activeConn;
}

async function info(ctx: ChatContext, user: User, ref: Ref): Promise<ApiResponse> {
  return ctx.store.read(async (tx) => {
    const { group, member } = await read(tx, user, ref);
    const connection = member.activeConn;
    const stats =
      connection === undefined || connection.connStatus === 'deleted'
        ? undefined
        : await ctx.agent.getConnectionServers(tx, agentConnIdOf(connection));
    return { type: 'groupMemberInfo', user, groupInfo: group, member, connectionStats_: stats };
  });
}

async function code(ctx: ChatContext, user: User, ref: Ref): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const connectionCode = await readConnectionCode(ctx, tx, connectionOf(await read(tx, user, ref)));
    const { group, member } = await read(tx, user, ref);
    return { type: 'groupMemberCode', user, groupInfo: group, member, connectionCode };
  });
}

async function verify(ctx: ChatContext, user: User, ref: Ref, given: string | undefined): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const result = await verifyConnectionCode(ctx, tx, connectionOf(await read(tx, user, ref)), given);
    return { type: 'connectionVerified', user, ...result };
  });
}

async function enable(ctx: ChatContext, user: User, ref: Ref): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const { connId } = connectionOf(await read(tx, user, ref));
    await updateConnection(tx, connId, { auth_err_counter: 0 }, ctx.clock.now());
    return ok(user);
  });
}

async function switchAddress(ctx: ChatContext, user: User, ref: Ref): Promise<ApiResponse> {
  const named = await ctx.store.read((tx) => read(tx, user, ref));
  const connectionStats = await ctx.agent.switchConnection(agentConnIdOf(connectionOf(named)));
  return { type: 'groupMemberSwitchStarted', user, groupInfo: named.group, member: named.member, connectionStats };
}

async function abortSwitch(ctx: ChatContext, user: User, ref: Ref): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const named = await read(tx, user, ref);
    const connectionStats = await ctx.agent.abortConnectionSwitch(tx, agentConnIdOf(connectionOf(named)));
    return { type: 'groupMemberSwitchAborted', user, groupInfo: named.group, member: named.member, connectionStats };
  });
}

async function sync(ctx: ChatContext, user: User, ref: Ref, force: boolean): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const named = await read(tx, user, ref);
    const agentConnId = agentConnIdOf(connectionOf(named));
    const connectionStats = await ctx.agent.synchronizeRatchet(tx, agentConnId, false, force);
    const { group, member, scope } = await placeEvent(tx, named.group, named.member, ctx.clock.now());
    const memberRef = { groupMemberId: member.groupMemberId, profile: toProfile(member.memberProfile) };
    await emitGroupItem(
      ctx,
      tx,
      user,
      { group, scope },
      {
        type: 'sndConnEvent',
        sndConnEvent: { type: 'ratchetSync', syncStatus: connectionStats.ratchetSyncState, member: memberRef },
      },
    );
    return { type: 'groupMemberRatchetSyncStarted', user, groupInfo: group, member, connectionStats };
  });
}

const named = (ctx: ChatContext, user: User, c: { readonly groupName: string; readonly memberName: string }) =>
  ctx.store.read((tx) => memberByName(tx, user, c.groupName, c.memberName));

/** Commands on the connection of a member. */
export const memberConnectionCommands: CommandTable = {
  APIGroupMemberInfo: whenRunning((ctx, c, user) => info(ctx, user, c)),
  GroupMemberInfo: whenRunning(async (ctx, c, user) => info(ctx, user, await named(ctx, user, c))),
  APIGetGroupMemberCode: whenRunning((ctx, c, user) => code(ctx, user, c)),
  GetGroupMemberCode: whenRunning(async (ctx, c, user) => code(ctx, user, await named(ctx, user, c))),
  APIVerifyGroupMember: whenRunning((ctx, c, user) => verify(ctx, user, c, c.connectionCode)),
  VerifyGroupMember: whenRunning(async (ctx, c, user) =>
    verify(ctx, user, await named(ctx, user, c), c.connectionCode),
  ),
  APIEnableGroupMember: whenRunning((ctx, c, user) => enable(ctx, user, c)),
  EnableGroupMember: whenRunning(async (ctx, c, user) => enable(ctx, user, await named(ctx, user, c))),
  APISwitchGroupMember: whenRunning((ctx, c, user) => switchAddress(ctx, user, c)),
  SwitchGroupMember: whenRunning(async (ctx, c, user) => switchAddress(ctx, user, await named(ctx, user, c))),
  APIAbortSwitchGroupMember: whenRunning((ctx, c, user) => abortSwitch(ctx, user, c)),
  AbortSwitchGroupMember: whenRunning(async (ctx, c, user) => abortSwitch(ctx, user, await named(ctx, user, c))),
  APISyncGroupMemberRatchet: whenRunning((ctx, c, user) => sync(ctx, user, c, c.force)),
  SyncGroupMemberRatchet: whenRunning(async (ctx, c, user) => sync(ctx, user, await named(ctx, user, c), c.force)),
};
