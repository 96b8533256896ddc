// Owns the run of many seeds in one process: told what to run by its parent, it reports as it goes.

import { runSeed } from './run-seed.ts';
import { BLOWS, runScenario } from './scenarios.ts';
import { Killed } from './world/sim-process.ts';

/** Seeds `first`, `first + step` … below `end`. */
export interface Job {
  /** Instead of seeds: every blow to every effect of this scenario. */
  readonly scenario?: string;
  readonly first: number;
  readonly end: number;
  readonly step: number;
  /** Seeds to leave out. */
  readonly except: readonly number[];
  /** Stop at the first seed that finds something. */
  readonly untilFound: boolean;
}

export interface Report {
  readonly ran: number;
  readonly found: readonly { readonly seed: number; readonly wrong: string }[];
  readonly done: boolean;
}

const REPORT_EVERY_MS = 250;
/** One in so many seeds runs twice: the traces must be the same. */
const TWICE = 50;

// A dead process's code may still run into its end; nobody in the simulation sees that.
process.on('unhandledRejection', (error) => {
  if (error instanceof Killed) return;
  console.error('unhandled rejection in the simulation:', error);
  process.exit(70);
});

process.once('message', (job: Job) => void work(job));

async function work(job: Job): Promise<void> {
  if (job.scenario !== undefined) return strikeAll(job.scenario);
  const { first, end, step, except, untilFound } = job;
  let ran = 0;
  let found: { seed: number; wrong: string }[] = [];
  let reported = performance.now();
  const report = (done: boolean) => {
    process.send!({ ran, found, done } satisfies Report);
    ran = 0;
    found = [];
    reported = performance.now();
  };
  for (let seed = first; seed < end; seed += step) {
    if (except.includes(seed)) continue;
    const wrong = await verdict(seed);
    ran += 1;
    if (wrong !== null) found.push({ seed, wrong });
    if (wrong !== null && untilFound) break;
    if (performance.now() - reported > REPORT_EVERY_MS) report(false);
  }
  report(true);
  process.disconnect();
}

async function strikeAll(scenario: string): Promise<void> {
  const plain = await runScenario(scenario);
  const found = plain.wrong === null ? [] : [{ seed: 0, wrong: `without a blow: ${plain.wrong}` }];
  for (let at = 1; at <= plain.effects; at += 1) {
    for (const how of BLOWS) {
      const { wrong } = await runScenario(scenario, { at, how });
      if (wrong !== null) {
        const replay = `npm run test:long -- --scenario "${scenario}" --blow ${how}@${at}`;
        found.push({ seed: at, wrong: `${how} at effect ${at}: ${wrong}\n  replay: ${replay}` });
      }
    }
  }
  process.send!({ ran: plain.effects * BLOWS.length, found, done: true } satisfies Report);
  process.disconnect();
}

async function verdict(seed: number): Promise<string | null> {
  try {
    const { wrong, hash } = await runSeed(seed);
    if (wrong !== null || seed % TWICE !== 0) return wrong;
    const again = await runSeed(seed);
    return again.hash === hash ? null : `two runs differ: ${hash} and ${again.hash}`;
  } catch (error) {
    return `the simulation failed: ${error instanceof Error ? error.stack : String(error)}`;
  }
}
