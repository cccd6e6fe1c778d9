import { AgentError, type AgentErrorJson } from '../../agent/index.js';
import type { FileError } from '../../api/index.js';

/** A value as the official program prints it for people: `XFTP {serverAddress = "xftp://…", xftpErr = QUOTA}`. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object' || value === null) return String(value);
  const { type, ...fields } = value as Record<string, unknown>;
  const entries = Object.entries(fields).filter(([, v]) => v !== undefined);
  const name = typeof type === 'string' ? type : '';
  if (entries.length === 0) return name;
  return `${name} {${entries.map(([k, v]) => `${k} = ${shown(v)}`).join(', ')}}`.trimStart();
}

/** The error as the official program prints it, for texts of events. */
export function agentErrorText(error: AgentErrorJson): string {
  return shown(error);
}

/** Why a file failed, as its item shows it (40-xftp, section 8.1). */
export function fileErrorOf(error: AgentErrorJson): FileError {
  if (error.type === 'XFTP') {
    const { xftpErr } = error;
    if (xftpErr.type === 'AUTH') return { type: 'auth' };
    if (xftpErr.type === 'BLOCKED') {
      const reason = reasonOf(xftpErr.blockInfo);
      return { type: 'blocked', server: error.serverAddress, blockInfo: { reason } };
    }
  }
  if (error.type === 'FILE' && error.fileErr.type === 'NO_FILE') return { type: 'noFile' };
  if (error.type === 'BROKER') {
    const { brokerErr } = error;
    if (brokerErr.type === 'HOST') return { type: 'relay', srvError: { type: 'host' } };
    if (brokerErr.type === 'TRANSPORT' && brokerErr.transportErr.type === 'version') {
      return { type: 'relay', srvError: { type: 'version' } };
    }
    return { type: 'relay', srvError: { type: 'other', srvError: shown(brokerErr) } };
  }
  return { type: 'other', fileError: agentErrorText(error) };
}

/** Servers say `spam` or `content`. */
function reasonOf(blockInfo: unknown): 'spam' | 'content' {
  const reason = typeof blockInfo === 'object' && blockInfo !== null && 'reason' in blockInfo ? blockInfo.reason : '';
  return reason === 'spam' ? 'spam' : 'content';
}

/** True for the agent's refusal to show our address to a server that the user has not approved. */
export function isNotApproved(error: AgentErrorJson): boolean {
  return error.type === 'FILE' && error.fileErr.type === 'NOT_APPROVED';
}

/** What was thrown while a file was handled, in words. */
export function errorText(error: unknown): string {
  if (error instanceof AgentError) return agentErrorText(error.json);
  return error instanceof Error ? error.message : String(error);
}
