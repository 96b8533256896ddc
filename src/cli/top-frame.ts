// Owns what `tasklease top` shows, as lines of text. Invariant: no line is wider than the terminal and no frame higher;
// what a caller wrote cannot steer the terminal; state is told in words, colour only repeats it.

import { type Colour, paint } from './output.ts';
import { event as eventOf, fieldsOf, listOf, textOf } from './show.ts';

/** What one look at the agent came to. */
export interface Seen {
  readonly tasks: readonly Row[];
  readonly ready: boolean;
  readonly reasons: readonly string[];
  /** All tasks of the agent, or the caller's own. */
  readonly everybody: boolean;
  readonly sessionSeconds: number | null;
  readonly leases: number | null;
  readonly withoutTask: number | null;
  readonly pending: number | null;
  readonly oldestSeconds: number | null;
  readonly at: number;
}

export interface Row {
  readonly task: string;
  readonly state: string;
  readonly profile: string;
  readonly about: string;
  readonly startedAt: number;
  readonly deadline: number;
  /** How many leases, and the end of the one that ends first. */
  readonly leases: number;
  readonly leaseEnds: number | null;
}

export interface View {
  readonly width: number;
  readonly height: number;
  /** Only tasks in this state; null for all. */
  readonly state: string | null;
  readonly filter: string;
  /** The filter is being typed. */
  readonly typing: boolean;
  readonly paused: boolean;
  readonly offset: number;
  /** Why there is nothing newer. */
  readonly away: string | null;
}

const ORDER = ['stopping', 'degraded', 'pending_approval', 'starting', 'active'];

export function rowsOf(body: unknown): Row[] {
  const rows = listOf(fieldsOf(body).tasks).map((item): Row => {
    const task = fieldsOf(item);
    const ends = listOf(task.leases).map((lease) => Date.parse(textOf(fieldsOf(lease).expires_at)));
    const reason = fieldsOf(task.reason);
    const why = textOf(reason.code) === '' ? '' : `${textOf(reason.code)} ${textOf(reason.detail)}`;
    return {
      task: textOf(task.task),
      state: textOf(task.state),
      profile: textOf(task.profile),
      about: why === '' ? eventOf(task.event) : why,
      startedAt: Date.parse(textOf(task.started_at)),
      deadline: Date.parse(textOf(task.deadline)),
      leases: ends.length,
      leaseEnds: ends
        .filter(Number.isFinite)
        .reduce<number | null>((min, end) => Math.min(min ?? end, end), null),
    };
  });
  const rank = ({ state }: Row): number => ORDER.indexOf(state);
  return rows.sort((a, b) => rank(a) - rank(b) || a.deadline - b.deadline || (a.task < b.task ? -1 : 1));
}

/** Rows that the filters leave. */
export function shown({ tasks }: Seen, { state, filter }: Pick<View, 'state' | 'filter'>): Row[] {
  const text = filter.toLowerCase();
  return tasks.filter(
    (row) =>
      (state === null || row.state === state) &&
      (text === '' || `${row.task}\n${row.profile}\n${row.about}\n${row.state}`.toLowerCase().includes(text)),
  );
}

const HEADINGS = ['TASK', 'STATE', 'AGE', 'LEFT', 'LEASES', 'PROFILE', 'EVENT OR REASON'];

/** The whole terminal. */
export function frame(seen: Seen | null, view: View): string[] {
  const { width, height } = view;
  if (seen === null) return [fit(view.away ?? 'asking the agent…', width)];
  const rows = shown(seen, view);
  const top = heading(seen, view.away).map((each) => painted(each, width));
  const head = [...top, fit(filterLine(view, rows.length, seen.tasks.length), width)];
  const room = roomFor(height);
  const widths = widthsFor(width, rows);
  const lines = rows.slice(view.offset, view.offset + room).map((row) => line(row, seen.at, widths, width));
  const nothing = seen.tasks.length === 0 ? 'no task' : 'no task fits';
  const body = [
    ...head,
    paint('bold', fit(cells(HEADINGS, widths), width)),
    ...(rows.length === 0 ? [fit(nothing, width)] : lines),
  ].slice(0, height - 1);
  const gap = Array.from({ length: Math.max(0, height - body.length - 1) }, () => '');
  return [...body, ...gap, paint('dim', fit(KEYS, width))];
}

/** Rows of tasks that a terminal has room for: all but three lines of heading, the filter, the columns and the keys. */
export const roomFor = (height: number): number => Math.max(1, height - 6);

const KEYS = 'q quit  a all  s stopping  d degraded  w waiting  / filter  up/down scroll  p pause';

/** Everything at once, for who has no terminal to draw on. */
export function table(seen: Seen, state: string | null, filter: string): string[] {
  const rows = shown(seen, { state, filter });
  const head = heading(seen, null).map((each) => painted(each));
  if (rows.length === 0) return [...head, 'no task'];
  const texts = [HEADINGS, ...rows.map((row) => cellsOf(row, seen.at))].map((row) => row.map(safe));
  const widths = HEADINGS.map((_, i) => Math.max(...texts.map((row) => widthOf(row[i]!))));
  return [...head, ...texts.map((row) => cells(row, widths).trimEnd())];
}

type Line = readonly [text: string, colour: Colour | null];

