import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { at, Client, type Program, type ProgramOptions, receivedTexts, Workshop } from '../api/support.js';

const workshop = new Workshop();
afterEach(() => workshop.clean());

/** Runs the program to its end. */
async function run(
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<{ code: number | string; out: string; err: string }> {
  const program = workshop.fanion(args, options);
  program.child.stdin?.end();
  const code = await program.ended;
  return { code, out: program.out, err: program.err };
}

/** It failed as users should see it: one line that says why, exit code 1, no stack. */
function expectFailure(result: { code: number | string; err: string }, says: RegExp): void {
  expect(result.err).toMatch(says);
  expect(result.err.trimEnd().split('\n')).toHaveLength(1);
  expect(result.code).toBe(1);
}

const bot = (folder: string, ...more: string[]): string[] => [
  '-d',
  path.join(folder, 'bot'),
  '--create-bot-display-name',
  'Bot',
  ...more,
];
const addressOf = async (program: Program): Promise<string> => (await program.line(/^Address: (\S+)$/m))[1] ?? '';

describe('fanion serve', () => {
  it('with an embedded relay prints who it is, where its API is, and its address as link and QR code', async () => {
    const folder = workshop.folder();
    const { program, url } = await workshop.serve(bot(folder, '--embedded-relay', '--address'));
    const address = await addressOf(program);
    await program.line(new RegExp(`fanion chat '${address.replace(/[.?+]/g, '\\$&')}'`));
    expect(program.out).toMatch(/^Current user: Bot$/m);
    expect(url).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/);
    expect(address).toMatch(/^https:\/\/127\.0\.0\.1\/a#/);
    expect(program.out).toMatch(/[▄▀█]{5}/);
    expect(program.err).toBe('');
    const { code, ms } = await program.stop('SIGINT');
    expect(code).toBe(0);
    expect(ms).toBeLessThan(5_000);
    expect(statSync(path.join(folder, 'bot_fanion.db')).mode & 0o777).toBe(0o600);

    // The same address on the same relay after a restart: contacts know both.
    const again = await workshop.serve(bot(folder, '--embedded-relay', '--address'));
    expect(await addressOf(again.program)).toBe(address);
  });

  it('answers chat clients: piped lines are sent when the contact is there, answers are printed', async () => {
    const folder = workshop.folder();
    const { program, url } = await workshop.serve(bot(folder, '--embedded-relay', '--address'));
    const address = await addressOf(program);
    const echo = await Client.connect(url, {
      onEvent: ({ resp }) => {
        const contact = at(resp, 'chatItems', 0, 'chatInfo', 'contact', 'contactId');
        for (const text of receivedTexts(resp)) void echo.cmd(`/_send @${contact} text you said: ${text}`);
      },
    });
    const chat = workshop.fanion(['chat', address, '-d', path.join(folder, 'user'), '-n', 'Me']);
    chat.type('hello');
    chat.type('and 2 * 3 * 4');
    chat.child.stdin?.end();
    expect(await chat.ended).toBe(0);
    expect(chat.out).toContain('Connecting ...');
    expect(chat.out).toContain('You are talking to Bot.');
    expect(chat.out.indexOf('Bot> you said: hello')).toBeGreaterThan(0);
    expect(chat.out.indexOf('Bot> you said: and 2 * 3 * 4')).toBeGreaterThan(chat.out.indexOf('you said: hello'));
    expect(chat.err).toBe('');

    // The second time the contact is there; /quit ends at once, even with the input open.
    const second = workshop.fanion(['chat', address, '-d', path.join(folder, 'user')]);
    await second.line(/You are talking to Bot/);
    second.type('again');
    await second.line(/you said: again/);
    second.type('/nonsense');
    await second.line(/unknown|expected/);
    second.type('/quit');
    expect(await second.ended).toBe(0);
    echo.close();
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'ends cleanly on %s in less than five seconds, also under load',
    async (signal) => {
      const { program, url } = await workshop.serve(bot(workshop.folder(), '--embedded-relay'));
      const client = await Client.connect(url);
      let over = false;
      void client.closed.then(() => {
        over = true;
      });
      const load = async (): Promise<void> => {
        // A socket that closes answers at once: going on would leave no turn to hear of its end.
        while (!over && (await client.try('/_create *1 text hello')) !== undefined);
      };
      const loads = Promise.all(Array.from({ length: 20 }, load));
      await client.cmd('/u');
      const { code, ms } = await program.stop(signal);
      expect(code).toBe(0);
      expect(ms).toBeLessThan(5_000);
      await loads;
      expect(program.err).toBe('');
    },
  );

  it('ends by /quit, unless that is forbidden', async () => {
    const folder = workshop.folder();
    const { program, url } = await workshop.serve(bot(folder));
    const client = await Client.connect(url);
    void client.try('/quit');
    expect(await program.ended).toBe(0);
    const forbidden = await workshop.serve(bot(folder, '--no-quit'));
    expect((await (await Client.connect(forbidden.url)).cmd('/quit')).type).toBe('chatCmdError');
    expect(forbidden.program.running).toBe(true);
  });

  it('keeps bots from sending files unless they may, and makes no second profile', async () => {
    const folder = workshop.folder();
    const profile = async (args: string[]): Promise<unknown> => {
      const { program, url } = await workshop.serve(args);
      const client = await Client.connect(url);
      const user = at(await client.cmd('/u', 'activeUser'), 'user', 'profile');
      expect(at(await client.cmd('/users', 'usersList'), 'users', 'length')).toBe(1);
      await program.stop();
      return user;
    };
    const strict = await profile(bot(folder));
    expect(at(strict, 'peerType')).toBe('bot');
    expect(at(strict, 'preferences', 'files', 'allow')).toBe('no');
    expect(
      at(await profile(['-d', path.join(folder, 'bot'), '--create-bot-display-name', 'Other']), 'displayName'),
    ).toBe('Bot');
    const open = await profile([
      '-d',
      path.join(folder, 'open'),
      '--create-bot-display-name',
      'Open',
      '--create-bot-allow-files',
    ]);
    expect(at(open, 'preferences', 'files', 'allow')).not.toBe('no');
  });

  it('-e runs one command, prints its response and ends; its exit code tells of errors', async () => {
    const folder = workshop.folder();
    const good = await run(['serve', ...bot(folder), '-e', '/u', '-t', '0']);
    expect(good).toMatchObject({ code: 0, err: '' });
    expect(at(JSON.parse(good.out), 'user', 'localDisplayName')).toBe('Bot');
    const bad = await run(['serve', ...bot(folder), '-e', '/_show_address 1', '-t', '0']);
    expect(bad.code).toBe(1);
    expect(at(JSON.parse(bad.out), 'type')).toBe('chatCmdError');
  });

  it('-m waits for /_start', async () => {
    const { url } = await workshop.serve(bot(workshop.folder(), '-m'));
    const client = await Client.connect(url);
    expect((await client.cmd('/_check running')).type).toBe('chatStopped');
    expect((await client.cmd('/_start')).type).toBe('chatStarted');
  });

  it('without a profile waits for one', async () => {
    const { program, url } = await workshop.serve(['-d', path.join(workshop.folder(), 'x')]);
    expect(program.out).toContain('No profile yet');
    const client = await Client.connect(url);
    expect(at(await client.cmd('/u'), 'chatError', 'errorType', 'type')).toBe('noActiveUser');
    await client.cmd('/create bot Later', 'activeUser');
  });

  it('asks for the token of the environment', async () => {
    const { url } = await workshop.serve(bot(workshop.folder()), { env: { FANION_API_TOKEN: 'secret' } });
    await expect(Client.connect(url)).rejects.toMatchObject({ status: 401 });
    (await Client.connect(url, { headers: { Authorization: 'Bearer secret' } })).close();
  });

  it('makes the folders of files, and listens where it is told', async () => {
    const folder = workshop.folder();
    const files = path.join(folder, 'received', 'files');
    const { url } = await workshop.serve(
      bot(folder, '--files-folder', files, '--host', '127.0.0.1', '127.0.0.2', '-l', 'error'),
    );
    expect(existsSync(files)).toBe(true);
    (await Client.connect(url.replace('127.0.0.1', '127.0.0.2'))).close();
  });

  it('takes all options of the official program', async () => {
    const args =
      '-y -q 100 --ha --mute -r --reactions --device-name x --execute-log all -f --log-hosts -c --log-tls-errors --log-agent --disable-vacuum --smp-web-port --smp-web-port-servers all -a --tcp-timeout 5 --host-mode public --socks-mode onion --smp-proxy never --smp-proxy-fallback no -l important';
    const folder = workshop.folder();
    const log = path.join(folder, 'log');
    const result = await run(['serve', ...bot(folder, ...args.split(' '), '--log-file', log), '-e', '/v', '-t', '0']);
    expect(result.code).toBe(0);
    expect(result.err).toMatch(/^fanion: ignored options: .*queueSize.*\n$/);
    expect(at(JSON.parse(result.out), 'type')).toBe('versionInfo');
  });

  it('tells its version and its options', async () => {
    for (const args of [['-v'], ['--version'], ['serve', '-v']])
      expect((await run(args)).out).toMatch(/^\d+\.\d+\.\d+\n$/);
    const help = await run(['serve', '--help']);
    expect(help.code).toBe(0);
    expect(help.out).toContain('--embedded-relay');
  });
});

describe('fanion says in one line what is wrong:', () => {
  it('a port that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    expectFailure(
      await run(['serve', ...bot(workshop.folder()), '-p', String(port)]),
      new RegExp(`port ${port} is taken`),
    );
    other.close();
  });

  it('a database that another process uses', async () => {
    const folder = workshop.folder();
    const { program } = await workshop.serve(bot(folder, '--embedded-relay'));
    expectFailure(await run(['serve', ...bot(folder), '-p', '0']), /in use by another process/);
    expectFailure(
      await run(['serve', ...bot(folder, '--embedded-relay'), '-p', '0']),
      /another relay uses|taken|in use/,
    );
    expectFailure(await run(['key', '-d', path.join(folder, 'bot'), '--new-key', 'x']), /in use by another process/);
    expect(program.running).toBe(true);
  });

  it('a wrong key, and a missing one', async () => {
    const folder = workshop.folder();
    await run(['serve', ...bot(folder), '-k', 'right', '-e', '/u', '-t', '0']);
    expectFailure(await run(['serve', ...bot(folder), '-k', 'wrong', '-e', '/u']), /wrong key for the database/);
    expectFailure(await run(['serve', ...bot(folder), '-e', '/u']), /encrypted .*give its key/);
    expect((await run(['serve', ...bot(folder), '-e', '/u', '-t', '0'], { env: { FANION_KEY: 'right' } })).code).toBe(
      0,
    );
  });

  it('a link that is none, a link of a server that is away', async () => {
    const folder = workshop.folder();
    const user = ['-d', path.join(folder, 'user')];
    expectFailure(await run(['chat', 'https://example.com/', ...user]), /not a SimpleX link/);
    const { program } = await workshop.serve(bot(folder, '--embedded-relay', '--address'));
    const address = await addressOf(program);
    await program.stop();
    expectFailure(
      await run(['chat', address, ...user]),
      /cannot connect: the server 127\.0\.0\.1:\d+ cannot be reached/,
    );
  });

  it('a server that is away, when the address is to be made', async () => {
    const folder = workshop.folder();
    const { program, address } = await workshop.relay(['--memory', '--port', '0']);
    await program.stop();
    const args = ['serve', ...bot(folder, '--address', '-s', address), '-p', '0'];
    expectFailure(await run(args), /creating the address failed: the server 127\.0\.0\.1:\d+ cannot be reached/);
  });

  it('options that make no sense', async () => {
    const wrong: [string[], RegExp][] = [
      [['-p', '99999'], /0 to 65535/],
      [['--bogus'], /unknown option '--bogus'/],
      [['-s', 'smp://nope'], /not an smp:\/\/ server address/],
      [['--xftp-server', 'http://x'], /not an xftp:\/\/ server address/],
      [['--smp-proxy', 'sometimes'], /Allowed choices/],
      [['--socks-proxy', 'a:b:c'], /socks-proxy/],
      [['-t', 'x'], /a number/],
      [['-d', 'postgres://127.0.0.1:1/x'], /cannot connect to the PostgreSQL server/],
      [['-d', 'postgres://127.0.0.1:1/x', '--embedded-relay'], /--embedded-relay needs a database prefix/],
      [['-d', 'postgres://127.0.0.1:1/x', '-k', 'x'], /--key is for SQLite/],
    ];
    const folder = workshop.folder();
    const results = await Promise.all(
      wrong.map(([options]) => run(['serve', '-d', path.join(folder, 'x'), ...options])),
    );
    for (const [i, [, says]] of wrong.entries()) {
      const result = results[i];
      if (result !== undefined) expectFailure(result, says);
    }
    expect(results).toHaveLength(wrong.length);
  });

  it('folders that cannot be written', async () => {
    const folder = workshop.folder();
    const file = path.join(folder, 'file');
    writeFileSync(file, '');
    expectFailure(
      await run(['serve', '-d', path.join(file, 'x')]),
      /cannot write to the folder .* \(of the database\)/,
    );
    expectFailure(await run(['serve', ...bot(folder, '--files-folder', path.join(file, 'x'))]), /\(--files-folder\)/);
    expectFailure(await run(['chat', '-d', path.join(file, 'x')]), /cannot write to the folder/);
    const locked = path.join(folder, 'locked');
    mkdirSync(locked);
    chmodSync(locked, 0o500);
    // The superuser may write everywhere.
    if (process.getuid?.() !== 0) {
      expectFailure(await run(['serve', '-d', path.join(locked, 'x')]), /cannot write to the folder/);
    }
  });

  it('a file that is no database', async () => {
    const folder = workshop.folder();
    writeFileSync(path.join(folder, 'bot_fanion.db'), 'not a database, but long enough to be looked at\n'.repeat(100));
    expectFailure(await run(['serve', ...bot(folder), '-e', '/u']), /not a database/);
  });
});

