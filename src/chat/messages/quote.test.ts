import { describe, expect, test } from 'vitest';
import type { MsgContent } from '../../api/index.js';
import { quotedContent } from './quote.js';

const image: MsgContent = { type: 'image', text: '', image: 'data:image/png;base64,AA==' };
const text: MsgContent = { type: 'text', text: 'reply' };

describe('what a message quotes', () => {
  test('pictures keep their preview and get the name of the file when they have no text', () => {
    expect(quotedContent(text, image, 'pic.png')).toEqual({ ...image, text: 'pic.png' });
    expect(quotedContent(text, { ...image, text: 'mine' }, 'pic.png')).toEqual({ ...image, text: 'mine' });
  });

  test('files are quoted by name', () => {
    expect(quotedContent(text, { type: 'file', text: '' }, 'doc.pdf')).toEqual({ type: 'file', text: 'doc.pdf' });
  });

  test('large messages quote text only', () => {
    expect(quotedContent(image, image, 'pic.png')).toEqual({ type: 'text', text: 'pic.png' });
    expect(quotedContent(image, { type: 'voice', text: '', duration: 5 }, undefined)).toEqual({
      type: 'text',
      text: 'voice message (00:05)',
    });
    const poem = { type: 'poem', lines: 3 } as unknown as MsgContent;
    expect(quotedContent(poem, { type: 'text', text: 'a' }, undefined)).toEqual({ type: 'text', text: 'a' });
  });

  test('what is not known is quoted as it is', () => {
    const poem = { type: 'poem', text: 'roses', lines: ['are', 'red'] } as unknown as MsgContent;
    expect(quotedContent(text, poem, undefined)).toEqual(poem);
  });
});
