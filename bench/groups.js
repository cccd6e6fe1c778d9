// npm run bench -- groups [messages per group, default 20] [--sizes=10,50,200]
// The host of groups in one process, all members in a second one, the relay in a third.
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cpuMs, load, mainCpuMs, rssMb, sleep, startRelay } from './chat-parties.js';
import { against, heading, line, median, percentile } from './lib.js';

/** A process of bench/groups-run.js; its methods are called by message. */
async function start(role, parameters) {
  const child = fork(new URL('./groups-run.js', import.meta.url), [role, JSON.stringify(parameters)]);
  const calls = new Map();
  let next = 0;
  await new Promise((resolve, reject) => {
    child.once('exit', (code) => {
      const error = new Error(`${role} ended with ${code}`);
      for (const call of calls.values()) call.reject(error);
      reject(error);
    });
    child.on('message', ({ ready, id, result, error }) => {
      if (ready) return resolve();
      const call = calls.get(id);
      calls.delete(id);
      if (error === undefined) call.resolve(result);
      else call.reject(new Error(error));
    });
  });
  const call = (name, p) =>
    new Promise((resolve, reject) => {
      const id = ++next;
      calls.set(id, { resolve, reject });
      child.send({ id, name, parameters: p ?? {} });
    });
  return { call, pid: child.pid };
}

async function messages(host, members, groupId, size, count) {
  const command = (i) => ({
    command: `/_send #${groupId} json [{"msgContent":{"type":"text","text":"message ${i}"}}]`,
  });
  const times = { answer: [], last: [] };
  let cpu;
  let main;
  const warm = 5;
  for (let i = 0; i < count + warm; i++) {
    if (i === warm) {
      await sleep(1500);
      [cpu, main] = [cpuMs(host.pid), mainCpuMs(host.pid)];
      await host.call('watch');
    }
    const { received } = await members.call('counts');
    const all = members.call('until', { received: received + size });
    const t = Date.now();
    const answer = await host.call('execute', command(i));
    if (answer.type === 'chatCmdError') throw new Error(JSON.stringify(answer.chatError));
    if (i >= warm) times.answer.push(Date.now() - t);
    const last = await all;
    if (i >= warm) times.last.push(last - t);
  }
  const { max, p99 } = await host.call('watched');
  await sleep(1500);
  return {
    answer: median(times.answer),
    last: median(times.last),
    slowest: percentile(times.last, 0.99),
    cpu: (cpuMs(host.pid) - cpu) / count,
    main: (mainCpuMs(host.pid) - main) / count,
    block: max,
    blockP99: p99,
  };
}

export async function run(args) {
  const option = (name) => args.find((a) => a.startsWith(`--${name}=`))?.slice(name.length + 3);
  const count = Number(args.find((a) => /^\d+$/.test(a)) ?? 20);
  const sizes = (option('sizes') ?? '10,50,200').split(',').map(Number);
  const directory = mkdtempSync(path.join(tmpdir(), 'fanion-bench-'));
  const relay = await startRelay(path.join(directory, 'relay'));
  try {
    heading(`groups (${load()})`);
    const host = await start('host', { relay: relay.found, path: path.join(directory, 'host.db') });
    const members = await start('members', {
      relay: relay.found,
      path: path.join(directory, 'members.db'),
      joinerPath: path.join(directory, 'joiner.db'),
    });
    const perMember = [];
    const groups = new Map();
    for (const [number, size] of sizes.entries()) {
      const { connected } = await members.call('counts');
      const links = await members.call('invite', { count: size });
      const all = members.call('until', { connected: connected + size });
      const t = Date.now();
      const { groupId, memberIds } = await host.call('group', { links, number });
      await members.call('named', { memberIds });
      await all;
      groups.set(size, groupId);
      line(`${size} members: connecting them`, (Date.now() - t) / size, 'ms', 'each');
      await sleep(1500);
      // As in the official program: only small groups confirm what they receive. All are measured without, to compare.
      if (size <= 20) {
        await members.call('confirm', { receipts: true });
        const r = await messages(host, members, groupId, size, count);
        line(`${size} members: CPU of the host per message`, r.cpu, 'ms', 'with receipts');
        await members.call('confirm', { receipts: false });
      }
      const r = await messages(host, members, groupId, size, count);
      perMember.push(r.cpu / size);
      line(`${size} members: command to answer, p50`, r.answer, 'ms');
      line(`${size} members: command to last delivery, p50`, r.last, 'ms', `p99 ${r.slowest.toFixed(0)} ms`);
      line(`${size} members: CPU of the host per message`, r.cpu, 'ms');
      const main = `main thread ${(r.main / size).toFixed(2)}`;
      line(`${size} members: CPU of the host per member`, r.cpu / size, 'ms', main);
      against(`${size} members: longest block of the event loop`, r.block, 'ms', 20, 'lower');
      line(`${size} members: blocks, p99`, r.blockP99, 'ms', 'CPU time between two timers');
      line(`${size} members: memory of the host`, rssMb(host.pid), 'MB', load());
    }
    const growth = perMember.at(-1) / Math.max(...perMember.slice(0, -1));
    if (sizes.length > 1) against('cost per member, largest to smaller groups', growth, 'x', 1.1, 'lower');

    const size = sizes.includes(50) ? 50 : sizes[0];
    const link = await host.call('execute', { command: `/_create link #${groups.get(size)} member` });
    const { connLinkContact } = link.groupLink;
    await members.call('openJoiner');
    await sleep(1000);
    const [cpu, t] = [cpuMs(host.pid), Date.now()];
    const joined = await members.call('join', { link: connLinkContact.connShortLink ?? connLinkContact.connFullLink });
    line(`join to a group of ${size}: until joined`, joined - t, 'ms');
    while ((await members.call('met')) < size && Date.now() - t < 120_000) await sleep(20);
    const met = await members.call('met');
    line(`join to a group of ${size}: until connected with all members`, Date.now() - t, 'ms', `${met} connected`);
    await sleep(3000);
    line(`join to a group of ${size}: CPU of the host`, cpuMs(host.pid) - cpu, 'ms', load());
    await host.call('close').catch(() => {});
    await members.call('close').catch(() => {});
  } finally {
    await relay.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
