import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../core/index.js';
import { parseServerWithAuth } from '../../smp/index.js';
import { chooseNextServer, chooseServer, type ServerChoice } from './choice.js';

const server = (host: string, operatorId?: number): ServerChoice => ({
  server: parseServerWithAuth(`smp://AAAA@${host}:5223`, 'smp'),
  operatorId,
});
const hostOf = (c: ServerChoice): string => c.server.server.hosts[0];
const avoid = (host: string) => [server(host).server.server];

describe('choice of a server', () => {
  it('prefers another operator, then another host, and takes what there is otherwise', () => {
    const random = seededRandom('choice');
    const list = [server('a1', 1), server('a2', 1), server('b1', 2), server('own')];
    const chosen = (hosts: string[], from = list): Set<string> => {
      const seen = new Set<string>();
      for (let i = 0; i < 60; i++) seen.add(hostOf(chooseServer(random, from, hosts.flatMap(avoid))));
      return seen;
    };
    expect(chosen([])).toEqual(new Set(['a1', 'a2', 'b1', 'own']));
    expect(chosen(['a1'])).toEqual(new Set(['b1', 'own']));
    expect(chosen(['a1', 'b1', 'own'])).toEqual(new Set(['a2']));
    expect(chosen(['a1'], list.slice(0, 2))).toEqual(new Set(['a2']));
    expect(chosen(['a1'], list.slice(0, 1))).toEqual(new Set(['a1']));
    // No operator counts as one operator.
    expect(chosen(['x'], [server('x'), server('y'), server('a1', 1)])).toEqual(new Set(['a1']));
  });

  it('tries every server before it tries one again', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.string(), (n, seed) => {
        const list = Array.from({ length: n }, (_, i) => server(`h${i}`));
        const tried = new Set<string>();
        const random = seededRandom(seed);
        for (let round = 0; round < 3; round++) {
          const hosts = Array.from({ length: n }, () => hostOf(chooseNextServer(random, list, [], tried)));
          expect(new Set(hosts).size).toBe(n);
        }
      }),
    );
  });
});
