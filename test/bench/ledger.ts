// Owns two figures of the ledger: what it costs a task, on against off in one run, in turns; and how long it takes to
// verify a million records. `npm run bench:ledger [-- RECORDS]`; with 0 records the first figure alone.

import { join } from 'node:path';
import { openJournal } from '../../src/adapters/journal/sqlite-journal.ts';
import { command } from '../../src/commands/audit.ts';
import { ledgerWorld, life } from '../unit/adapters/ledger/ledger-world.ts';

const RECORDS = Number(process.argv[2] ?? 1_000_000);
const ROUNDS = 41;
const TASKS = 40;

type Side = 'on' | 'off';
interface Cost {
  readonly cpu: number;
  readonly wall: number;
}

/** A start and a stop, as a task that goes well writes them: each step waits for the one before, as in an agent. */
const startAndStop = (name: string) =>
  life(name).filter((step) => step.every(({ fact }) => fact.type !== 'revocation.failed'));

const world = ledgerWorld();
const journals = {
  on: world.open({ headEvery: 256 }),
  off: openJournal(join(world.dir, 'off.db'), 'boot-1'),
};

/** Milliseconds a task, of the clock and of the processor: all threads, so the syncs and the files are in it. */
async function cost(side: Side, round: number): Promise<Cost> {
  const lives = Array.from({ length: TASKS }, (_, i) => startAndStop(`t-${round}-${i}`));
  const begun = performance.now();
  const before = process.cpuUsage();
  for (const steps of lives) for (const step of steps) await journals[side].append(step);
  const { user, system } = process.cpuUsage(before);
  return { cpu: (user + system) / 1000 / TASKS, wall: (performance.now() - begun) / TASKS };
}

const rounds: Record<Side, Cost>[] = [];
// The first ones warm up what is compiled.
for (let round = -5; round < ROUNDS; round += 1) {
  const first: Side = round % 2 === 0 ? 'on' : 'off';
  const second: Side = first === 'on' ? 'off' : 'on';
  const pair = [await cost(first, round), await cost(second, round)] as const;
  if (round >= 0) rounds.push({ [first]: pair[0], [second]: pair[1] } as Record<Side, Cost>);
}
for (const what of ['cpu', 'wall'] as const) {
  const on = rounds.map((round) => round.on[what]);
  const off = rounds.map((round) => round.off[what]);
  const more = quartiles(rounds.map((round) => round.on[what] - round.off[what]));
  const name = what === 'cpu' ? 'processor' : 'clock';
  console.log(
    `${name.padEnd(9)} ${quartiles(on)[1]} ms a task with the ledger, ${quartiles(off)[1]} without; ` +
      `the ledger costs ${more[1]} (quartiles of ${ROUNDS} pairs: ${more[0]} to ${more[2]})`,
  );
}

function quartiles(list: readonly number[]): string[] {
  const sorted = list.toSorted((a, b) => a - b);
  return [1, 2, 3].map((n) => sorted[Math.floor((sorted.length * n) / 4)]!.toFixed(2));
}

let made = ROUNDS * TASKS * 10;
for (let i = 0; made < RECORDS; i += 1) {
  const lives = Array.from({ length: 200 }, (_, k) => life(`m-${i}-${k}`).flat());
  await Promise.all(lives.map((entries) => journals.on.append(entries)));
  made += lives.reduce((sum, entries) => sum + entries.length, 0);
}
journals.on.end();
journals.off.close();
if (RECORDS > 0) await verification();
world.remove();

async function verification(): Promise<void> {
  const file = join(world.dir, 'export.jsonl');
  await command.run(['export', '--ledger', world.ledgerDir, '-o', file]);
  const begun = performance.now();
  const before = process.cpuUsage();
  const code = await command.run(['verify', file]);
  console.log(
    `verified in ${((performance.now() - begun) / 1000).toFixed(1)} s, exit ${code}, ${made} facts`,
  );
  console.log(`processor ${(process.cpuUsage(before).user / 1e6).toFixed(1)} s`);
  console.log(`peak memory ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`);
}
