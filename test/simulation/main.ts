// Owns `npm run test:long`: many seeds, spread over processes, with progress and a rate; then the mutants, each
// searched for a seed that catches it; then what runs against real servers, and on a real Kubernetes node. With --trace:
// one seed, told line by line.

import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { MUTANTS, NEAR } from './mutants.ts';
import { runSeed } from './run-seed.ts';
import { type Found, replayOf, runSeeds } from './run-seeds.ts';
import { BLOWS, runScenario, SCENARIOS } from './scenarios.ts';
import { Killed } from './world/sim-process.ts';

const USAGE = `npm run test:long                                  100,000 seeds, the mutants, every chaos scenario and crash point,
                                                       the shipped manifests on a Kubernetes node
npm run test:long -- --seeds N [--first N] [--jobs N]     seeds of the simulation alone
npm run test:long -- --first SEED --seeds 1 --trace       tell what happens in one seed
npm run test:long -- --scenario NAME [--blow HOW@N]       tell what happens in one story, when its effect N goes wrong
                                                       (crashBefore, crashAfter, fail, lost)
  --mutants      only the mutants; --seeds is how many seeds each may take
  --no-mutants   only the seeds`;

/** How often progress is written where there is no terminal to write it over. */
const LOGGED_EVERY_MS = 60_000;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    first: { type: 'string', default: '1' },
    jobs: { type: 'string' },
    trace: { type: 'boolean', default: false },
    scenario: { type: 'string' },
    blow: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    'no-mutants': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) console.log(USAGE);
else process.exitCode = await main();

async function main(): Promise<number> {
  if (values.scenario !== undefined) return tellScenario(values.scenario, values.blow);
  const first = whole('first', values.first);
  const jobs = values.jobs === undefined ? {} : { jobs: whole('jobs', values.jobs) };
  if (values.trace) return tell(first, whole('seeds', values.seeds ?? '1'));
  let failed = 0;
  if (!values.mutants) failed += await search(first, whole('seeds', values.seeds ?? '100000'), jobs);
  if (values.mutants || (!values['no-mutants'] && values.seeds === undefined)) {
    failed += await hunt(first, values.mutants ? whole('seeds', values.seeds ?? '5000') : 5000, jobs);
  }
  if (values.seeds === undefined && !values.mutants && !values['no-mutants']) {
    failed += suite('test:chaos') + suite('test:kubernetes');
  }
  return failed > 0 ? 1 : 0;
}

/** What runs against real servers, in its own words. */
function suite(script: string): number {
  return spawnSync('npm', ['run', '--silent', script], { stdio: 'inherit' }).status === 0 ? 0 : 1;
}

function tellFound({ seed, wrong }: Found): void {
  if (process.stderr.isTTY) process.stderr.write('\r');
  console.log(`seed ${seed}: ${wrong}\n  replay: ${replayOf(seed)}`);
}

async function search(first: number, seeds: number, jobs: { jobs?: number }): Promise<number> {
  const began = performance.now();
  const rate = (ran: number) => (ran / ((performance.now() - began) / 1000)).toFixed(0);
  let told = began;
  let printed = 0;
  const { ran, found } = await runSeeds({
    first,
    seeds,
    ...jobs,
    onProgress: (done, bad) => {
      // What was found is told at once: the rest may take an hour.
      for (const one of bad.slice(printed)) tellFound(one);
      printed = bad.length;
      const line = `${done} of ${seeds} seeds, ${bad.length} failed, ${rate(done)}/s`;
      if (process.stderr.isTTY) process.stderr.write(`\r${line} `);
      else if (performance.now() - told > LOGGED_EVERY_MS) {
        told = performance.now();
        process.stderr.write(`${line}\n`);
      }
    },
  });
  if (process.stderr.isTTY) process.stderr.write('\r');
  console.log(`${ran} seeds, ${found.length} failed, ${rate(ran)} seeds a second`);
  return found.length;
}

async function hunt(first: number, seeds: number, jobs: { jobs?: number }): Promise<number> {
  let survived = 0;
  // What the shipped engine fails at too says nothing about a mutant.
  const plain = await runSeeds({ first, seeds: Math.min(seeds, 1000), ...jobs });
  const except = plain.found.map(({ seed }) => seed);
  for (const { name, seed } of MUTANTS) {
    const searched = { ...jobs, mutant: name, untilFound: true, except };
    const { ran, found } = await runSeeds({ first, seeds, ...searched });
    // Some are rarer than the search is long: then what is known of them has to hold still.
    const rare = found.length === 0 ? (await runSeeds({ first: seed, seeds: NEAR, ...searched })).found : [];
    const [caught] = [...found, ...rare];
    if (caught === undefined) survived += 1;
    const where = rare.length === 0 ? '' : `, which is known for it (none of ${ran} searched seeds did)`;
    const how =
      caught === undefined
        ? `SURVIVED ${ran} seeds`
        : `caught at seed ${caught.seed}${where}: ${caught.wrong}`;
    console.log(`mutant ${name}: ${how.split('\n')[0]!.slice(0, 160)}`);
  }
  console.log(`${MUTANTS.length} mutants, ${survived} survived`);
  return survived;
}

/** A dead process's code may still run into its end; nobody in the simulation sees that. */
function ignoreTheKilled(): void {
  process.on('unhandledRejection', (error) => {
    if (error instanceof Killed) return;
    throw error;
  });
}

async function tellScenario(name: string, blow: string | undefined): Promise<number> {
  const [how, at] = blow?.split('@') ?? [];
  const strike = BLOWS.find((known) => known === how);
  if (!Object.hasOwn(SCENARIOS, name) || (blow !== undefined && strike === undefined)) {
    console.error(`--scenario takes one of: ${Object.keys(SCENARIOS).join(', ')}; --blow HOW@N\n${USAGE}`);
    return 2;
  }
  ignoreTheKilled();
  const { wrong, trace } = await runScenario(
    name,
    strike === undefined ? undefined : { how: strike, at: whole('blow HOW@N', at ?? '') },
  );
  console.log(trace.join('\n'));
  console.log(`${name}${blow === undefined ? '' : `, ${blow}`}: ${wrong ?? 'nothing wrong'}`);
  return wrong === null ? 0 : 1;
}

async function tell(first: number, seeds: number): Promise<number> {
  ignoreTheKilled();
  let failed = 0;
  for (let seed = first; seed < first + seeds; seed += 1) {
    const { wrong, trace, hash, weather } = await runSeed(seed, true);
    console.log(`seed ${seed}: ${JSON.stringify(weather)}`);
    console.log(trace.join('\n'));
    console.log(`seed ${seed}, trace ${hash}: ${wrong ?? 'nothing wrong'}`);
    if (wrong !== null) failed += 1;
  }
  return failed > 0 ? 1 : 0;
}

function whole(name: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  console.error(`--${name} must be a whole number from 1\n${USAGE}`);
  process.exit(2);
}
