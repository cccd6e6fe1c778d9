import { expect, test } from 'vitest';
import { isoTime, parseIsoTime } from './time.js';

test('times have no trailing zeros', () => {
  expect(isoTime(1755770460000)).toBe('2025-08-21T10:01:00Z');
  expect(isoTime(1755770460500)).toBe('2025-08-21T10:01:00.5Z');
  expect(isoTime(1755770460480)).toBe('2025-08-21T10:01:00.48Z');
  expect(isoTime(1755770460481)).toBe('2025-08-21T10:01:00.481Z');
  expect(isoTime(0)).toBe('1970-01-01T00:00:00Z');
});

test('times with any fraction and offset are read', () => {
  expect(parseIsoTime('2025-08-21T10:01:00.481273Z')).toBe(1755770460481);
  expect(parseIsoTime('2025-08-21 12:01:00+02:00')).toBe(1755770460000);
  expect(parseIsoTime('1970-01-01T00:00:01.000000001Z')).toBe(1000);
  expect(parseIsoTime('yesterday')).toBeUndefined();
});
