import type { RandomSource } from '../../core/index.js';
import { randomElement } from '../../core/index.js';
import type { ServerAddress, ServerWithAuth } from '../../smp/index.js';

/** A configured server, parsed. */
export interface ServerChoice<S extends 'smp' | 'xftp' = 'smp'> {
  readonly server: ServerWithAuth<S>;
  readonly operatorId: number | undefined;
}

type Avoidable = Pick<ServerAddress, 'hosts'>;

/** Narrows a list, unless nothing would be left. */
function prefer<T>(list: readonly T[], test: (item: T) => boolean): readonly T[] {
  const found = list.filter(test);
  return found.length > 0 ? found : list;
}

/**
 * 30-agent.md, section 15.2: a random server, if possible of an operator that is not used by `avoid`, and without a
 * host of `avoid` or of `tried`. Servers without an operator count as one operator. `list` must not be empty.
 */
export function chooseServer<S extends 'smp' | 'xftp'>(
  random: RandomSource,
  list: readonly ServerChoice<S>[],
  avoid: readonly Avoidable[],
  tried: ReadonlySet<string> = new Set(),
): ServerChoice<S> {
  const avoidHosts = new Set([...avoid.flatMap((s) => s.hosts), ...tried]);
  const isUsed = (c: ServerChoice<S>): boolean => c.server.server.hosts.some((h) => avoidHosts.has(h));
  const usedOperators = new Set(list.filter(isUsed).map((c) => c.operatorId));
  const c1 = prefer(list, (c) => !usedOperators.has(c.operatorId));
  const c2 = prefer(c1, (c) => !isUsed(c));
  return randomElement(random, c2);
}

/** Section 15.3: as {@link chooseServer}; remembers what was tried, and starts again when all were. */
export function chooseNextServer<S extends 'smp' | 'xftp'>(
  random: RandomSource,
  list: readonly ServerChoice<S>[],
  avoid: readonly Avoidable[],
  tried: Set<string>,
): ServerChoice<S> {
  const choice = chooseServer(random, list, avoid, tried);
  for (const host of choice.server.server.hosts) tried.add(host);
  if (list.every((c) => c.server.server.hosts.some((h) => tried.has(h)))) tried.clear();
  return choice;
}
