import { describe, expect, it } from 'vitest';
import type { ApiEvent } from '../../api/index.js';
import { ManualClock, silentLogger } from '../../core/index.js';
import { MemoryState } from '../state/memory.js';
import { type Delivery, Dispatcher, type Outcome } from './dispatcher.js';
import { DoneSteps } from './steps.js';

/** Events of contact `chat`; only what the dispatcher looks at. */
const event = (chat: number): ApiEvent =>
  ({ type: 'contactConnected', user: { userId: 1 }, contact: { contactId: chat } }) as unknown as ApiEvent;
const eventsLost = (from: number, to: number): ApiEvent => ({ type: 'eventsLost', from, to });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Setup {
  readonly state = new MemoryState();
  readonly steps = new DoneSteps(this.state);
  readonly clock = new ManualClock();
  readonly started: string[] = [];
  readonly held = new Map<string, (outcome: Outcome) => void>();
  hold: (seq: number | undefined) => boolean = () => false;

  async dispatcher(concurrency = 10): Promise<Dispatcher> {
    const dispatcher = new Dispatcher({
      handle: (d: Delivery) => {
        this.started.push(String(d.seq));
        if (!this.hold(d.seq)) return Promise.resolve('done');
        return new Promise((resolve) => this.held.set(String(d.seq), resolve));
      },
      state: this.state,
      steps: this.steps,
      handled: () => {},
      concurrency,
      clock: this.clock,
      logger: silentLogger,
    });
    await dispatcher.open();
    return dispatcher;
  }

  position(): Promise<unknown> {
    return this.state.get('position');
  }
}

describe('the position of a bot', () => {
  it('is that before its first event until that is handled', async () => {
    const setup = new Setup();
    setup.hold = () => true;
    const dispatcher = await setup.dispatcher();
    dispatcher.start();
    await dispatcher.accept({ seq: 7, event: event(1) });
    expect(await setup.position()).toBe(6);
    await turn();
    setup.held.get('7')?.('done');
    await turn();
    expect(await setup.position()).toBe(7);
  });

  it('does not pass an event that is not handled, whatever comes after it', async () => {
    const setup = new Setup();
    setup.hold = (seq) => seq === 2;
    const dispatcher = await setup.dispatcher();
    dispatcher.start();
    for (const seq of [1, 2, 3, 4]) await dispatcher.accept({ seq, event: event(seq) });
    await turn();
    expect(setup.started).toEqual(['1', '2', '3', '4']);
    expect(await setup.position()).toBe(1);
    setup.held.get('2')?.('done');
    await turn();
    expect(await setup.position()).toBe(4);
  });

  it('stays before an event whose handler was interrupted, and skips those that were handled before', async () => {
    const setup = new Setup();
    setup.hold = (seq) => seq === 2;
    const first = await setup.dispatcher();
    first.start();
    for (const seq of [1, 2]) await first.accept({ seq, event: event(seq) });
    await turn();
    setup.held.get('2')?.('again');
    await first.stop(1000);
    expect(await setup.position()).toBe(1);
    setup.hold = () => false;
    const second = await setup.dispatcher();
    second.start();
    for (const seq of [1, 2, 3]) await second.accept({ seq, event: event(seq) });
    await turn();
    expect(setup.started).toEqual(['1', '2', '2', '3']);
    expect(await setup.position()).toBe(3);
  });

  it('begins anew with the numbers of another database', async () => {
    const setup = new Setup();
    await setup.state.set({ position: 99 });
    const dispatcher = await setup.dispatcher();
    dispatcher.start();
    await dispatcher.accept({ seq: 10, event: eventsLost(99, 10) });
    await dispatcher.accept({ seq: 11, event: event(1) });
    await turn();
    expect(setup.started).toEqual(['10', '11']);
    expect(await setup.position()).toBe(11);
  });
});

it('events of one chat are handled in order, and no more chats at once than allowed', async () => {
  const setup = new Setup();
  setup.hold = () => true;
  const dispatcher = await setup.dispatcher(2);
  dispatcher.start();
  const chats = [1, 1, 2, 3];
  for (const [i, chat] of chats.entries()) await dispatcher.accept({ seq: i + 1, event: event(chat) });
  await turn();
  expect(setup.started).toEqual(['1', '3']);
  setup.held.get('3')?.('done');
  await turn();
  expect(setup.started).toEqual(['1', '3', '4']);
  setup.held.get('1')?.('done');
  await turn();
  expect(setup.started).toEqual(['1', '3', '4', '2']);
});

it('nothing is handled before the start, and who sends too much waits', async () => {
  const setup = new Setup();
  const dispatcher = await setup.dispatcher();
  let accepted = 0;
  const all = (async () => {
    for (let seq = 1; seq <= 3000; seq++) {
      await dispatcher.accept({ seq, event: event(seq % 5) });
      accepted++;
    }
  })();
  await turn();
  expect(setup.started).toEqual([]);
  expect(accepted).toBeLessThan(1001);
  dispatcher.start();
  await all;
  while (setup.started.length < 3000) await turn();
  await dispatcher.stop(1000);
  expect(await setup.position()).toBe(3000);
});

it('finished steps are kept until their event is handled', async () => {
  const setup = new Setup();
  setup.hold = (seq) => seq === 2;
  const dispatcher = await setup.dispatcher();
  dispatcher.start();
  await dispatcher.accept({ seq: 1, event: event(1) });
  await dispatcher.accept({ seq: 2, event: event(2) });
  await setup.steps.mark(2, 0, 'a', { result: 'x' });
  await turn();
  const again = new DoneSteps(setup.state);
  await again.open();
  expect(again.get(2, 0, 'a')).toEqual({ result: 'x' });
  setup.held.get('2')?.('done');
  await turn();
  expect(await setup.state.keys('done:')).toEqual([]);
});
