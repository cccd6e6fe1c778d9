import { describe, expect, test } from 'vitest';
import { validName } from './names.js';

describe('valid display names', () => {
  test.each([
    ['alice', 'alice'],
    ['алиса', 'алиса'],
    ['John Doe', 'John Doe'],
    ['J.Doe', 'J.Doe'],
    ['J. Doe', 'J. Doe'],
    ['J..Doe', 'J..Doe'],
    ['J ..Doe', 'J ..Doe'],
    ['J ... Doe', 'J ... Doe'],
    ['J .... Doe', 'J ... Doe'],
    ['J . . Doe', 'J . Doe'],
    ['@alice', 'alice'],
    ['#alice', 'alice'],
    ["'alice", 'alice'],
    [' alice', 'alice'],
    ['alice ', 'alice'],
    ['John  Doe', 'John Doe'],
    ["'John Doe'", 'John Doe'],
    ['"John Doe"', 'John Doe"'],
    ['`John Doe`', '`John Doe`'],
    ['alice/bob', 'alice/bob'],
    ['alice / bob', 'alice / bob'],
    ['alice /// bob', 'alice /// bob'],
    ['alice //// bob', 'alice /// bob'],
    ['alice >>= bob', 'alice >>= bob'],
    ['alice@example.com', 'alice@example.com'],
    ['alice <> bob', 'alice <> bob'],
    ['01234567890123456789012345678901234567890123456789extra', '01234567890123456789012345678901234567890123456789'],
    ['0123456789012345678901234567890123456789012345678 extra', '0123456789012345678901234567890123456789012345678'],
  ])('%j is made %j', (name, valid) => {
    expect(validName(name)).toBe(valid);
    expect(validName(valid)).toBe(valid);
  });
});
