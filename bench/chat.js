// npm run bench -- chat [seconds per part, default 5] [--prof=<folder>]
// Two `fanion serve` and a relay, each a process of its own, and a client of each API in this process.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  connectContacts,
  cpuMs,
  load,
  mainCpuMs,
  profileArgs,
  rssMb,
  sleep,
  startRelay,
  startServe,
} from './chat-parties.js';
import { against, heading, line, median, percentile } from './lib.js';

const textOf = (event) =>
  event.type === 'newChatItems' ? event.chatItems.map((i) => i.chatItem.content.msgContent?.text ?? '') : [];

const send = (party, contact, text) =>
  party.client.command(`/_send @${contact} json [{"msgContent":{"type":"text","text":${JSON.stringify(text)}}}]`);

/** Counts the messages that a party receives, and when each came. */
function receiver(party) {
  const seen = { count: 0, times: new Map() };
  party.client.onEvent = (event) => {
    for (const text of textOf(event)) {
      if (event.chatItems[0].chatItem.chatDir.type !== 'directRcv') continue;
      seen.count++;
      seen.times.set(text, performance.now());
    }
  };
  return seen;
}

/** From the command of one client to the event at the other, one message at a time. */
async function latency(from, to, contact, count) {
  const seen = receiver(to);
  const times = [];
  for (let i = 0; i < count + 20; i++) {
    const text = `latency ${i}`;
    const t = performance.now();
    await send(from, contact, text);
    while (!seen.times.has(text)) await new Promise(setImmediate);
    times.push(seen.times.get(text) - t);
    // The delivery receipt goes back meanwhile; the next message finds both engines idle.
    await sleep(15);
  }
  return times.slice(20);
}

/** Messages for `seconds` with `window` commands out at a time, until all have arrived. */
async function throughput(pairs, relay, { seconds, window }) {
  const parties = [...new Set(pairs.flatMap((p) => [p.from, p.to]))];
  const seen = new Map(pairs.map((p) => [p, receiver(p.to)]));
  let warm = true;
  let sent = 0;
  let stopped = false;
  const runs = pairs.flatMap((p) =>
    Array.from({ length: window }, async (_, w) => {
      for (let i = 0; !stopped; i++) {
        await send(p.from, p.contact, `message ${w} ${i}`);
        sent++;
      }
    }),
  );
  await sleep(1000);
  warm = false;
  const received = () => pairs.reduce((sum, p) => sum + seen.get(p).count, 0);
  const before = {
    received: received(),
    sent,
    t: performance.now(),
    cpu: parties.map((p) => cpuMs(p.pid)),
    main: parties.map((p) => mainCpuMs(p.pid)),
    relay: cpuMs(relay.pid),
  };
  await sleep(seconds * 1000);
  const ms = performance.now() - before.t;
  const inTime = received() - before.received;
  stopped = true;
  await Promise.all(runs);
  while (received() < sent) await sleep(5);
  const all = performance.now() - before.t;
  const count = sent - before.sent;
  await sleep(300);
  return {
    warm,
    perSecond: (inTime / ms) * 1000,
    // With the time until the last has arrived: a sender that runs ahead does not look better.
    endToEnd: (received() - before.received) / (all / 1000),
    cpu: parties.map((p, i) => (cpuMs(p.pid) - before.cpu[i]) / count),
    main: parties.map((p, i) => (mainCpuMs(p.pid) - before.main[i]) / count),
    relay: (cpuMs(relay.pid) - before.relay) / count,
  };
}

export async function run(args) {
  const seconds = Number(args.find((a) => /^\d+$/.test(a)) ?? 5);
  const directory = mkdtempSync(path.join(tmpdir(), 'fanion-bench-'));
  const stops = [];
  const started = async (p) => {
    const x = await p;
    stops.push(() => x.stop());
    return x;
  };
  try {
    heading(`chat: two engines and a relay in three processes (${load()})`);
    const relay = await started(startRelay(path.join(directory, 'relay'), { nodeArgs: profileArgs(args, 'relay') }));
    const alice = await started(startServe('alice', directory, relay.found, { nodeArgs: profileArgs(args, 'alice') }));
    const bob = await started(startServe('bob', directory, relay.found, { nodeArgs: profileArgs(args, 'bob') }));
    line('start of a new profile to its API', alice.startMs, 'ms');
    line('memory after the start', rssMb(alice.pid), 'MB');
    const times = [];
    const pairs = [];
    for (let i = 0; i < 8; i++) {
      const connected = await connectContacts(alice, bob);
      pairs.push(connected);
      times.push(connected.ms);
    }
    line('connection: link to contactConnected at both', median(times.slice(1)), 'ms', `first ${times[0].toFixed(0)}`);
    const [pair] = pairs;
    await sleep(1000);
    const toBob = { from: alice, to: bob, contact: pair.aliceContact };
    const toAlice = { from: bob, to: alice, contact: pair.bobContact };
    const single = await latency(alice, bob, pair.aliceContact, 200);
    against('one-way latency, p50', percentile(single, 0.5), 'ms', 8, 'lower');
    line('one-way latency, p99', percentile(single, 0.99), 'ms');
    const one = await throughput([toBob], relay, { seconds, window: 16 });
    against('one way: messages per second', one.perSecond, '/s', 500, 'higher');
    line('one way: until the last has arrived', one.endToEnd, '/s');
    against('one way: CPU per message, sender', one.cpu[0], 'ms', 1.5, 'lower');
    against('one way: CPU per message, receiver', one.cpu[1], 'ms', 1.5, 'lower');
    line('one way: main thread alone, sender', one.main[0], 'ms');
    line('one way: main thread alone, receiver', one.main[1], 'ms');
    line('one way: CPU per message, relay', one.relay, 'ms');
    const many = pairs.map(({ aliceContact }) => ({ from: alice, to: bob, contact: aliceContact }));
    const spread = await throughput(many, relay, { seconds, window: 2 });
    line('one way over 8 contacts: until the last has arrived', spread.endToEnd, '/s');
    line(
      'one way over 8 contacts: CPU per message',
      spread.cpu[0],
      'ms',
      `receiver ${spread.cpu[1].toFixed(2)}, relay ${spread.relay.toFixed(2)}`,
    );
    const both = await throughput([toBob, toAlice], relay, { seconds, window: 16 });
    line('both ways: messages per second', both.perSecond, '/s');
    line('both ways: CPU per message, one engine', both.cpu[0], 'ms', 'for each message of either direction');
    await sleep(2000);
    against('memory after the load', rssMb(alice.pid), 'MB', 120, 'lower');
    line('memory after the load, other engine', rssMb(bob.pid), 'MB');
    alice.client.close();
    await stops.splice(1, 1)[0]();
    const again = await started(startServe('alice', directory, relay.found));
    line('start of the profile with its messages', again.startMs, 'ms', load());
    again.client.close();
    bob.client.close();
  } finally {
    for (const stop of stops.reverse()) await stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
