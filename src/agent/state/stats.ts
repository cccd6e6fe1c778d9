import { formatServer } from '../../smp/index.js';
import type { ConnectionStats } from '../types.js';
import { AgentV } from '../versions.js';
import type { Conn } from './connection.js';

/** The rotation can be stopped as long as the peer does not use the new queue (section 10). */
export function canAbortSwitch(status: string | undefined): boolean {
  return status === 'switch_started' || status === 'sending_qadd';
}

/** What users may know of a connection: servers, rotation, ratchet. */
export function connectionStats(conn: Conn): ConnectionStats {
  return {
    connAgentVersion: conn.agentVersion,
    rcvQueuesInfo: conn.rcvQueues.map((q) => ({
      rcvServer: formatServer(q.server),
      ...(q.switchStatus === undefined ? {} : { rcvSwitchStatus: q.switchStatus }),
      canAbortSwitch: canAbortSwitch(q.switchStatus),
    })),
    sndQueuesInfo: conn.sndQueues.map((q) => ({
      sndServer: formatServer(q.server),
      ...(q.switchStatus === undefined ? {} : { sndSwitchStatus: q.switchStatus }),
    })),
    ratchetSyncState: conn.syncState,
    ratchetSyncSupported: conn.agentVersion >= AgentV.RatchetSync,
  };
}
