import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { descriptionParts } from '../../src/chat/files/descriptions.js';
import { isInside, reserveTarget } from '../../src/chat/files/disk.js';
import { numberedName, safeFileName } from '../../src/chat/files/names.js';
import type { ChatContext } from '../../src/chat/index.js';

describe('names from peers', () => {
  test.each([
    ['report.pdf', 'report.pdf'],
    ['../../etc/passwd', 'passwd'],
    ['..\\..\\boot.ini', 'boot.ini'],
    ['/abs/olute', 'olute'],
    ['.hidden', 'hidden'],
    ['..', '_'],
    ['', '_'],
    ['folder/', '_'],
    ['new\nline\u0000', 'new_line_'],
    ['gnp\u202eexe.png', 'gnp_exe.png'],
    ['Фото 1.jpg', 'Фото 1.jpg'],
  ])('%j is stored as %j', (name, safe) => {
    expect(safeFileName(name)).toBe(safe);
  });

  test('any name becomes one that is a single visible component and fits', () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 400 }),
      fc
        .array(fc.constantFrom('..', '/', '\\', '.', 'a', ' ', '\u0000', '\u202e', '\ud800', 'ä'), { maxLength: 300 })
        .map((a) => a.join('')),
    );
    fc.assert(
      fc.property(anything, fc.nat(9999), (name, attempt) => {
        const safe = numberedName(safeFileName(name), attempt);
        expect(path.join('/folder', safe)).toBe(`/folder/${safe}`);
        expect(safe).not.toMatch(/^\.|[/\\\u0000-\u001f\u202a-\u202e]/);
        expect(safe).not.toBe('');
        expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(255);
        expect(Buffer.from(safe, 'utf8').toString('utf8')).toBe(safe);
      }),
    );
  });

  test('a number goes before all extensions', () => {
    expect(numberedName('a.tar.gz', 0)).toBe('a.tar.gz');
    expect(numberedName('a.tar.gz', 2)).toBe('a_2.tar.gz');
    expect(numberedName('plain', 1)).toBe('plain_1');
  });
});

test('a folder holds what is below it, nothing else', () => {
  expect(isInside('/files', '/files/a')).toBe(true);
  expect(isInside('/files', '/files/..a')).toBe(true);
  for (const other of ['/files', '/files2/a', '/etc/passwd', '/']) expect(isInside('/files', other)).toBe(false);
});

test('descriptions are cut into numbered parts that give the text again', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40_000 }), (length) => {
      const text = 'chunk: 1\n'.repeat(5000).slice(0, length);
      const parts = descriptionParts(text);
      expect(parts.map((p) => p.fileDescrText).join('')).toBe(text);
      expect(parts.map((p) => p.fileDescrPartNo)).toEqual(parts.map((_, i) => i + 1));
      expect(parts.map((p) => p.fileDescrComplete)).toEqual(parts.map((_, i) => i === parts.length - 1));
      for (const p of parts) expect(p.fileDescrText.length).toBeLessThanOrEqual(12_000);
    }),
  );
});

describe('the place of a file', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'fanion-place-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** All that choosing a place looks at. */
  const context = (filesFolder: string | undefined) => ({ state: { filesFolder } }) as ChatContext;

  test('many at once get different names', async () => {
    const targets = await Promise.all(
      Array.from({ length: 20 }, () => reserveTarget(context(folder), 'x.bin', undefined)),
    );
    expect(new Set(targets.map((t) => t.absolute)).size).toBe(20);
    expect(readdirSync(folder)).toHaveLength(20);
  });

  test('a folder without permission is a clear error', async () => {
    const locked = path.join(folder, 'locked');
    mkdirSync(locked);
    chmodSync(locked, 0o500);
    chmodSync(folder, 0o755);
    // The superuser may write everywhere.
    const root = process.getuid?.() === 0;
    if (root) process.seteuid?.(65_534);
    try {
      await expect(reserveTarget(context(locked), 'x.bin', undefined)).rejects.toMatchObject({
        chatError: { errorType: { type: 'fileWrite', message: expect.stringContaining('EACCES') } },
      });
    } finally {
      if (root) process.seteuid?.(0);
    }
    expect(readdirSync(locked)).toEqual([]);
  });
});
