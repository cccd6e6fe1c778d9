import { createHash } from 'node:crypto';
import type { ApiResponse, Preferences, Profile, User } from '../../api/index.js';
import { equalBytes, utf8Bytes } from '../../wire/index.js';
import { anytime, type CommandTable, forUser, ok, whenRunning, whenStarted } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure } from '../engine/errors.js';
import { createUser } from './create.js';
import { deleteUserContent } from './deletion.js';
import { activateUser, knownUser, passwordHash, unreadCounts, updateUser } from './queries.js';

function hashPassword(password: string, salt: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha512').update(utf8Bytes(password)).update(salt).digest());
}

function passwordMatches(user: User, password: string): boolean {
  const stored = passwordHash(user);
  return stored !== undefined && equalBytes(hashPassword(password, stored.salt), stored.hash);
}

/** Who may act on a hidden user (70-bot-api.md, section 7.3): `userUnknown` does not tell that it exists. */
function checkPassword(ctx: ChatContext, user: User, password: string | undefined): void {
  if (user.viewPwdHash === undefined) return;
  if (password === undefined ? ctx.users.active()?.userId !== user.userId : !passwordMatches(user, password)) {
    throw chatFailure({ type: 'userUnknown' });
  }
}

async function setActive(ctx: ChatContext, user: User, password: string | undefined): Promise<ApiResponse> {
  checkPassword(ctx, user, password);
  return ctx.store.transaction(async (tx) => ({
    type: 'activeUser',
    user: await activateUser(tx, ctx.users, user.userId),
  }));
}

/** A user by its local name; for hidden ones the password decides. */
function userByName(ctx: ChatContext, userName: string): User {
  const user = ctx.users.all().find((u) => u.localDisplayName === userName);
  if (user === undefined) throw chatFailure({ type: 'userUnknown' });
  return user;
}

async function deleteUser(
  ctx: ChatContext,
  user: User,
  deleteQueues: boolean,
  password: string | undefined,
): Promise<ApiResponse> {
  checkPassword(ctx, user, password);
  const visibleOthers = ctx.users.all().some((u) => u.userId !== user.userId && u.viewPwdHash === undefined);
  if (user.activeUser && visibleOthers) throw chatFailure({ type: 'cantDeleteActiveUser', userId: user.userId });
  await ctx.store.transaction(async (tx) => {
    await ctx.files?.removeOfUser(ctx, tx, user);
    await ctx.agent.deleteUser(tx, Number(user.agentUserId), deleteQueues);
    await deleteUserContent(tx, user.userId);
    ctx.users.delete(tx, user);
  });
  return { type: 'cmdOk' };
}

/** The answer to hiding and muting: the active user, and the changed one. */
function privacy(ctx: ChatContext, active: User, updatedUser: User): ApiResponse {
  return { type: 'userPrivacy', user: ctx.users.active() ?? active, updatedUser };
}

async function hide(ctx: ChatContext, active: User, userId: number, password: string): Promise<ApiResponse> {
  const user = knownUser(ctx.users, userId);
  if (user.viewPwdHash !== undefined) throw chatFailure({ type: 'userAlreadyHidden', userId });
  if (password === '') throw chatFailure({ type: 'emptyUserPassword', userId });
  const others = ctx.users.all().some((u) => u.userId !== userId && u.viewPwdHash === undefined);
  if (!others) throw chatFailure({ type: 'cantHideLastUser', userId });
  const salt = ctx.random.bytes(16);
  const settings = { view_pwd_hash: hashPassword(password, salt), view_pwd_salt: salt, show_ntfs: 0 };
  return update(ctx, active, userId, settings);
}

async function unhide(ctx: ChatContext, active: User, userId: number, password: string): Promise<ApiResponse> {
  const user = knownUser(ctx.users, userId);
  if (user.viewPwdHash === undefined) throw chatFailure({ type: 'userNotHidden', userId });
  checkPassword(ctx, user, password);
  return update(ctx, active, userId, { view_pwd_hash: null, view_pwd_salt: null, show_ntfs: 1 });
}

async function mute(ctx: ChatContext, active: User, userId: number, showNtfs: boolean): Promise<ApiResponse> {
  const user = knownUser(ctx.users, userId);
  if (user.viewPwdHash !== undefined) throw chatFailure({ type: 'hiddenUserAlwaysMuted', userId });
  return update(ctx, active, userId, { show_ntfs: showNtfs ? 1 : 0 });
}

async function update(
  ctx: ChatContext,
  active: User,
  userId: number,
  settings: Parameters<typeof updateUser>[3],
): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) =>
    privacy(ctx, active, await updateUser(tx, ctx.users, userId, settings, ctx.clock.now())),
  );
}

/** Settings that answer with the active user as it was (70-bot-api.md, pitfall 24). */
async function setQuietly(
  ctx: ChatContext,
  active: User,
  userIds: readonly number[],
  settings: Parameters<typeof updateUser>[3],
  overrides?: 'contacts' | 'groups',
): Promise<ApiResponse> {
  await ctx.store.transaction(async (tx) => {
    for (const userId of userIds) {
      await updateUser(tx, ctx.users, userId, settings, ctx.clock.now(), true);
      if (overrides !== undefined) {
        await tx.db.updateTable(overrides).set({ send_rcpts: null }).where('user_id', '=', userId).execute();
      }
    }
  });
  return ok(active);
}

/** A user that settings may be changed of without its password only when it is visible or active. */
function openUser(ctx: ChatContext, userId: number): User {
  const user = knownUser(ctx.users, userId);
  checkPassword(ctx, user, undefined);
  return user;
}

