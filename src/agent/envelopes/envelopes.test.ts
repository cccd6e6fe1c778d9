import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DecodeError, hex } from '../../wire/index.js';
import { decodeAgentEnvelope, decodeAgentMessage, encodeAgentEnvelope, encodeAgentMessage } from './index.js';

interface Named {
  readonly name: string;
  readonly smpEncode: string;
}
interface Parsing {
  readonly input: string;
  readonly result: { readonly ok?: string; readonly error?: string };
}
const vectors = JSON.parse(readFileSync(new URL('../../../test/vectors/encodings.json', import.meta.url), 'utf8')) as {
  agentEnvelopes: Named[];
  agentEnvelopeParsing: Parsing[];
  agentMessages: Named[];
  agentMessageParsing: Parsing[];
};
const bytes = (s: string): Uint8Array => new Uint8Array(Buffer.from(s, 'hex'));

const types: Readonly<Record<string, string>> = {
  AgentConfirmation: 'confirmation',
  AgentMsgEnvelope: 'message',
  AgentConnInfo: 'connInfo',
  AgentRatchetInfo: 'ratchetInfo',
  AgentMessage: 'message',
};

describe('agent envelopes', () => {
  it.each(vectors.agentEnvelopes)('$name: the recorded bytes decode and encode to themselves', ({ smpEncode }) => {
    expect(hex(encodeAgentEnvelope(decodeAgentEnvelope(bytes(smpEncode))))).toBe(smpEncode);
  });

  it.each(vectors.agentEnvelopeParsing)('input $input', ({ input, result }) => {
    if (result.ok === undefined) expect(() => decodeAgentEnvelope(bytes(input))).toThrow(DecodeError);
    else expect(decodeAgentEnvelope(bytes(input)).type).toBe(types[result.ok.split(' ')[0] ?? '']);
  });
});

describe('agent messages', () => {
  it.each(vectors.agentMessages)('$name: the recorded bytes decode and encode to themselves', ({ smpEncode }) => {
    expect(hex(encodeAgentMessage(decodeAgentMessage(bytes(smpEncode))))).toBe(smpEncode);
  });

  it.each(vectors.agentMessageParsing)('input $input', ({ input, result }) => {
    if (result.ok === undefined) expect(() => decodeAgentMessage(bytes(input))).toThrow(DecodeError);
    else expect(decodeAgentMessage(bytes(input)).type).toBe(types[result.ok.split(' ')[0] ?? '']);
  });
});