const painted = ([text, colour]: Line, width = Number.POSITIVE_INFINITY): string => {
  const cut = fit(text, width);
  return colour === null ? cut : paint(colour, cut);
};

function heading(seen: Seen, away: string | null): Line[] {
  const counts = ORDER.map(
    (state) => [state, seen.tasks.filter((row) => row.state === state).length] as const,
  );
  const states = counts.filter(([, count]) => count > 0).map(([state, count]) => `${count} ${words(state)}`);
  const whose = seen.everybody ? '' : ' of yours';
  const tasks = `${seen.tasks.length} ${seen.tasks.length === 1 ? 'task' : 'tasks'}${whose}`;
  const session =
    seen.sessionSeconds === null || seen.sessionSeconds === 0
      ? ''
      : `, the Vault session ends in ${short(seen.sessionSeconds)} unless it is renewed`;
  const vault: Line =
    away !== null
      ? [away, 'red']
      : seen.ready
        ? [`ready${session}`, 'green']
        : [`not ready: ${seen.reasons.map(safe).join('; ')}`, 'red'];
  const orphans = seen.withoutTask ?? 0;
  const queue = [
    `revocations pending ${seen.pending ?? '?'}`,
    (seen.pending ?? 0) > 0 && seen.oldestSeconds !== null ? `oldest ${short(seen.oldestSeconds)}` : '',
    `leases ${seen.leases ?? '?'}`,
    `without a task ${seen.withoutTask ?? '?'}`,
  ];
  return [
    [`${tasks}${states.length === 0 ? '' : `: ${states.join(', ')}`}`, 'bold'],
    vault,
    [queue.filter((part) => part !== '').join('  '), orphans > 0 ? 'red' : null],
  ];
}

function filterLine({ state, filter, typing, paused, offset }: View, rows: number, all: number): string {
  const parts = [
    `showing ${state === null ? 'all' : words(state)}`,
    typing ? `filter: ${safe(filter)}_` : filter === '' ? '' : `filter: ${safe(filter)}`,
    rows === all ? '' : `${rows} of ${all}`,
    offset > 0 ? `from ${offset + 1}` : '',
    paused ? 'paused' : '',
  ];
  return parts.filter((part) => part !== '').join('  ');
}

const words = (state: string): string => (state === 'pending_approval' ? 'waiting' : state);

function cellsOf(row: Row, now: number): string[] {
  const leases =
    row.leases === 0
      ? '-'
      : row.leaseEnds === null
        ? String(row.leases)
        : `${row.leases}, ${short((row.leaseEnds - now) / 1000)}`;
  const left = row.state === 'stopping' ? 'over' : short((row.deadline - now) / 1000);
  return [
    row.task,
    words(row.state),
    short((now - row.startedAt) / 1000),
    left,
    leases,
    row.profile,
    row.about || '-',
  ];
}

function line(row: Row, now: number, widths: readonly number[], width: number): string {
  const text = fit(cells(cellsOf(row, now).map(safe), widths), width);
  if (row.state === 'stopping' || row.state === 'degraded') return paint('red', text);
  return row.state === 'active' ? text : paint('yellow', text);
}

/** Narrow columns as wide as they must be; task, profile and event share what is left. */
function widthsFor(width: number, rows: readonly Row[]): number[] {
  const fixed = [9, 6, 6, 9];
  const gaps = 2 * (HEADINGS.length - 1);
  const left = Math.max(24, width - gaps - fixed.reduce((sum, one) => sum + one, 0));
  const longest = (of: (row: Row) => string, least: number) =>
    rows.reduce((max, row) => Math.max(max, of(row).length), least);
  const task = Math.min(
    longest(({ task: id }) => id, 4),
    Math.max(10, Math.floor(left * 0.4)),
  );
  const profile = Math.min(
    longest(({ profile: name }) => name, 7),
    Math.max(7, Math.floor(left * 0.3)),
  );
  return [task, ...fixed, profile, Math.max(4, left - task - profile)];
}

const cells = (row: readonly string[], widths: readonly number[]): string =>
  row
    .map((cell, i) => (i === row.length - 1 ? fit(cell, widths[i]!) : pad(fit(cell, widths[i]!), widths[i]!)))
    .join('  ');

/** 4s, 12m, 3h20, 2d4h: at most six characters. */
export function short(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  if (seconds <= 0) return '0s';
  if (seconds < 100) return `${Math.round(seconds)}s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)}m`;
  if (seconds < 172_800)
    return `${Math.floor(seconds / 3600)}h${String(Math.floor((seconds % 3600) / 60)).padStart(2, '0')}`;
  return seconds < 8_640_000
    ? `${Math.floor(seconds / 86_400)}d${Math.floor((seconds % 86_400) / 3600)}h`
    : `${Math.floor(seconds / 86_400)}d`;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
/** Controls, direction marks and marks without a width of their own. */
const safe = (text: string): string => text.replace(/[\p{C}\p{M}\p{Zl}\p{Zp}]/gu, '?');
const charWidth = (character: string): number => (WIDE.test(character) ? 2 : 1);
const widthOf = (text: string): number => [...text].reduce((sum, character) => sum + charWidth(character), 0);
const pad = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)));

/** Cut to the width, with a mark where something is missing. */
export function fit(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let used = 0;
  let cut = '';
  for (const character of text) {
    used += charWidth(character);
    if (used > width - 1) break;
    cut += character;
  }
  return `${cut}…`;
}
