import type { FormattedText } from '../../api/index.js';

/** Markdown of a text: undefined when nothing in it is formatted. */
export function formatText(_text: string): readonly FormattedText[] | undefined {
  return undefined;
}
