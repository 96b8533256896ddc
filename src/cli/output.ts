// Where the words go. Invariants: stderr is written synchronously through its descriptor and never through
// process.stderr, which would make a shared pipe non-blocking for the CMD of `run`; colour only on a
// terminal and never with NO_COLOR (no-color.org); a caller's text cannot steer the terminal.

import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';

const STDERR = 2;
const STDOUT = 1;

/** Writes one or more lines to stderr; a closed stderr is no reason to fail. */
export function say(text: string): void {
  let rest = Buffer.from(`${text}\n`);
  for (let attempt = 0; rest.length > 0 && attempt < 1000; attempt++) {
    try {
      rest = rest.subarray(writeSync(STDERR, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); // the reader is slow: 1 ms
    }
  }
}

/** Asks for one line on the terminal; what is typed is nobody's secret. */
export async function ask(question: string): Promise<string> {
  say(question);
  const { createInterface } = await import('node:readline');
  const lines = createInterface({ input: process.stdin, terminal: false });
  for await (const line of lines) return line.trim();
  return '';
}

/** Writes text and a newline to stdout. */
export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

const colours = { red: 31, green: 32, yellow: 33, bold: 1, dim: 2 } as const;
export type Colour = keyof typeof colours;

/** Whether a descriptor may carry colour. */
export function colourful(fd: number, env: NodeJS.ProcessEnv = process.env): boolean {
  return isatty(fd) && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
}

/** Colours a text that is written to stdout. */
export function paint(colour: Colour, text: string): string {
  return colourful(STDOUT) ? `\u001b[${colours[colour]}m${text}\u001b[0m` : text;
}

/** Colours a text that is written to stderr. */
export function paintError(colour: Colour, text: string): string {
  return colourful(STDERR) ? `\u001b[${colours[colour]}m${text}\u001b[0m` : text;
}

/** Replaces control characters: ids and events are a caller's words, the terminal is the reader's. */
export function clean(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}

/** Left-aligned columns, two spaces apart; the last one is not padded. Cells are cleaned. */
export function columns(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(clean));
  const widths: number[] = [];
  for (const row of cells) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  }
  return cells
    .map((row) =>
      row
        .map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0)))
        .join('  '),
    )
    .join('\n');
}
