import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const program = process.env.FANION_PROGRAM ?? fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Runs the built program; `until` text on standard output stops it with SIGTERM. */
async function fanion(args: readonly string[], until?: string): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    if (until !== undefined && out.includes(until)) child.kill('SIGTERM');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  const [code] = await once(child, 'close');
  return { code: Number(code), out, err };
}

describe('fanion relay', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'fanion-cli-relay-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('prints its address on a line of its own and nothing else, keeps it, and stops on SIGTERM', async () => {
    const prefix = path.join(directory, 'r');
    const first = await fanion(['relay', '--port', '0', '-d', prefix], '\n');
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out).toMatch(/^smp:\/\/[A-Za-z0-9_-]{43}=@127\.0\.0\.1:\d+\n$/);
    expect((await fanion(['relay', 'renew', '-d', prefix])).code).toBe(0);
    const second = await fanion(['relay', '--port', '0', '-d', prefix, '--password', 'pw'], '\n');
    expect(second.out.split('@')[0]).toBe(`${first.out.split('@')[0]}:pw`);
  });

  it('prints the address of an XFTP relay beside it, after its own', async () => {
    const args = ['relay', '--port', '0', '--xftp-port', '0', '-d', path.join(directory, 'r')];
    const { out } = await fanion(args, 'xftp://');
    expect(out).toMatch(/^smp:\/\/\S+\nxftp:\/\/\S+\n$/);
  });

  it('says what is wrong with its options', async () => {
    expect(await fanion(['relay', '--port', '0'])).toMatchObject({ code: 1, out: '' });
    expect((await fanion(['relay', '--port', '70000', '--memory'])).err).toContain('0 to 65535');
    expect((await fanion(['relay', '--password', 'a b', '--memory'])).err).toContain('printable ASCII');
  });
});