describe('fanion key', () => {
  it('encrypts a database, changes its key and decrypts it', async () => {
    const folder = workshop.folder();
    const name = async (...key: string[]): Promise<unknown> => {
      const { code, out } = await run(['serve', '-d', path.join(folder, 'bot'), ...key, '-e', '/u', '-t', '0']);
      return code === 0 ? at(JSON.parse(out), 'user', 'localDisplayName') : code;
    };
    const key = (...args: string[]) => run(['key', '-d', path.join(folder, 'bot'), ...args]);
    await run(['serve', ...bot(folder), '-e', '/u', '-t', '0']);
    expect((await key('--new-key', 'one')).code).toBe(0);
    expect([await name(), await name('-k', 'one')]).toEqual([1, 'Bot']);
    expectFailure(await key('-k', 'other', '--new-key', 'two'), /wrong key/);
    expect((await key('-k', 'one', '--new-key', 'two')).code).toBe(0);
    expect([await name('-k', 'one'), await name('-k', 'two')]).toEqual([1, 'Bot']);
    expect((await key('-k', 'two', '--decrypt')).code).toBe(0);
    expect(await name()).toBe('Bot');
    expectFailure(await key('--decrypt'), /that key already/);
    expectFailure(await key(), /--new-key or --decrypt/);
    expectFailure(await run(['key', '-d', path.join(folder, 'none'), '--new-key', 'x']), /no database/);
  });
});
