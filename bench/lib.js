// What the benchmarks share: timing with medians, ratios against a baseline of the same run, event-loop delay.
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** The value in the middle. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value that `part` (0 to 1) of all values do not exceed. */
export function percentile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)];
}

/** Prints the machine and the name of the benchmark: figures say nothing without them. */
export function heading(name) {
  console.log(`\n== ${name} (Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model.trim() ?? 'cpu'})`);
}

/** One line: a name, a figure with its unit, and a remark. */
export function line(name, value, unit, remark = '') {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 4;
  console.log(`${name.padEnd(52)} ${value.toFixed(digits).padStart(10)} ${unit.padEnd(7)} ${remark}`.trimEnd());
}

/** A line with a figure and its target: says whether the target is met, which is the point of a benchmark. */
export function against(name, value, unit, target, better) {
  const met = better === 'higher' ? value >= target : value <= target;
  line(name, value, unit, `target ${better === 'higher' ? '>=' : '<='} ${target} ${unit}: ${met ? 'met' : 'MISSED'}`);
  return met;
}

/** `a` in proportion to `b`, with a target if there is one. */
export function ratio(name, a, b, target) {
  if (target === undefined) line(name, a / b, 'x');
  else against(name, a / b, 'x', target, 'higher');
}

/** Wall and CPU time of single calls, in microseconds: the median over `samples` rounds of `iterations` calls each. */
export function measure(fn, { iterations = 200, samples = 15, warmup = 100 } = {}) {
  for (let i = 0; i < warmup; i++) fn(i);
  const wall = [];
  const cpu = [];
  for (let s = 0; s < samples; s++) {
    const c = process.cpuUsage();
    const t = process.hrtime.bigint();
    for (let i = 0; i < iterations; i++) fn(i);
    wall.push(Number(process.hrtime.bigint() - t) / 1000 / iterations);
    const used = process.cpuUsage(c);
    cpu.push((used.user + used.system) / iterations);
  }
  return { wall: median(wall), cpu: median(cpu) };
}

/** As {@link measure} for asynchronous work, one call after the other. */
export async function measureAsync(fn, { iterations = 1, samples = 5, warmup = 1 } = {}) {
  for (let i = 0; i < warmup; i++) await fn(i);
  const wall = [];
  const cpu = [];
  for (let s = 0; s < samples; s++) {
    const c = process.cpuUsage();
    const t = process.hrtime.bigint();
    for (let i = 0; i < iterations; i++) await fn(i);
    wall.push(Number(process.hrtime.bigint() - t) / 1000 / iterations);
    const used = process.cpuUsage(c);
    cpu.push((used.user + used.system) / iterations);
  }
  return { wall: median(wall), cpu: median(cpu) };
}

/**
 * Measures several functions in turns, so that a change of the machine's speed hits all of them alike. Takes an object
 * of functions and gives the median microseconds per call of each under the same name.
 */
export function compare(functions, { iterations = 100, samples = 21, warmup = 100 } = {}) {
  const names = Object.keys(functions);
  const times = Object.fromEntries(names.map((n) => [n, []]));
  for (const n of names) for (let i = 0; i < warmup; i++) functions[n](i);
  for (let s = 0; s < samples; s++) {
    for (const n of names) {
      const t = process.hrtime.bigint();
      for (let i = 0; i < iterations; i++) functions[n](i);
      times[n].push(Number(process.hrtime.bigint() - t) / 1000 / iterations);
    }
  }
  return Object.fromEntries(names.map((n) => [n, median(times[n])]));
}

/** Megabytes (10^6 bytes) per second from bytes and microseconds. */
export function megabytesPerSecond(bytes, microseconds) {
  return bytes / microseconds;
}

/** Runs `fn` and tells how long the event loop was blocked meanwhile, in milliseconds. */
export async function eventLoopDelay(fn) {
  const monitor = monitorEventLoopDelay({ resolution: 1 });
  monitor.enable();
  const value = await fn();
  // One more turn: a block at the very end is counted too.
  await new Promise((resolve) => setTimeout(resolve, 5));
  monitor.disable();
  return { value, p50: monitor.percentile(50) / 1e6, p99: monitor.percentile(99) / 1e6, max: monitor.max / 1e6 };
}

/**
 * Watches how much CPU time the main thread uses between two timers of one millisecond: the longest blocks of the event
 * loop, without the time in which other processes had the processor. `stop` gives milliseconds.
 */
export function watchBlocks() {
  const stat = `/proc/self/task/${process.pid}/schedstat`;
  const used = () => Number(readFileSync(stat, 'latin1').split(' ', 1)[0]) / 1e6;
  const blocks = [];
  let last = used();
  const timer = setInterval(() => {
    const now = used();
    blocks.push(now - last);
    last = now;
  }, 1);
  return {
    stop() {
      clearInterval(timer);
      if (blocks.length === 0) blocks.push(0);
      return { max: Math.max(...blocks), p99: percentile(blocks, 0.99) };
    },
  };
}
