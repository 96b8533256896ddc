// Owns the end of the demo. What was opened is closed in reverse order, whatever fails on the way; the
// first Ctrl-C asks for that, the second leaves at once and lets the watching shell of children.ts
// clear up. Invariant: each closing runs once, and what is opened after the end began is closed at once.

import { readFileSync } from 'node:fs';

export type Teardown = {
  /** Registers the closing of what was just opened. */
  defer(what: string, close: () => Promise<void> | void): void;
  /** Closes everything, last opened first. Repeated calls answer the same promise. */
  run(): Promise<void>;
};

/** `report` is told of a closing that failed. */
export const newTeardown = (report: (line: string) => void): Teardown => {
  const closings: { what: string; close: () => Promise<void> | void }[] = [];
  let running: Promise<void> | undefined;
  const closeOne = async ({ what, close }: (typeof closings)[number]): Promise<void> => {
    try {
      await close();
    } catch (error) {
      report(`could not close ${what}: ${(error as Error).message}`);
    }
  };
  const drain = async (): Promise<void> => {
    for (let closing = closings.pop(); closing !== undefined; closing = closings.pop())
      await closeOne(closing);
  };
  return {
    defer: (what, close) => {
      if (running === undefined) closings.push({ what, close });
      else running = running.then(() => closeOne({ what, close }));
    },
    run: () => {
      running ??= drain();
      return running;
    },
  };
};

export type Interruption = {
  /** Resolves at the first SIGINT, SIGTERM or SIGHUP, or when our parent is gone. */
  readonly asked: Promise<string>;
  /** Stops listening. */
  off(): void;
};

const parentOf = (pid: number): number => {
  try {
    // Field 4 of /proc/pid/stat, after the name in parentheses (proc_pid_stat(5)).
    return Number(
      readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) \S /s, '')
        .split(' ')[0],
    );
  } catch {
    return 0;
  }
};

/**
 * Who must live for us to go on: our launcher, and under "npm start" also the shell and npm above it,
 * because a SIGTERM to npm ends that shell and goes no further.
 */
const lineage = (): string => {
  const pids = [process.ppid];
  const levels = process.env.npm_lifecycle_event === undefined ? 1 : 3;
  while (pids.length < levels) pids.push(parentOf(pids.at(-1)!));
  return pids.join(' ');
};

/** Listens for the wish to end; a second signal ends the process at once with 130. */
export const watchForEnd = (onSecond: () => void): Interruption => {
  const above = lineage();
  let resolveAsked: (why: string) => void = () => undefined;
  let count = 0;
  const asked = new Promise<string>((resolve) => {
    resolveAsked = resolve;
  });
  const onSignal = (signal: NodeJS.Signals): void => {
    count += 1;
    if (count === 1) resolveAsked(signal);
    else onSecond();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  // A launcher that was killed with -9 cannot pass anything on.
  const watch = setInterval(() => {
    if (lineage() !== above) resolveAsked('the end of its parent');
  }, 250);
  watch.unref();
  return {
    asked,
    off: () => {
      clearInterval(watch);
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
};
