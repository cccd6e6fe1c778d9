/**
 * A SimpleX network in the test's own process: bots tested end to end, without network, in milliseconds.
 *
 * @packageDocumentation
 */
export type { ApiServer } from '../../server/index.js';
export type { Pattern, ReceivedMessage } from './inbox.js';
export { TestNetwork, type TestNetworkOptions } from './network.js';
export { type ConnectTarget, type HearOptions, type MemberRole, type TestChat, TestUser } from './user.js';
