import { expect, it } from 'vitest';
import { ManualClock } from '../../core/index.js';
import { BotError } from '../errors.js';
import { LiveMessage } from './live.js';
import type { Message } from './message.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setup(): { readonly live: LiveMessage; readonly shown: string[]; readonly clock: ManualClock } {
  const shown: string[] = [];
  const clock = new ManualClock();
  // Only what a live message uses of a message.
  const message = {
    edit: async (text: string, options?: { live?: boolean }) =>
      void shown.push(options?.live === true ? text : `${text}.`),
  } as unknown as Message;
  const live = new LiveMessage({
    clock,
    intervalMs: 1000,
    send: async (text) => {
      shown.push(text);
      return message;
    },
  });
  return { live, shown, clock };
}

it('a live message shows what comes quickly at once, and the rest at the end', async () => {
  const { live, shown, clock } = setup();
  live.append('a');
  live.append('b');
  await turn();
  live.append('c');
  live.append('d');
  await turn();
  expect(shown).toEqual(['ab']);
  clock.advance(1000);
  await turn();
  expect(shown).toEqual(['ab', 'abcd']);
  live.append('e');
  await live.finish();
  expect(shown).toEqual(['ab', 'abcd', 'abcde.']);
  expect(() => live.append('x')).toThrow(BotError);
});

it('a live message that was quiet for a while shows the next text, too', async () => {
  const { live, shown, clock } = setup();
  live.append('a');
  await turn();
  for (let i = 0; i < 5; i++) {
    clock.advance(1000);
    await turn();
  }
  live.append('b');
  await turn();
  expect(shown).toEqual(['a', 'ab']);
  await live.finish('done');
  expect(shown).toEqual(['a', 'ab', 'done.']);
});

it('a live message without a text, or that cannot be sent, says so at the end', async () => {
  await expect(setup().live.finish()).rejects.toThrow('needs a text');
  const failing = new LiveMessage({
    clock: new ManualClock(),
    send: () => Promise.reject(new Error('no contact')),
  });
  failing.append('a');
  await turn();
  failing.append('b');
  await expect(failing.finish()).rejects.toThrow('no contact');
});
