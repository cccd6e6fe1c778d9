import { expect, it } from 'vitest';
import { type KillPoint, killRounds } from './group-kill.js';

const moments = [
  ['joiner', 'command'],
  ['joiner', 'response'],
  ['joiner', 'userJoinedGroup'],
  ['joiner', 'connectedToGroupMember'],
  ['host', 'command'],
  ['host', 'response'],
  ['host', 'joinedGroupMember'],
] as const;

const points: KillPoint[] = moments.flatMap(([victim, after]) =>
  [0, 3, 8, 15, 30, 60, 120, 250].map((delayMs) => ({ victim, after, delayMs })),
);

it('ends with everybody connected wherever a joiner or its host is killed', async () => {
  expect(await killRounds(points)).toEqual([]);
}, 1_800_000);
