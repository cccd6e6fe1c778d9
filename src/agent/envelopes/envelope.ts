import { type E2EParams, readE2EParams, writeE2EParams } from '../../crypto/index.js';
import { DecodeError, decodeWhole, encode, utf8Bytes, utf8String } from '../../wire/index.js';
import { formatConnectionRequest, type InvitationRequest, parseConnectionRequest } from '../links/index.js';
import { type AgentVersion, agentVersion } from '../versions.js';

/** What the body of a SEND carries under the queue's own encryption (30-agent.md, section 5.1). */
export type AgentEnvelope =
  /** The handshake: the joiner's with the parameters of its ratchet, the initiator's without. */
  | {
      readonly type: 'confirmation';
      readonly agentVersion: AgentVersion;
      readonly e2e?: E2EParams;
      /** Ratchet ciphertext of a connection info message. */
      readonly encConnInfo: Uint8Array;
    }
  /** Every message after the handshake. */
  | { readonly type: 'message'; readonly agentVersion: AgentVersion; readonly encAgentMessage: Uint8Array }
  /** A request sent to a contact address; not encrypted by a ratchet. */
  | {
      readonly type: 'invitation';
      readonly agentVersion: AgentVersion;
      readonly request: InvitationRequest;
      readonly connInfo: Uint8Array;
    }
  /** New keys for a ratchet that lost its place; not encrypted by a ratchet. */
  | {
      readonly type: 'ratchetKey';
      readonly agentVersion: AgentVersion;
      readonly e2e: E2EParams;
      readonly info: Uint8Array;
    };

/** Encodes an envelope; the receiver sees exactly these bytes. */
export function encodeAgentEnvelope(envelope: AgentEnvelope): Uint8Array {
  return encode((w) => {
    w.u16(envelope.agentVersion);
    switch (envelope.type) {
      case 'confirmation':
        w.char('C').maybe(envelope.e2e, writeE2EParams).raw(envelope.encConnInfo);
        break;
      case 'message':
        w.char('M').raw(envelope.encAgentMessage);
        break;
      case 'invitation':
        w.char('I')
          .large(utf8Bytes(formatConnectionRequest(envelope.request)))
          .raw(envelope.connInfo);
        break;
      case 'ratchetKey':
        w.char('R');
        writeE2EParams(w, envelope.e2e);
        w.raw(envelope.info);
    }
  }, 16_384);
}

/** @throws DecodeError */
export function decodeAgentEnvelope(bytes: Uint8Array): AgentEnvelope {
  return decodeWhole(bytes, 'agentEnvelope', (r) => {
    const version = agentVersion(r.u16('agentVersion'));
    const tag = r.char('agentEnvelope');
    switch (tag) {
      case 'C': {
        const e2e = r.maybe('e2e', readE2EParams);
        const encConnInfo = r.tail();
        return { type: 'confirmation', agentVersion: version, ...(e2e === undefined ? {} : { e2e }), encConnInfo };
      }
      case 'M':
        return { type: 'message', agentVersion: version, encAgentMessage: r.tail() };
      case 'I': {
        const text = utf8String(r.large('connReq'));
        if (text === undefined) throw r.error('connReq', 'invalid UTF-8');
        const request = parseConnectionRequest(text);
        if (request.mode !== 'invitation') throw new DecodeError('connReq', 'not an invitation', r.offset);
        return { type: 'invitation', agentVersion: version, request, connInfo: r.tail() };
      }
      case 'R':
        return { type: 'ratchetKey', agentVersion: version, e2e: readE2EParams(r), info: r.tail() };
      default:
        throw r.error('agentEnvelope', 'unknown tag');
    }
  });
}
