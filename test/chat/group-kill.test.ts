import { expect, it } from 'vitest';
import { killRounds } from './group-kill.js';

it('ends with everybody connected when a member is killed while it joins, and a host while it introduces', async () => {
  const violations = await killRounds([
    { by: 'invitation', victim: 'joiner', after: 'command', delayMs: 30 },
    { by: 'link', victim: 'host', after: 'joinedGroupMember', delayMs: 0 },
  ]);
  expect(violations).toEqual([]);
}, 180_000);
