import type { UserServers } from '../../agent/index.js';
import type { ChatContext } from '../engine/context.js';

/** Servers are not stored by the agents: both get them after each change. */
export function useServers(ctx: ChatContext, agentUserId: number, servers: UserServers): void {
  ctx.agent.setUserServers(agentUserId, servers);
  ctx.fileAgent?.setUserServers(agentUserId, servers.xftp);
}
