// Owns what the comparison says at its end: one table for people, the same as JSON, and the goals, each with the
// figure that met or missed it.

import type { Beginning } from './beginnings.ts';
import type { Wire } from './counting-proxy.ts';
import { percentile } from './measure.ts';
import { type Block, type Latencies, LEVELS } from './rounds.ts';

export interface Row {
  readonly name: string;
  readonly atStop: string;
  readonly start: Spread;
  /** Null where there is nothing to call. */
  readonly stop: Spread | null;
  readonly perSecond: Record<number, number>;
  /** Milliseconds a task, by how many are under way at once. */
  readonly ownCpuMs: Record<number, number>;
  readonly vaultCpuMs: Record<number, number>;
  readonly wire: Wire | null;
}

interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly samples: number;
}

export interface EngineTable {
  readonly engine: string;
  readonly rows: readonly Row[];
}

export interface Report {
  readonly machine: Readonly<Record<string, string | number>>;
  readonly engines: readonly EngineTable[];
  readonly beginnings: readonly Beginning[];
  readonly memoryAfterMb: { readonly rss: number; readonly anonymous: number };
  /** Rows that could not be had, and why. */
  readonly missing: readonly string[];
  readonly seconds: number;
}

export interface Verdict {
  readonly goal: string;
  readonly figure: string;
  readonly met: boolean;
}

const spread = (values: readonly number[]): Spread => ({
  p50: percentile([...values], 0.5),
  p99: percentile([...values], 0.99),
  samples: values.length,
});

const byLevel = (blocks: Record<number, Block>, figure: (block: Block) => number): Record<number, number> =>
  Object.fromEntries(LEVELS.map((width) => [width, figure(blocks[width]!)]));

export const rowOf = (
  { name, atStop }: { readonly name: string; readonly atStop: string },
  seen: Latencies,
  blocks: Record<number, Block>,
  wire: Wire | null,
): Row => ({
  name,
  atStop,
  start: spread(seen.start),
  stop: seen.stop.length === 0 ? null : spread(seen.stop),
  perSecond: byLevel(blocks, ({ tasks, ms }) => (tasks / ms) * 1000),
  ownCpuMs: byLevel(blocks, ({ tasks, ownCpu }) => ownCpu / tasks),
  vaultCpuMs: byLevel(blocks, ({ tasks, vaultCpu }) => vaultCpu / tasks),
  wire,
});

const GOALS = { addedMs: 2, share: 0.93, ownCpuMs: 3, firstAnswerMs: 300, rssMb: 85 };
/** Where throughput is judged: with one task at a time it is the latency once more. */
const BUSY = [8, 32];

/** The floor comes first in each table, the agent second. */
export function verdicts({ engines, beginnings }: Report): Verdict[] {
  const seen: Verdict[] = [];
  const say = (goal: string, figure: string, met: boolean) => seen.push({ goal, figure, met });
  for (const { engine, rows } of engines) {
    const [floor, agent] = rows as [Row, Row];
    for (const step of ['start', 'stop'] as const) {
      const added = agent[step]!.p50 - floor[step]!.p50;
      say(
        `${engine}: ${step} p50 at most ${GOALS.addedMs} ms above the floor`,
        `${added.toFixed(2)} ms`,
        added <= GOALS.addedMs,
      );
    }
    for (const width of BUSY) {
      const share = agent.perSecond[width]! / floor.perSecond[width]!;
      say(
        `${engine}: with ${width} at once, tasks a second at least 93 % of the floor`,
        `${(share * 100).toFixed(1)} %`,
        share >= GOALS.share,
      );
    }
    const cpu = Math.max(...LEVELS.map((width) => agent.ownCpuMs[width]!));
    say(
      `${engine}: own processor time at most ${GOALS.ownCpuMs} ms a task, however many at once`,
      `${cpu.toFixed(2)} ms`,
      cpu <= GOALS.ownCpuMs,
    );
  }
  const { firstAnswerMs, rssMb } = beginnings[0]!;
  say(
    `first answer at most ${GOALS.firstAnswerMs} ms after exec`,
    `${firstAnswerMs.toFixed(0)} ms`,
    firstAnswerMs <= GOALS.firstAnswerMs,
  );
  say(`idle RSS at most ${GOALS.rssMb} MB`, `${rssMb.toFixed(1)} MB`, rssMb <= GOALS.rssMb);
  return seen;
}

const number = (value: number, digits = 1): string => (Number.isFinite(value) ? value.toFixed(digits) : '-');

function columns(lines: readonly (readonly string[])[]): string[] {
  const widths = lines[0]!.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  const last = widths.length - 1;
  return lines.map((line) =>
    line
      .map((cell, i) => (i === 0 || i === last ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

const perLevel = (figures: Record<number, number>, digits: number): string[] =>
  LEVELS.map((width) => number(figures[width]!, digits));

function engineLines({ engine, rows }: EngineTable): string[] {
  const head = [
    engine,
    ...['start p50', 'p99', 'stop p50', 'p99'],
    ...LEVELS.map((width, i) => (i === 0 ? `tasks/s at ${width}` : String(width))),
    ...LEVELS.map((width, i) => (i === 0 ? `own CPU at ${width}` : String(width))),
    ...LEVELS.map((width, i) => (i === 0 ? `Vault's at ${width}` : String(width))),
    'sent',
    'received',
    'once the stop has answered',
  ];
  const cells = rows.map((row) => [
    row.name,
    number(row.start.p50),
    number(row.start.p99),
    row.stop === null ? '-' : number(row.stop.p50),
    row.stop === null ? '-' : number(row.stop.p99),
    ...perLevel(row.perSecond, 1),
    ...perLevel(row.ownCpuMs, 2),
    ...perLevel(row.vaultCpuMs, 1),
    row.wire === null ? '-' : number(row.wire.sent, 0),
    row.wire === null ? '-' : number(row.wire.received, 0),
    row.atStop,
  ]);
  return columns([head, ...cells]);
}

export function text(report: Report): string {
  const { machine, engines, beginnings, memoryAfterMb, missing, seconds } = report;
  const residents = columns([
    ['resident', 'exec to first answer', 'idle RSS', 'anonymous', 'first answer'],
    ...beginnings.map((one) => [
      one.name,
      `${number(one.firstAnswerMs, 0)} ms`,
      `${number(one.rssMb)} MB`,
      `${number(one.anonymousMb)} MB`,
      one.answer,
    ]),
    [
      'tasklease agent, after all',
      '',
      `${number(memoryAfterMb.rss)} MB`,
      `${number(memoryAfterMb.anonymous)} MB`,
      '',
    ],
  ]);
  const goals = columns([
    ['goal', 'figure', 'verdict'],
    ...verdicts(report).map(({ goal, figure, met }) => [goal, figure, met ? 'met' : 'MISSED']),
  ]);
  return [
    Object.entries(machine)
      .map(([key, value]) => `${key} ${value}`)
      .join(', '),
    'Times and processor times in ms, the latter a task (utime + stime, children included); bytes a task as TCP carries them.',
    ...engines.flatMap((table) => ['', ...engineLines(table)]),
    '',
    ...residents,
    ...missing.map((line) => `\n${line}`),
    '',
    ...goals,
    '',
    `${number(seconds, 0)} s`,
  ].join('\n');
}
