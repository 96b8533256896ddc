// Owns how the tour looks: numbered steps with a tick or a cross and the time each took, facts below
// them. Colour only on a terminal and never with NO_COLOR (no-color.org).
import { type ProgressOutput, progressTo, withProgress } from './progress.ts';

const GREEN = 32;
const RED = 31;
const BOLD = 1;
const DIM = 2;

/** Thrown by a step that found something else than it promised; its message is shown. */
export class StepFailed extends Error {}

/** Throws StepFailed with `otherwise` unless `holds`. */
export function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new StepFailed(otherwise);
}

/** What a step may tell while and after it runs. */
export type Tell = (label: string, value: string) => void;

export type Screen = {
  readonly output: ProgressOutput;
  /** How many steps failed so far. */
  readonly failures: () => number;
  heading(text: string): void;
  text(line?: string): void;
  strong(text: string): string;
  /**
   * One numbered step. Its facts are printed below it. A failure is printed and rethrown: what follows
   * would only fail because of it. `ownProgress`: the work shows its progress itself.
   */
  step<Result>(what: string, work: (tell: Tell) => Promise<Result>, ownProgress?: boolean): Promise<Result>;
};

/** A screen on a stream, by default standard output. */
export const screenOn = (stream: NodeJS.WriteStream = process.stdout): Screen => {
  const colours = stream.isTTY && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  const paint = (code: number, text: string): string => (colours ? `\x1b[${code}m${text}\x1b[0m` : text);
  const output = progressTo(stream);
  let number = 0;
  let failures = 0;
  return {
    output,
    failures: () => failures,
    heading: (text) => output.line(`\n${paint(BOLD, text)}`),
    text: (line = '') => output.line(line),
    strong: (text) => paint(BOLD, text),
    step: async (what, work, ownProgress = false) => {
      number += 1;
      const label = `${String(number).padStart(2)}. ${what}`;
      const facts: string[] = [];
      const tell: Tell = (name, value) => {
        facts.push(`        ${paint(DIM, name.padEnd(10))} ${value}`);
      };
      const startedAt = performance.now();
      const finish = (mark: string): void => {
        const ms = performance.now() - startedAt;
        const took = ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
        output.line(`  ${mark} ${label} ${paint(DIM, `(${took})`)}`);
        for (const fact of facts) output.line(fact);
      };
      try {
        const result = await (ownProgress
          ? work(tell)
          : withProgress(output, `    ${label}`, () => work(tell)));
        finish(paint(GREEN, '✓'));
        return result;
      } catch (error) {
        failures += 1;
        finish(paint(RED, '✗'));
        const message = error instanceof Error ? error.message : String(error);
        output.line(`        ${paint(RED, message.split('\n').join('\n        '))}`);
        throw error;
      }
    },
  };
};
