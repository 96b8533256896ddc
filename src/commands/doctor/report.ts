// Owns how doctor's findings are shown: a line each for people, one JSON document for programs.

import { type Colour, clean, paint } from '../../cli/output.ts';
import type { Finding, Severity } from './finding.ts';

const SEVERITIES: readonly Severity[] = ['ok', 'info', 'warning', 'error'];
const COLOURS: Readonly<Record<Severity, Colour>> = {
  ok: 'green',
  info: 'dim',
  warning: 'yellow',
  error: 'red',
};

export const countsOf = (findings: readonly Finding[]): Record<Severity, number> =>
  Object.fromEntries(
    SEVERITIES.map((severity) => [severity, findings.filter((one) => one.severity === severity).length]),
  ) as Record<Severity, number>;

export const asJson = (findings: readonly Finding[]): string => {
  const counts = countsOf(findings);
  return JSON.stringify({ ok: counts.error === 0, counts, findings });
};

export function asText(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ id, severity, what, reason, next }) => [
    `${paint(COLOURS[severity], severity.padEnd(7))}  ${clean(what)}  ${paint('dim', id)}`,
    ...(reason === null ? [] : [`         why:  ${clean(reason)}`]),
    ...(next === null ? [] : [`         next: ${clean(next)}`]),
  ]);
  const { ok, info, warning, error } = countsOf(findings);
  const sum = `${error} ${error === 1 ? 'error' : 'errors'}, ${warning} ${warning === 1 ? 'warning' : 'warnings'}, ${info} to know, ${ok} in order`;
  return [...lines, '', sum].join('\n');
}
