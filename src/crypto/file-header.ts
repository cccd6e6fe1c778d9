import type { Reader, Writer } from '../wire/index.js';

/**
 * What an encrypted file says about itself, between its length and its content (section 3.7). Receivers ignore the
 * name: the chat message names the file.
 */
export interface FileHeader {
  /** At most 255 bytes, one Latin-1 character each. Never use a received name as a path. */
  readonly fileName: string;
  readonly fileExtra: string | undefined;
}

/** Writes the header as it stands at the beginning of the encrypted file (40-xftp, section 3). */
export function writeFileHeader(w: Writer, header: FileHeader): void {
  w.latin1(header.fileName).maybe(header.fileExtra, (x, extra) => x.latin1(extra));
}

/** Reads {@link writeFileHeader}'s form. @throws DecodeError */
export function readFileHeader(r: Reader): FileHeader {
  const fileName = r.latin1('fileName');
  return { fileName, fileExtra: r.maybe('fileExtra', (x) => x.latin1('fileExtra')) };
}
