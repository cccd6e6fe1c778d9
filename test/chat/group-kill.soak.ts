import { expect, it } from 'vitest';
import { type KillPoint, killRounds } from './group-kill.js';

const moments = [
  ['invitation', 'joiner', 'command'],
  ['invitation', 'joiner', 'response'],
  ['invitation', 'joiner', 'userJoinedGroup'],
  ['invitation', 'joiner', 'connectedToGroupMember'],
  ['invitation', 'host', 'command'],
  ['invitation', 'host', 'response'],
  ['invitation', 'host', 'joinedGroupMember'],
  ['link', 'joiner', 'response'],
  ['link', 'joiner', 'groupLinkConnecting'],
  ['link', 'joiner', 'userJoinedGroup'],
  ['link', 'host', 'response'],
  ['link', 'host', 'acceptingGroupJoinRequestMember'],
  ['link', 'host', 'joinedGroupMember'],
] as const;

const points: KillPoint[] = moments.flatMap(([by, victim, after]) =>
  [0, 3, 8, 15, 30, 60, 120, 250].map((delayMs) => ({ by, victim, after, delayMs })),
);

it('ends with everybody connected wherever a joiner or its host is killed', async () => {
  expect(await killRounds(points)).toEqual([]);
}, 1_800_000);
