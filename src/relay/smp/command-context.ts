import type { SmpCommand, SmpCommandName, SmpError, SmpMessage, SmpVersion } from '../../smp/index.js';
import type { Peer } from './peer.js';
import type { RelayState } from './state.js';

/** What a command is executed with. */
export interface Context {
  readonly state: RelayState;
  /** The connection that the command came on: a proxy's for forwarded commands. */
  readonly peer: Peer;
  /** Of the command: for forwarded ones not that of the connection. */
  readonly version: SmpVersion;
  readonly corrId: Uint8Array;
  /** Deliveries that go out after the answers to the whole block. */
  readonly afterwards: (() => Promise<void>)[];
}

/** The command of a name. */
export type Of<N extends SmpCommandName> = Extract<SmpCommand, { cmd: N }>;

export const ok: SmpMessage = { msg: 'OK' };
export const fail = (error: SmpError): SmpMessage => ({ msg: 'ERR', error });
/** Also for queues that do not exist: nobody may find out which do. */
export const authError = fail({ type: 'AUTH' });
