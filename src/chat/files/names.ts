import { homedir, platform, tmpdir } from 'node:os';
import path from 'node:path';

/** Bytes of a name that we make; the rest of the 255 is for a number before the extensions. */
const maxNameBytes = 240;

/** Controls, line separators, and marks that turn the direction of text: `exe.png` must not be shown for `gnp.exe`. */
const unsafeCharacters = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const windowsCharacters = /[<>:"|?*]/g;
const windowsDevices = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i;

/**
 * A name for a file from the name that a peer gave: one path component, visible, without characters that deceive or
 * that the system does not take (40-xftp, pitfall 22).
 */
export function safeFileName(name: string): string {
  const last = name.split(/[/\\]/).at(-1) ?? '';
  // Through bytes, because half of a surrogate pair is no character.
  let safe = Buffer.from(last.replace(unsafeCharacters, '_'), 'utf8').toString('utf8');
  if (platform() === 'win32') {
    safe = safe.replace(windowsCharacters, '_').replace(/[. ]+$/, '');
    if (windowsDevices.test(safe)) safe = `_${safe}`;
  }
  // Neither hidden nor `.` or `..`.
  safe = safe.replace(/^[. ]+/, '').trimEnd();
  return safe === '' ? '_' : shortened(safe);
}

/** Cuts a long name before its extensions, between characters. */
function shortened(name: string): string {
  if (Buffer.byteLength(name) <= maxNameBytes) return name;
  const [stem, extensions] = splitExtensions(name);
  const kept = Buffer.byteLength(extensions) <= maxNameBytes / 2 ? extensions : '';
  const room = maxNameBytes - Buffer.byteLength(kept);
  let out = '';
  for (const c of kept === '' ? name : stem) {
    if (Buffer.byteLength(out) + Buffer.byteLength(c) > room) break;
    out += c;
  }
  return out + kept;
}

/** The name before all its extensions, and those: `a.tar.gz` is `a` and `.tar.gz`. */
function splitExtensions(name: string): readonly [stem: string, extensions: string] {
  const at = name.indexOf('.', 1);
  return at < 0 ? [name, ''] : [name.slice(0, at), name.slice(at)];
}

/** The name, with `_1`, `_2` … before its extensions for later attempts. */
export function numberedName(name: string, attempt: number): string {
  if (attempt === 0) return name;
  const [stem, extensions] = splitExtensions(name);
  return `${stem}_${attempt}${extensions}`;
}

/** Where a path of the API or of a file row is: relative to the files folder, if there is one. */
export function absolutePath(filesFolder: string | undefined, filePath: string): string {
  return path.resolve(filesFolder ?? '.', filePath);
}

/** Where files go when nobody says where (40-xftp, section 8.7): the first that exists. */
export function defaultFolders(): readonly string[] {
  return [path.join(homedir(), 'Downloads'), tmpdir()];
}
