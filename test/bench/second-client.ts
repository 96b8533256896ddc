// Owns the question whether the benchmark's figures are the client's or the agent's: the same starts and stops once by
// the benchmark's own client and once by curl, which times each transfer itself, in turns and in one run. Ends non-zero
// when they disagree by more than either client disagrees with itself. `npm run bench:check [-- ROUNDS TASKS]`.

import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { releaseChildren } from '../../src/dev/children.ts';
import type { World } from '../harness/world.ts';
import { bareClient, sessionOf } from './bare-client.ts';
import { benchWorld } from './bench-world.ts';
import { type Contender, theAgent, theFloor } from './contender.ts';
import { BENCH_PROFILES, ENGINES, type Engine } from './engines.ts';
import { percentile, type Send, timed } from './measure.ts';

const ROUNDS = Number(process.argv[2] ?? 6);
const TASKS = Number(process.argv[3] ?? 20);
/** What two clients may differ by, for each call of a step, for what they do themselves: reading a reply, telling the time. */
const OWN_MS = 0.5;
/** Calls of a step, one after another. */
const CALLS = { floor: { start: 2, stop: 4 }, tasklease: { start: 1, stop: 1 } } as const;

interface Times {
  readonly start: number[];
  readonly stop: number[];
}

/** By one way to measure: the times of one round of tasks. */
type Measured = (engine: Engine, tasks: readonly string[]) => Promise<Times>;

/** Options of one transfer as curl(1) reads them with --config. */
const option = (name: string, value: string): string =>
  `${name} = "${value.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`;

interface Transfer {
  readonly to: readonly string[];
  readonly method: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  /** Without the time that the connection took. Milliseconds. */
  readonly ms: number;
}

const MARK = 'second-client';

/** Transfers by one curl, one after another, on a connection that stays open. Nothing secret is in its arguments. */
async function curl(transfers: readonly Transfer[]): Promise<Answer[]> {
  const config = transfers.map(({ to, method, body, headers = {} }) =>
    [
      ...to,
      option('request', method),
      ...Object.entries(headers).map(([name, value]) => option('header', `${name}: ${value}`)),
      ...(body === undefined
        ? []
        : [option('header', 'content-type: application/json'), option('data', JSON.stringify(body))]),
      option('write-out', `\n${MARK} %{http_code} %{time_connect} %{time_total}\n`),
      'silent',
    ].join('\n'),
  );
  const child = spawn('curl', ['--config', '-'], { stdio: ['pipe', 'pipe', 'inherit'], env: {} });
  child.stdin.end(config.join('\nnext\n'));
  const out = await text(child.stdout);
  const marks = [...out.matchAll(new RegExp(`([^]*?)\\n${MARK} (\\d+) ([\\d.]+) ([\\d.]+)\\n`, 'g'))];
  return transfers.map(({ method, to }, i) => {
    const [, body, status, before, total] = marks[i] ?? [];
    if (body === undefined) throw new Error(`curl gave no answer to ${method} ${to.join(', ')}`);
    return { status: Number(status), body: body.trim(), ms: (Number(total) - Number(before)) * 1000 };
  });
}

const agentByCurl =
  (world: World): Measured =>
  async ({ profile }, tasks) => {
    const to = (call: string) => [
      option('unix-socket', world.paths.socket),
      option('url', `http://tasklease/v1/tasks/${call}`),
    ];
    const answers = await curl(
      tasks.flatMap((task) => [
        { to: to(task), method: 'PUT', body: { profile, duration: '10m' } },
        { to: to(`${task}?wait=60s`), method: 'DELETE' },
      ]),
    );
    for (const [i, { status, body }] of answers.entries()) {
      if (status !== (i % 2 === 0 ? 201 : 200)) throw new Error(`curl: ${status} ${body}`);
    }
    const every = (odd: 0 | 1) => answers.filter((_, i) => i % 2 === odd).map(({ ms }) => ms);
    return { start: every(0), stop: every(1) };
  };

/**
 * The bare client's own calls, each carried by a curl of its own: a step takes as long as its transfers together, of
 * those that run side by side the longest.
 */
