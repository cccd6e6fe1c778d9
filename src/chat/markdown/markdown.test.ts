import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatText, mentionedNames, parseBotCommand, quotedName } from './index.js';

const { vectors } = JSON.parse(
  readFileSync(new URL('../../../test/vectors/markdown.json', import.meta.url), 'utf8'),
) as { vectors: { text: string; formattedText: unknown }[] };

describe('markdown', () => {
  it('formats every recorded text as the official program does', () => {
    const wrong = vectors.flatMap((v) => {
      const got = JSON.stringify(sorted(formatText(v.text) ?? null));
      const want = JSON.stringify(sorted(v.formattedText));
      return got === want ? [] : [{ text: v.text, got, want }];
    });
    expect(wrong).toEqual([]);
    expect(vectors.length).toBeGreaterThan(500);
  });

  it('never fails, and loses nothing but marks and the last line break', () => {
    const piece = fc.constantFrom(
      '*',
      '_',
      '#',
      '##',
      '!1 ',
      '!',
      '@',
      "'",
      '/',
      '[a](',
      'https://a.b',
      ')',
      ' ',
      '\n',
      '+1',
      '(2)',
      'x',
      '\ud83d\ude00',
      '.',
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(piece, fc.string({ unit: 'binary', maxLength: 3 })), { maxLength: 15 }),
        (parts) => {
          const text = parts.join('');
          const formatted = formatText(text);
          if (formatted === undefined) return;
          expect(formatted.some((f) => f.format !== undefined)).toBe(true);
          const plain = formatted.filter((f) => f.format === undefined).map((f) => f.text);
          for (const p of plain) expect(text).toContain(p);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('takes time proportional to the length of the text', () => {
    for (const piece of [
      '*a ',
      '[a](b',
      '#a',
      '!1 a',
      '@a!',
      'a@',
      'simplex:/contact#/?',
      '1 ',
      '+(1)',
      "@'a ",
      'https://a.b/',
      '.',
      'a.',
    ]) {
      // In quadratic time this takes minutes each, and the test ends by its time-out.
      const text = piece.repeat(Math.ceil(1_000_000 / piece.length));
      expect(() => formatText(text), piece).not.toThrow();
    }
  });

  it('helps with names and commands', () => {
    expect(mentionedNames(formatText("hi @bob and @'al b'!"))).toEqual(['bob', 'al b']);
    expect(quotedName('a.')).toBe("'a.'");
    expect(quotedName('alice')).toBe('alice');
    expect(parseBotCommand('/role  admin x ')).toEqual({ keyword: 'role', params: 'admin x' });
    expect(parseBotCommand('role')).toBeUndefined();
  });
});

/** The same value with sorted keys. */
function sorted(v: unknown): unknown {
  if (Array.isArray(v)) return v.map(sorted);
  if (typeof v !== 'object' || v === null) return v;
  return Object.fromEntries(
    Object.entries(v)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, x]) => [k, sorted(x)]),
  );
}
