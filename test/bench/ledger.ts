// Owns two figures of the ledger: what it costs a task, on against off in one run, in turns; and how long it takes to
// verify a million records. `npm run bench:ledger [-- RECORDS]`.

import { join } from 'node:path';
import { openJournal } from '../../src/adapters/journal/sqlite-journal.ts';
import { command } from '../../src/commands/audit.ts';
import { ledgerWorld, life } from '../unit/adapters/ledger/ledger-world.ts';

const RECORDS = Number(process.argv[2] ?? 1_000_000);
const ROUNDS = 10;
const TASKS = 100;

const world = ledgerWorld();
const on = world.open({ headEvery: 256 });
const off = openJournal(join(world.dir, 'off.db'), 'boot-1');
const cpu = { on: [] as number[], off: [] as number[] };
const times = { on: [] as number[], off: [] as number[] };
for (let round = 0; round < ROUNDS; round += 1) {
  for (const which of round % 2 === 0 ? (['on', 'off'] as const) : (['off', 'on'] as const)) {
    const begun = performance.now();
    const before = process.cpuUsage();
    for (let i = 0; i < TASKS; i += 1) {
      for (const step of life(`t-${round}-${i}`)) await (which === 'on' ? on : off).append(step);
    }
    times[which].push((performance.now() - begun) / TASKS);
    const { user, system } = process.cpuUsage(before);
    cpu[which].push((user + system) / 1000 / TASKS);
  }
}
const median = (list: number[]): number => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!;
console.log(
  `a task's facts: ${median(times.on).toFixed(2)} ms with the ledger, ${median(times.off).toFixed(2)} ms without`,
);
console.log(`of which processor: ${median(cpu.on).toFixed(2)} ms and ${median(cpu.off).toFixed(2)} ms`);
let made = ROUNDS * TASKS * 11;
for (let i = 0; made < RECORDS; i += 1) {
  const lives = Array.from({ length: 200 }, (_, k) => life(`m-${i}-${k}`).flat());
  await Promise.all(lives.map((entries) => on.append(entries)));
  made += lives.reduce((sum, entries) => sum + entries.length, 0);
}
on.end();
off.close();
const file = join(world.dir, 'export.jsonl');
await command.run(['export', '--ledger', world.ledgerDir, '-o', file]);
const begun = performance.now();
const cpuBegun = process.cpuUsage();
const code = await command.run(['verify', file]);
console.log(`verified in ${((performance.now() - begun) / 1000).toFixed(1)} s, exit ${code}, ${made} facts`);
console.log(`processor ${(process.cpuUsage(cpuBegun).user / 1e6).toFixed(1)} s`);
console.log(`peak memory ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`);
world.remove();
