import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  agentError,
  chatCmdError,
  chatError,
  chatErrorText,
  commandError,
  databaseError,
  invalidRequest,
  storeError,
} from './index.js';
import { eventProblems, responseProblems } from './testing-support/validate.js';

const examples = JSON.parse(readFileSync(new URL('./data/bot-api-examples.json', import.meta.url), 'utf8')) as {
  responses: Record<string, unknown>;
  events: Record<string, unknown>;
  errors: Record<string, unknown>;
};

describe('errors of the API', () => {
  it('have the recorded form', () => {
    expect(invalidRequest).toEqual({
      type: 'chatCmdError',
      chatError: { type: 'error', errorType: { type: 'commandError', message: 'invalid request' } },
    });
    expect(storeError({ type: 'userContactLinkNotFound' })).toEqual({
      type: 'errorStore',
      storeError: { type: 'userContactLinkNotFound' },
    });
    const transportErr = { type: 'handshake', handshakeErr: { type: 'IDENTITY' } } as const;
    const broker = agentError({
      type: 'BROKER',
      brokerAddress: 'smp://KEY=@smp.example.org',
      brokerErr: { type: 'TRANSPORT', transportErr },
    });
    expect(Object.values(examples.errors)).toContainEqual(broker);
    for (const e of [
      chatError({ type: 'differentActiveUser', commandUserId: 2, activeUserId: 1 }),
      commandError('x'),
      broker,
    ]) {
      expect(responseProblems(chatCmdError(e))).toEqual([]);
    }
    expect(databaseError({ type: 'errorEncrypted' })).toEqual({
      type: 'errorDatabase',
      databaseError: { type: 'errorEncrypted' },
    });
  });

  it('are told to people by their tags', () => {
    expect(chatErrorText(commandError('not supported'))).toBe('error: commandError: not supported');
    const e = agentError({ type: 'SMP', serverAddress: 'smp://secret@host', smpErr: { type: 'AUTH' } });
    expect(chatErrorText(e)).toBe('errorAgent: SMP: AUTH');
  });
});

describe('the validator of responses and events', () => {
  it('accepts the recorded examples', () => {
    for (const [tag, r] of Object.entries(examples.responses)) expect(responseProblems(r), tag).toEqual([]);
    for (const [tag, e] of Object.entries(examples.events)) expect(eventProblems(e), tag).toEqual([]);
    for (const [name, e] of Object.entries(examples.errors)) {
      expect(responseProblems({ type: 'chatCmdError', chatError: e }), name).toEqual([]);
    }
  });

  it('finds missing, unknown and ill-typed keys', () => {
    const user = (examples.responses.activeUser as { user: Record<string, unknown> }).user;
    expect(responseProblems({ type: 'activeUser', user: { ...user, agentUserId: 1 } })).toHaveLength(1);
    expect(responseProblems({ type: 'activeUser', user: { ...user, more: 1 } })).toHaveLength(1);
    expect(responseProblems({ type: 'activeUser', user: { ...user, activeUser: undefined } })).toHaveLength(1);
    expect(responseProblems({ type: 'nonsense' })).toHaveLength(1);
  });
});
