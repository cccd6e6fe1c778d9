import type { Profile, User } from '../../api/index.js';
import { randomInt } from '../../core/index.js';
import { insertContact } from '../contacts/queries.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, storeFailure } from '../engine/errors.js';
import { insertInitialServers, userServers } from '../servers/queries.js';
import { useServers } from '../servers/use.js';
import { checkName } from './names.js';
import { activateUser, insertUser, reloadUser } from './queries.js';
import { randomProfile } from './random-profile.js';

const dayMs = 24 * 3600_000;

/** Makes a user and activates it (70-bot-api.md, section 7.2); without a profile it gets a random one. */
export async function createUser(ctx: ChatContext, given: Profile | undefined, pastTimestamp: boolean): Promise<User> {
  const profile = given ?? randomProfile(ctx.random);
  checkName(profile.displayName);
  checkFree(ctx, profile.displayName);
  const now = pastTimestamp ? ctx.clock.now() - 2 * dayMs - randomInt(ctx.random, dayMs) : ctx.clock.now();
  const active = ctx.users.active();
  const user = await ctx.store.transaction(async (tx) => {
    const agentUserId = await ctx.agent.createUser(tx, {
      smp: ctx.options.presetServers.smp,
      xftp: ctx.options.presetServers.xftp,
    });
    const { userId } = await insertUser(tx, agentUserId, profile, now);
    await insertInitialServers(tx, ctx.options, userId, active?.userId, now);
    const created = await reloadUser(tx, ctx.users, userId);
    for (const card of ctx.options.presetContacts ?? []) {
      await insertContact(tx, created, card, {}, now);
    }
    const servers = await userServers(tx, ctx.options, userId);
    tx.onCommit(() => useServers(ctx, agentUserId, servers));
    return activateUser(tx, ctx.users, userId);
  });
  return user;
}

/** Names of users are unique; a hidden user's name looks like an invalid one (70-bot-api.md, section 6.3). */
function checkFree(ctx: ChatContext, displayName: string): void {
  const other = ctx.users.all().find((u) => u.localDisplayName === displayName);
  if (other === undefined) return;
  if (other.viewPwdHash === undefined || other.activeUser) {
    throw chatFailure({ type: 'userExists', contactName: displayName });
  }
  if (other.viewPwdHash !== undefined) {
    throw chatFailure({ type: 'invalidDisplayName', displayName, validName: '' });
  }
  throw storeFailure({ type: 'duplicateName' });
}
