import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../../src');

/** The fields of every log call in a source text. */
function loggedFields(source: string): string[] {
  const call = /[lL]og(?:ger)?\)?\??\.(?:debug|info|warn|error)\(\s*(\{[^{}]*\}|[\w.]+)/g;
  return [...source.matchAll(call)].map((m) => m[1] ?? '');
}

/** An error, its message or its text as a field: all may hold addresses, names and texts. */
const raw = /(?<![\w.(])(?:error|err|e|cause)\s*(?:,|\}|$)|\.(?:message|stack)\b|\bString\(|errorMessage\(/;

it('the check sees what it is for', () => {
  const bad = ['log.warn({ error }, 1)', 'this.#logger?.error({ a, err: e }, 1)', 'o.logger.info({ e: e.message }, 1)'];
  for (const line of bad) expect(loggedFields(line).filter((fields) => raw.test(fields))).toHaveLength(1);
  for (const line of [
    'log.warn(errorFields(error), 1)',
    'log.warn({ n, ...errorFields(e) }, 1)',
    'log.warn({ n }, 1)',
  ]) {
    expect(loggedFields(line).filter((fields) => raw.test(fields))).toEqual([]);
  }
});

it('no log call takes an error as it is: errorFields() says what a log may hold', () => {
  const found: string[] = [];
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    const name = path.relative(root, file);
    // A bot's errors are its author's, and so are the logs of the programs on the command line.
    if (!/\.ts$/.test(name) || /\.(test|soak)\.ts$|testing-support/.test(name) || /^(bot|cli)\b/.test(name)) continue;
    for (const fields of loggedFields(readFileSync(file, 'utf8')))
      if (raw.test(fields)) found.push(`${name}: ${fields}`);
  }
  expect(found).toEqual([]);
});
