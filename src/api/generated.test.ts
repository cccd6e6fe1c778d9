import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { decodeAs, type JsonValue, type Schema, SchemaMismatch } from './index.js';
import { inputSchema } from './schema.generated.js';

const here = (name: string): URL => new URL(name, import.meta.url);

it('the generated modules are current', async () => {
  const { generate } = (await import(here('../../scripts/generate-api.mjs').href)) as {
    generate: () => Record<string, string>;
  };
  for (const [name, text] of Object.entries(generate())) {
    expect(readFileSync(here(name), 'utf8') === text, `${name}: run node scripts/generate-api.mjs`).toBe(true);
  }
});

it('the decoder drops unknown keys, takes null as absent and keeps objects of unknown tags', () => {
  const schema: Schema = inputSchema;
  const profile = {
    displayName: 'a',
    fullName: '',
    image: null,
    other: 1,
    preferences: { voice: { allow: 'no', x: 1 } },
  };
  expect(decodeAs(schema, 'Profile', profile)).toEqual({
    displayName: 'a',
    fullName: '',
    preferences: { voice: { allow: 'no' } },
  });
  const unknown: JsonValue = { type: 'poll', n: null };
  expect(decodeAs(schema, 'MsgContent', unknown)).toBe(unknown);
  expect(() => decodeAs(schema, 'Profile', { displayName: 'a' })).toThrow(SchemaMismatch);
  expect(() => decodeAs(schema, 'Profile', { displayName: 'a', fullName: '', peerType: 'alien' })).toThrow(
    '$.peerType',
  );
});
