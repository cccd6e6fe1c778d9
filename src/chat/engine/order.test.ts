import { describe, expect, test } from 'vitest';
import { parseCommand } from '../../api/index.js';
import { CommandQueue, isOneTransaction } from './order.js';

/** Tasks that note when they start and end when they are told. */
function tasks() {
  const log: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    log,
    task: (name: string) => async () => {
      log.push(name);
      await new Promise<void>((resolve) => ends.set(name, resolve));
    },
    end: async (name: string) => {
      ends.get(name)?.();
      // Lets what waited for it start.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe('the order of the commands of one client', () => {
  test('commands about one chat wait for each other, others do not', async () => {
    const { log, task, end } = tasks();
    const queue = new CommandQueue();
    void queue.run(['@1'], task('a'));
    void queue.run(['@1'], task('b'));
    void queue.run(['@2'], task('c'));
    expect(log).toEqual(['a', 'c']);
    await end('a');
    expect(log).toEqual(['a', 'c', 'b']);
  });

  test('commands of one transaction start at once, in their order; others wait for all of them', async () => {
    const { log, task, end } = tasks();
    const queue = new CommandQueue();
    void queue.run(['@1'], task('t1'), true);
    void queue.run(['@1'], task('t2'), true);
    void queue.run(['@1'], task('x'));
    void queue.run(['@1'], task('t3'), true);
    expect(log).toEqual(['t1', 't2']);
    await end('t2');
    expect(log).toEqual(['t1', 't2']);
    await end('t1');
    expect(log).toEqual(['t1', 't2', 'x']);
    await end('x');
    expect(log).toEqual(['t1', 't2', 'x', 't3']);
  });

  test('a command about everything waits for everything and holds what comes after it', async () => {
    const { log, task, end } = tasks();
    const queue = new CommandQueue();
    void queue.run(['@1'], task('a'), true);
    void queue.run('all', task('all'));
    void queue.run(['@2'], task('b'), true);
    expect(log).toEqual(['a']);
    await end('a');
    expect(log).toEqual(['a', 'all']);
    await end('all');
    expect(log).toEqual(['a', 'all', 'b']);
  });

  test('messages without files to contacts are one transaction', () => {
    const one = (text: string): boolean => {
      const parsed = parseCommand(text);
      return parsed.ok && isOneTransaction(parsed.command);
    };
    expect(one('/_send @1 text hello')).toBe(true);
    expect(one('/_send @1 json [{"msgContent":{"type":"file","text":""},"fileSource":{"filePath":"a"}}]')).toBe(false);
    expect(one('/_send #1 text hello')).toBe(false);
    expect(one('/_get chats 1')).toBe(false);
  });
});