const floorByCurl =
  (world: World, session: string): Measured =>
  async (engine, tasks) => {
    let spent = 0;
    let beside = { running: 0, longest: 0 };
    const send: Send = async (method, path, body, headers = {}) => {
      const group = beside;
      group.running += 1;
      const to = [option('url', `http://127.0.0.1:${world.vault.port}${path}`)];
      const [answer] = await curl([{ to, method, body, headers }]);
      group.longest = Math.max(group.longest, answer!.ms);
      group.running -= 1;
      if (group.running === 0) {
        spent += group.longest;
        beside = { running: 0, longest: 0 };
      }
      return {
        status: answer!.status,
        body: answer!.body === '' ? undefined : JSON.parse(answer!.body),
      };
    };
    const client = bareClient(send, session, engine);
    const times: Times = { start: [], stop: [] };
    for (const _ of tasks) {
      spent = 0;
      const held = await client.start();
      times.start.push(spent);
      spent = 0;
      await client.stop(held);
      times.stop.push(spent);
    }
    return times;
  };

const byTheBench =
  (who: Contender): Measured =>
  async (engine, tasks) => {
    const times: Times = { start: [], stop: [] };
    for (const task of tasks) {
      const held = await timed(times.start, () => who.start(engine, task));
      await timed(times.stop, () => who.stop!(engine, held));
    }
    return times;
  };

let named = 0;
let apart = 0;

/** Medians of rounds that alternate, so that what else the machine does hits both. */
async function compare(
  what: keyof typeof CALLS,
  engine: Engine,
  bench: Measured,
  other: Measured,
): Promise<void> {
  const rounds: Record<'bench' | 'curl', Times[]> = { bench: [], curl: [] };
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const [by, measured] of round % 2 === 0 ? entries(bench, other) : entries(bench, other).reverse()) {
      const times = await measured(
        engine,
        Array.from({ length: TASKS }, () => `second-${++named}`),
      );
      if (round >= 0) rounds[by].push(times);
    }
  }
  for (const step of ['start', 'stop'] as const) {
    const medians = (by: 'bench' | 'curl') => rounds[by].map((times) => percentile(times[step], 0.5));
    const [ours, theirs] = [percentile(medians('bench'), 0.5), percentile(medians('curl'), 0.5)];
    const spread = Math.max(...(['bench', 'curl'] as const).map((by) => width(medians(by))));
    const agree = Math.abs(ours - theirs) <= spread + OWN_MS * CALLS[what][step];
    if (!agree) apart += 1;
    console.log(
      `${engine.name.padEnd(18)}${what.padEnd(12)}${step.padEnd(7)}${ms(ours)}${ms(theirs)}${ms(ours - theirs)}${ms(spread)}   ${agree ? 'agree' : 'DISAGREE'}`,
    );
  }
}

const entries = (bench: Measured, other: Measured): ['bench' | 'curl', Measured][] => [
  ['bench', bench],
  ['curl', other],
];
const width = (values: readonly number[]): number => Math.max(...values) - Math.min(...values);
const ms = (value: number): string => value.toFixed(2).padStart(10);

const world = await benchWorld(BENCH_PROFILES, 10_000);
try {
  const floor = byTheBench(await theFloor(world, world.vault.port));
  const agent = byTheBench(theAgent(world));
  const floorAgain = floorByCurl(world, await sessionOf(world));
  const agentAgain = agentByCurl(world);
  console.log(
    `p50 in ms, of ${ROUNDS} rounds of ${TASKS} tasks, one at a time; spread: how far one client's rounds are apart`,
  );
  console.log(
    `${''.padEnd(37)}${['bench', 'curl', 'apart', 'spread'].map((head) => head.padStart(10)).join('')}`,
  );
  for (const engine of ENGINES) {
    await compare('floor', engine, floor, floorAgain);
    await compare('tasklease', engine, agent, agentAgain);
  }
} finally {
  await world.close();
  await releaseChildren();
}
process.exitCode = apart === 0 ? 0 : 1;
