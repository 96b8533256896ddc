// Owns the spreading of seeds over processes. Invariant: every seed of the range is run once, or the run fails.

import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Job, Report } from './worker.ts';

export interface SeedsOptions {
  readonly first: number;
  readonly seeds: number;
  /** Processes; as many as there are cores by default. */
  readonly jobs?: number;
  /** Name of a mutant to load instead of the shipped engine. */
  readonly mutant?: string;
  /** Seeds that find something without the mutant too. */
  readonly except?: readonly number[];
  /** Stop at the first seed that finds something. */
  readonly untilFound?: boolean;
  readonly onProgress?: (ran: number, found: readonly Found[]) => void;
}

export interface Found {
  readonly seed: number;
  readonly wrong: string;
}

export interface SeedsResult {
  readonly ran: number;
  readonly found: readonly Found[];
}

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));
const HOOK = new URL('mutant-hook.ts', import.meta.url).href;

/** The command that shows what a seed did. */
export const replayOf = (seed: number): string => `npm run test:long -- --first ${seed} --seeds 1 --trace`;

export async function runSeeds(options: SeedsOptions): Promise<SeedsResult> {
  const jobs = Math.min(options.jobs ?? availableParallelism(), options.seeds);
  let ran = 0;
  const found: Found[] = [];
  const onReport = (report: Report) => {
    ran += report.ran;
    found.push(...report.found);
    options.onProgress?.(ran, found);
  };
  const end = options.first + options.seeds;
  await Promise.all(
    Array.from({ length: jobs }, (_, i) =>
      runJob(
        {
          first: options.first + i,
          end,
          step: jobs,
          except: options.except ?? [],
          untilFound: options.untilFound ?? false,
        },
        options.mutant,
        onReport,
      ),
    ),
  );
  return { ran, found: found.sort((a, b) => a.seed - b.seed) };
}

/** Every blow to every effect of a scenario, in a process of its own. */
export async function strikeScenario(scenario: string): Promise<SeedsResult> {
  let ran = 0;
  const found: Found[] = [];
  const job = { first: 0, end: 0, step: 1, except: [], untilFound: false, scenario };
  await runJob(job, undefined, (report) => {
    ran += report.ran;
    found.push(...report.found);
  });
  return { ran, found };
}

function runJob(job: Job, mutant: string | undefined, onReport: (report: Report) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(WORKER, [], {
      execArgv: mutant === undefined ? [] : ['--import', HOOK],
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        ...(mutant === undefined ? {} : { TASKLEASE_MUTANT: mutant }),
      },
    });
    let done = false;
    child.on('message', (report: Report) => {
      onReport(report);
      done ||= report.done;
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (done) resolve();
      else reject(new Error(`a simulation process ended early: ${signal ?? code}`));
    });
    child.send(job);
  });
}
