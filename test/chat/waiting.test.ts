import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectedPair, type Pair } from './pair.js';

/** Waits until `condition` holds. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('it did not come to that');
}

let pair: Pair;
beforeAll(async () => {
  pair = await connectedPair();
});
afterAll(() => pair.close());

test('while too many messages wait for a client they stay on the relay, and come when one has taken some', async () => {
  const { alice, bob, bobContact } = pair;
  const { events, context } = bob.engine;
  let full = 0;
  const before = (await events.range()).last;
  events.markDelivered(before);
  await events.limitWaiting(4, (is) => {
    full += is ? 1 : -1;
    void (is ? context.agent.suspend(0) : context.agent.resume());
  });
  for (let i = 1; i <= 12; i++) await alice.ok(`/_send @${bobContact.contactId} text number ${i}`, 'newChatItems');
  await until(() => full === 1);
  const logged = async (): Promise<{ seq: number; text: string }[]> =>
    (await events.since(before, 1000))
      .filter((e) => e.json.startsWith('{"type":"newChatItems"'))
      .map((e) => ({ seq: e.seq, text: /"itemText":"([^"]*)"/.exec(e.json)?.[1] ?? '' }));
  await new Promise((resolve) => setTimeout(resolve, 500));
  const held = await logged();
  // Some may have been under way when it stopped.
  expect(held.length).toBeLessThan(12);
  // A client takes them as they come, until all are there.
  await until(async () => {
    const now = await logged();
    events.markDelivered(now.at(-1)?.seq ?? 0);
    return now.length === 12;
  });
  expect((await logged()).map((e) => e.text)).toEqual(Array.from({ length: 12 }, (_, i) => `number ${i + 1}`));
});
