// What a command of the `tasklease` binary is. Invariant: a command never calls process.exit; it resolves
// to its exit code, so that output is flushed and the same function can be called from a test.

/** Exit codes of the client commands (README, Command line). */
export const Exit = { ok: 0, failed: 1, usage: 2, unreachable: 3, pending: 4 } as const;

/** Exit codes of `run` that are not CMD's own; the meaning is that of env(1), timeout(1) and docker-run(1). */
export const RunExit = {
  timedOut: 124,
  failed: 125,
  notExecutable: 126,
  notFound: 127,
  signalBase: 128,
} as const;

export interface Command {
  /** The whole text of `tasklease NAME --help`, with at least one example that can be pasted. */
  readonly usage: string;
  /** The text of `tasklease NAME WORD --help`, where NAME has commands of its own; null where WORD is none. */
  usageOf?(word: string): Promise<string | null>;
  /** Runs with the arguments that follow the command's name; resolves to the exit code. */
  run(args: string[]): Promise<number>;
}
