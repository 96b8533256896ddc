// Owns the log as people read it (`tasklease agent --pretty`): time, level, words, then what else was said. Invariant: it
// shows what the JSON line says and nothing beside it; no field can steer the terminal.

import type { LineSink } from './stderr.ts';

const LEVELS: Readonly<Record<number, string>> = { 20: 'debug', 30: 'info', 40: 'WARN', 50: 'ERROR' };
const LEFT_OUT: ReadonlySet<string> = new Set(['level', 'time', 'name', 'pid', 'msg', 'msg_id']);

export const prettySink = (sink: LineSink): LineSink => ({
  write: (line) => sink.write(`${pretty(line)}\n`),
});

export function pretty(line: string): string {
  const fields = JSON.parse(line) as Record<string, unknown>;
  const { level, time, msg } = fields;
  const rest = Object.entries(fields).flatMap(([key, value]) =>
    LEFT_OUT.has(key) || value === null ? [] : [`${key}=${textOf(value)}`],
  );
  const head = [String(time).slice(11, 19), (LEVELS[Number(level)] ?? String(level)).padEnd(5), String(msg)];
  return [...head, ...rest].join('  ').replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
}

function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /[\s"]/.test(text) && typeof value === 'string' ? JSON.stringify(text) : text;
}
