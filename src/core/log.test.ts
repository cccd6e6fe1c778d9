import { describe, expect, it } from 'vitest';
import { errorFields, FanionError } from './index.js';

/** An error with further properties, as drivers and sockets throw them. */
const foreign = (message: string, more: object): Error => Object.assign(new Error(message), more);

describe('what a log says about an error', () => {
  it('of ours: code and message, which hold no secrets, and no other property', () => {
    class AgentLike extends FanionError {
      readonly json = { serverAddress: 'smp://secret.example' };
    }
    const fields = errorFields(new AgentLike('AGENT_BROKER', 'BROKER TIMEOUT', { details: { attempt: 2 } }));
    expect(fields).toEqual({ error: 'AGENT_BROKER: BROKER TIMEOUT' });
  });

  it('of a database: the code, not the values that it quotes', () => {
    const error = foreign('duplicate key value violates "names"', { code: '23505', detail: 'Key (n)=(alice) exists' });
    const fields = errorFields(new FanionError('STORE_COMMIT', 'cannot commit', { cause: error }));
    expect(fields).toEqual({ error: 'STORE_COMMIT: cannot commit', cause: 'Error 23505' });
    expect(JSON.stringify(errorFields(error))).not.toContain('alice');
  });

  it('of a socket or a file: the code, not host and path', () => {
    const { error, at } = errorFields(foreign('connect ECONNREFUSED 10.0.0.7:443', { code: 'ECONNREFUSED' }));
    expect(error).toBe('Error ECONNREFUSED');
    expect(at).not.toContain('10.0.0.7');
  });

  it('of JSON: not the text', () => {
    let thrown: unknown;
    try {
      JSON.parse('hello alice');
    } catch (error) {
      thrown = error;
    }
    expect(JSON.stringify(errorFields(thrown))).not.toContain('alice');
    expect(errorFields(thrown).error).toBe('SyntaxError');
  });

  it('of the program itself: message and place', () => {
    const fields = errorFields(new TypeError('x is not a function'));
    expect(fields.error).toBe('TypeError: x is not a function');
    expect(fields.at).toContain('log.test');
  });

  it('of what is no error: its type only', () => {
    expect(errorFields('alice')).toEqual({ error: 'thrown: string' });
    expect(errorFields(undefined)).toEqual({ error: 'thrown: undefined' });
  });
});