const botPreferences: Preferences = { files: { allow: 'no' } };

export const userCommands: CommandTable = {
  ShowActiveUser: forUser(async (_ctx, _cmd, user) => ({ type: 'activeUser', user })),

  ListUsers: anytime(async (ctx) => {
    const counts = await ctx.store.read(unreadCounts);
    const users = ctx.users.all().sort((a, b) => b.activeOrder - a.activeOrder || a.userId - b.userId);
    return {
      type: 'usersList',
      users: [...users]
        .sort((a, b) => a.userId - b.userId)
        .map((user) => ({ user, unreadCount: counts.get(user.userId) ?? 0 })),
    };
  }),

  CreateActiveUser: anytime(async (ctx, cmd) => {
    const { profile: given, pastTimestamp } = cmd.newUser;
    const profile: Profile | undefined = given;
    return { type: 'activeUser', user: await createUser(ctx, profile, pastTimestamp) };
  }),

  APISetActiveUser: whenStarted(async (ctx, cmd) => setActive(ctx, knownUser(ctx.users, cmd.userId), cmd.viewPwd)),
  SetActiveUser: whenStarted(async (ctx, cmd) => setActive(ctx, userByName(ctx, cmd.userName), cmd.viewPwd)),

  APIDeleteUser: whenRunning(async (ctx, cmd) =>
    deleteUser(ctx, knownUser(ctx.users, cmd.userId), cmd.delSMPQueues, cmd.viewPwd),
  ),
  DeleteUser: whenRunning(async (ctx, cmd) =>
    deleteUser(ctx, userByName(ctx, cmd.userName), cmd.delSMPQueues, cmd.viewPwd),
  ),

  APIHideUser: whenRunning((ctx, cmd, user) => hide(ctx, user, cmd.userId, cmd.viewPwd)),
  HideUser: whenRunning((ctx, cmd, user) => hide(ctx, user, user.userId, cmd.viewPwd)),
  APIUnhideUser: whenRunning((ctx, cmd, user) => unhide(ctx, user, cmd.userId, cmd.viewPwd)),
  UnhideUser: whenRunning((ctx, cmd, user) => unhide(ctx, user, user.userId, cmd.viewPwd)),
  APIMuteUser: whenRunning((ctx, cmd, user) => mute(ctx, user, cmd.userId, false)),
  MuteUser: whenRunning((ctx, _cmd, user) => mute(ctx, user, user.userId, false)),
  APIUnmuteUser: whenRunning((ctx, cmd, user) => mute(ctx, user, cmd.userId, true)),
  UnmuteUser: whenRunning((ctx, _cmd, user) => mute(ctx, user, user.userId, true)),

  APISetUserContactReceipts: whenRunning(async (ctx, cmd, user) => {
    const { userId } = openUser(ctx, cmd.userId);
    const { enable, clearOverrides } = cmd.settings;
    const settings = { send_rcpts_contacts: enable ? 1 : 0 };
    return setQuietly(ctx, user, [userId], settings, clearOverrides ? 'contacts' : undefined);
  }),
  SetUserContactReceipts: whenRunning(async (ctx, cmd, user) => {
    const { enable, clearOverrides } = cmd.settings;
    const settings = { send_rcpts_contacts: enable ? 1 : 0 };
    return setQuietly(ctx, user, [user.userId], settings, clearOverrides ? 'contacts' : undefined);
  }),
  APISetUserGroupReceipts: whenRunning(async (ctx, cmd, user) => {
    const { userId } = openUser(ctx, cmd.userId);
    const { enable, clearOverrides } = cmd.settings;
    const settings = { send_rcpts_small_groups: enable ? 1 : 0 };
    return setQuietly(ctx, user, [userId], settings, clearOverrides ? 'groups' : undefined);
  }),
  SetUserGroupReceipts: whenRunning(async (ctx, cmd, user) => {
    const { enable, clearOverrides } = cmd.settings;
    const settings = { send_rcpts_small_groups: enable ? 1 : 0 };
    return setQuietly(ctx, user, [user.userId], settings, clearOverrides ? 'groups' : undefined);
  }),
  SetAllContactReceipts: whenRunning(async (ctx, cmd, user) => {
    const visible = ctx.users.all().filter((u) => u.viewPwdHash === undefined || u.activeUser);
    const ids = visible.map((u) => u.userId);
    return setQuietly(ctx, user, ids, { send_rcpts_contacts: cmd.enable ? 1 : 0 });
  }),
  APISetUserAutoAcceptMemberContacts: whenRunning(async (ctx, cmd, user) => {
    const { userId } = openUser(ctx, cmd.userId);
    return setQuietly(ctx, user, [userId], { auto_accept_member_contacts: cmd.onOff ? 1 : 0 });
  }),
  SetUserAutoAcceptMemberContacts: whenRunning((ctx, cmd, user) =>
    setQuietly(ctx, user, [user.userId], { auto_accept_member_contacts: cmd.onOff ? 1 : 0 }),
  ),

  APISetUserUIThemes: whenRunning(async (ctx, cmd, user) => {
    openUser(ctx, cmd.userId);
    const themes = cmd.uiThemes === undefined ? null : JSON.stringify(cmd.uiThemes);
    await ctx.store.transaction((tx) =>
      updateUser(tx, ctx.users, cmd.userId, { ui_themes: themes }, ctx.clock.now(), false),
    );
    return ok(user);
  }),
};

/** Preferences of a bot made without `files=on`. */
export { botPreferences };
