import { DecodeError } from './errors.js';
import type { Reader } from './reader.js';
import type { Writer } from './writer.js';

/** A range of protocol versions, both ends included. `V` is the branded version type of one protocol. */
export interface VersionRange<V extends number = number> {
  readonly min: V;
  readonly max: V;
}

/** The range, or an error when it is upside down. */
export function versionRange<V extends number>(min: V, max: V): VersionRange<V> {
  if (min > max) throw new DecodeError('versionRange', `${min} > ${max}`, 0);
  return { min, max };
}

/** Two ranges are compatible when they share a version. */
function isCompatible(a: VersionRange, b: VersionRange): boolean {
  return a.min <= b.max && b.min <= a.max;
}

/** Whether the version lies in the range; both ends belong to it. */
export function isInRange(version: number, range: VersionRange): boolean {
  return range.min <= version && version <= range.max;
}

/** The version that two parties use: the highest that both know; undefined when there is none. */
export function agreeVersion<V extends number>(ours: VersionRange<V>, theirs: VersionRange<V>): V | undefined {
  if (!isCompatible(ours, theirs)) return undefined;
  if (ours.max > theirs.max) return theirs.max;
  return ours.max;
}

/** Two 16-bit numbers: lowest and highest version. */
export function writeVersionRange(w: Writer, range: VersionRange): void {
  w.u16(range.min).u16(range.max);
}

/** Reads {@link writeVersionRange}'s form. @throws DecodeError, also when the ends are the wrong way round */
export function readVersionRange(r: Reader, field: string): VersionRange {
  const min = r.u16(field);
  const max = r.u16(field);
  if (min > max) throw r.error(field, `min ${min} > max ${max}`);
  return { min, max };
}

/** `2-3`, or `3` when both ends are equal. */
export function formatVersionRange(range: VersionRange): string {
  return range.min === range.max ? String(range.min) : `${range.min}-${range.max}`;
}

/** Parses `2-3` or `3`. */
export function parseVersionRange(s: string, field = 'versionRange'): VersionRange {
  const m = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(s);
  if (m === null) throw new DecodeError(field, 'not a version range', 0);
  const min = Number(m[1]);
  const max = m[2] === undefined ? min : Number(m[2]);
  if (max > 0xffff || min > max) throw new DecodeError(field, 'not a version range', 0);
  return { min, max };
}
