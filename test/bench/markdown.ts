// Owns the figures of one run as README.md shows them: to be pasted there as they are, never typed.

import { type EngineTable, type Report, type Row, verdicts } from './report.ts';
import { LEVELS } from './rounds.ts';

const figure = (value: number, digits = 1): string => (Number.isFinite(value) ? value.toFixed(digits) : '–');
const levels = (figures: Record<number, number>, digits: number): string =>
  LEVELS.map((width) => figure(figures[width]!, digits)).join(' · ');

const line = (row: Row): string =>
  `| ${[
    row.name,
    `${figure(row.start.p50)} · ${figure(row.start.p99)}`,
    row.stop === null ? '–' : `${figure(row.stop.p50)} · ${figure(row.stop.p99)}`,
    levels(row.perSecond, 0),
    levels(row.ownCpuMs, 1),
    levels(row.vaultCpuMs, 0),
    row.wire === null ? '–' : figure((row.wire.sent + row.wire.received) / 1000),
    row.atStop,
  ].join(' | ')} |`;

const engine = ({ engine: name, rows }: EngineTable): string[] => [
  `| ${name} | start ms, p50 · p99 | stop ms, p50 · p99 | tasks/s at 1 · 8 · 32 | own CPU ms | Vault's CPU ms | kB | once the stop has answered |`,
  '|---|---|---|---|---|---|---|---|',
  ...rows.map(line),
  '',
];

export function markdown(report: Report): string {
  const { machine, engines, beginnings, missing } = report;
  const judged = verdicts(report);
  const missed = judged.filter(({ met }) => !met);
  return [
    `${machine.cores} cores (${machine.processor}), Node ${machine.node}, ${machine.vault}, ${machine.cycles} cycles, load ${machine['load at the start']} at the start:`,
    '',
    ...engines.flatMap(engine),
    '| resident | exec to first answer | idle RSS | of it its own |',
    '|---|---|---|---|',
    ...beginnings.map(
      ({ name, firstAnswerMs, rssMb, anonymousMb }) =>
        `| ${name} | ${figure(firstAnswerMs, 0)} ms | ${figure(rssMb, 0)} MB | ${figure(anonymousMb, 0)} MB |`,
    ),
    '',
    ...missing.map((reason) => `${reason}\n`),
    `Goals met: ${judged.length - missed.length} of ${judged.length}.`,
    ...missed.map(({ goal, figure: seen }) => `- missed: ${goal}: ${seen}`),
  ].join('\n');
}
