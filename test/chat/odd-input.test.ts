import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectedPair, type Pair } from './pair.js';

/** What a client does with input that no official program sends (50-chat-messages.md, section 9). */
describe('odd messages in a direct chat', () => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await connectedPair();
  });
  afterAll(() => pair.close());

  let n = 0;
  /** Some id of a message. */
  const id = (): string =>
    Buffer.from(Buffer.from(`odd message ${n++}`.padEnd(12)).toString('base64')).toString('base64url');
  const message = (text: string, extra = '', v = '"v":"1-16",'): string =>
    `{${v}"msgId":"${id()}","event":"x.msg.new","params":{"content":{"type":"text","text":"${text}"}${extra}}}`;

  /** What Alice has noted about Bob's versions. */
  async function versions() {
    const list = await pair.alice.ok('/_contacts 1', 'contactsList');
    if (list.type !== 'contactsList') throw new Error('no list');
    const connection = list.contacts[0]?.activeConn;
    return { range: connection?.peerChatVRange, agreed: connection?.connChatVersion };
  }

  test('a message without versions is accepted, the agreed version stays', async () => {
    await pair.raw(message('no v', '', ''));
    expect(await pair.alice.text()).toBe('no v');
    expect(await versions()).toEqual({ range: { minVersion: 1, maxVersion: 1 }, agreed: 16 });
  });

  test('versions that are all newer are noted, the agreed version stays', async () => {
    await pair.raw(message('newer', '', '"v":"17-18",'));
    expect(await pair.alice.text()).toBe('newer');
    expect(await versions()).toEqual({ range: { minVersion: 17, maxVersion: 18 }, agreed: 16 });
    await pair.raw(message('as ever'));
    expect(await pair.alice.text()).toBe('as ever');
    expect(await versions()).toEqual({ range: { minVersion: 1, maxVersion: 16 }, agreed: 16 });
  });

  test.each([
    ['unknown keys', message('unknown keys', ',"later":{"x":1}')],
    ['null for versions', message('null for versions', '', '"v":null,')],
    ['a malformed quote', message('a malformed quote', ',"quote":{"msgRef":1}')],
    ['forward false', message('forward false', ',"forward":false')],
  ])('%s does not matter', async (text, body) => {
    await pair.raw(body);
    expect(await pair.alice.text()).toBe(text);
  });

  test.each([
    ['versions the wrong way round', '{"v":"5-1","event":"x.ok","params":{}}'],
    ['a number as versions', '{"v":16,"event":"x.ok","params":{}}'],
    ['an empty id', '{"v":"1-16","msgId":"","event":"x.ok","params":{}}'],
    ['no parameters', '{"v":"1-16","event":"x.ok"}'],
    ['another kind of event', '{"v":"1-16","event":"y.ok","params":{}}'],
    ['half an object', '{"v":"1-16",'],
    ['a space before', ' {"v":"1-16","event":"x.ok","params":{}}'],
    ['a malformed ttl', message('no', ',"ttl":"soon"')],
    ['an image without picture', '{"v":"1-16","event":"x.msg.new","params":{"content":{"type":"image","text":""}}}'],
    ['another first byte', 'Zebra'],
  ])('%s is reported and changes nothing', async (_, body) => {
    await pair.raw(body);
    const { chatError } = await pair.alice.event('chatError');
    expect(chatError).toMatchObject({ type: 'error', errorType: { type: 'exception' } });
    expect(JSON.stringify(chatError)).toContain('error parsing chat message: ');
    await pair.raw(message('still here'));
    expect(await pair.alice.text()).toBe('still here');
    expect(pair.alice.take().filter((t) => t !== 'chatItemsStatusesUpdated')).toEqual([]);
  });

  test('a bad message in a batch does not spoil the others', async () => {
    await pair.raw(`[${message('one')},{"event":1},${message('three')}]`);
    expect(await pair.alice.text()).toBe('one');
    await pair.alice.event('chatError');
    expect(await pair.alice.text()).toBe('three');
  });

  test('an empty batch is nothing', async () => {
    await pair.raw('[]');
    await pair.raw(message('after nothing'));
    expect(await pair.alice.text()).toBe('after nothing');
    expect(pair.alice.take()).toEqual([]);
  });

  test('the same message again is not stored twice', async () => {
    const twice = message('twice');
    await pair.raw(twice);
    expect(await pair.alice.text()).toBe('twice');
    await pair.raw(twice);
    const { chatError } = await pair.alice.event('chatError');
    expect(chatError).toMatchObject({ type: 'errorStore', storeError: { type: 'dBException' } });
    await pair.raw(message('and on'));
    expect(await pair.alice.text()).toBe('and on');
  });

  test.each(['x.ok', 'x.grp.leave', 'x.foo'])('%s is no message of a direct chat', async (event) => {
    await pair.raw(`{"v":"1-16","event":"${event}","params":{}}`);
    const e = await pair.alice.event('messageError');
    expect(e.severity).toBe('error');
    expect(e.errorMessage).toContain('unsupported message: ');
  });

  test('the text of an unknown kind of content is shown, the content kept', async () => {
    const content = { type: 'poem', text: 'roses', lines: ['are', 'red', null], deep: { a: [1] } };
    await pair.raw(
      `{"v":"1-16","msgId":"${id()}","event":"x.msg.new","params":{"content":${JSON.stringify(content)}}}`,
    );
    const e = await pair.alice.event('newChatItems');
    const item = e.chatItems[0]?.chatItem;
    expect(item?.meta.itemText).toBe('roses');
    expect(item?.content).toEqual({ type: 'rcvMsgContent', msgContent: content });
  });
});
