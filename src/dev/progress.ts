// Owns how waiting looks. On a terminal one line is rewritten each second; elsewhere (a log, CI) a
// line of its own appears at least every ten seconds. Nothing is printed for what takes under a second.
import type { WriteStream } from 'node:tty';

/** Where progress goes: a line at a time, or rewritten in place with `rewrite`. */
export type ProgressOutput = {
  line: (text: string) => void;
  /** Shows `text` in place of the last rewritten one; '' clears it. Undefined when not on a terminal. */
  rewrite?: (text: string) => void;
};

/** Progress on a stream, by default standard error. */
export const progressTo = (stream: NodeJS.WriteStream | WriteStream = process.stderr): ProgressOutput => {
  const line = (text: string): void => void stream.write(`${text}\n`);
  if (!stream.isTTY || process.env.TERM === 'dumb') return { line };
  let shown = false;
  const rewrite = (text: string): void => {
    if (text === '' && !shown) return;
    stream.write(`\r\x1b[2K${text.slice(0, (stream.columns ?? 80) - 1)}`);
    shown = text !== '';
  };
  return {
    line: (text) => {
      rewrite('');
      line(text);
    },
    rewrite,
  };
};

/** "47 s", "3 min 05 s". */
export const elapsed = (ms: number): string => {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
};

/** Shows `what` with the elapsed time while `work` runs; `detail` adds what is known of its state. */
export const withProgress = async <Result>(
  output: ProgressOutput,
  what: string,
  work: () => Promise<Result>,
  detail: () => string = () => '',
): Promise<Result> => {
  const startedAt = performance.now();
  const text = (): string => {
    const more = detail();
    return `${what} … ${elapsed(performance.now() - startedAt)}${more === '' ? '' : ` (${more})`}`;
  };
  const timer = setInterval(
    () => (output.rewrite === undefined ? output.line(text()) : output.rewrite(text())),
    output.rewrite === undefined ? 10_000 : 1_000,
  );
  try {
    return await work();
  } finally {
    clearInterval(timer);
    output.rewrite?.('');
  }
};
