import type { FileDescr } from '../../api/index.js';
import { type FileDescription, parseFileDescription } from '../../xftp/index.js';
import { ChatException, chatFailure } from '../engine/errors.js';

/** Characters in one part: it fits a message also when it is not compressed (40-xftp, section 7.2). */
const partSize = 12_000;

/** A description of a file of several GB is shorter. */
export const maxDescriptionText = 1024 * 1024;

/** What the invitation holds instead of the description, which is not known yet. */
export const noDescription: FileDescr = { fileDescrText: '', fileDescrPartNo: 0, fileDescrComplete: false };

/** The parts of a description for `x.msg.file.descr`, numbered from 1. */
export function descriptionParts(text: string): FileDescr[] {
  const parts: FileDescr[] = [];
  for (let at = 0; at === 0 || at < text.length; at += partSize) {
    parts.push({
      fileDescrText: text.slice(at, at + partSize),
      fileDescrPartNo: parts.length + 1,
      fileDescrComplete: at + partSize >= text.length,
    });
  }
  return parts;
}

/** Content of this size cannot be described by a description of more than this: larger ones would only fill the disk. */
function maxEncryptedSize(fileSize: number): number {
  return 2 * fileSize + 1024 * 1024;
}

/** The description that a peer sent for a file of `fileSize` bytes; `invalidFileDescription`. */
export function readDescription(text: string, fileSize: number): FileDescription {
  let description: FileDescription;
  try {
    description = parseFileDescription(text, 'recipient');
  } catch (e) {
    const message = e instanceof Error ? e.message : String(e);
    throw new ChatException({ type: 'error', errorType: { type: 'invalidFileDescription', message } }, { cause: e });
  }
  const refuse = (message: string) => chatFailure({ type: 'invalidFileDescription', message });
  // Only links have redirects: in a message they would be a way around the size.
  if (description.redirect !== undefined) throw refuse('redirect in a message');
  if (description.size < fileSize || description.size > maxEncryptedSize(fileSize)) {
    throw refuse('size differs from the invitation');
  }
  return description;
}
