// Owns `npm run bench`: the agent beside its floor and beside what people use today, one run and one table. Speed is
// judged here, within one run, and never in the tests. Ends non-zero when a goal is missed.

import { readFileSync } from 'node:fs';
import { availableParallelism, loadavg, release } from 'node:os';
import { parseArgs } from 'node:util';
import { releaseChildren } from '../../src/dev/children.ts';
import { vaultBinary } from '../../src/dev/vault-binary.ts';
import { type Beginning, beginningOf, beginningOfTheAgent } from './beginnings.ts';
import { benchWorld } from './bench-world.ts';
import { consulTemplate } from './consul-template.ts';
import { type Contender, theAgent, theCommands, theFloor } from './contender.ts';
import { openCountingProxy, type Wire } from './counting-proxy.ts';
import { BENCH_PROFILES, ENGINES } from './engines.ts';
import { markdown } from './markdown.ts';
import { memoryMb } from './measure.ts';
import { openTools } from './other-tools.ts';
import { type EngineTable, type Report, rowOf, text, verdicts } from './report.ts';
import { blocks, latencies, warm, wires } from './rounds.ts';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    cycles: { type: 'string', default: '120' },
    'only-agent': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (options.help) {
  console.log(`Usage: npm run --silent bench -- [--json | --markdown] [--cycles N] [--only-agent]

  --json        the figures as JSON on standard output; progress goes to standard error
  --markdown    the same as README.md shows them
  --cycles N    measured cycles for each latency (default 120)
  --only-agent  without the other tools: the floor, the agent and the goals`);
  process.exit(0);
}
const CYCLES = Number(options.cycles);
if (!Number.isInteger(CYCLES) || CYCLES < 1) {
  console.error(`bench: --cycles ${options.cycles} is not a whole number above 0`);
  process.exit(2);
}
const step = (what: string): void => console.error(`… ${what}`);

const startedAt = performance.now();
const [busy = 0] = loadavg();
if (busy > 0.7) console.error(`load ${busy.toFixed(1)}: others work here too, figures will be too high`);
const vault = await vaultBinary();
const consul = options['only-agent'] ? { why: '--only-agent' } : await consulTemplate();
const missing =
  'why' in consul && !options['only-agent'] ? [`no row for consul-template: ${consul.why}`] : [];

const world = await benchWorld(BENCH_PROFILES, 10_000);
try {
  const openContenders = async (port: number) => {
    const tools = options['only-agent']
      ? null
      : await openTools(world, {
          vault: vault.path,
          consulTemplate: 'path' in consul ? consul.path : null,
          port,
        });
    for (const engine of ENGINES) await tools?.prepare(engine);
    const contenders: Contender[] = [await theFloor(world, port), theAgent(world)];
    if (tools !== null) contenders.push(theCommands(world), ...tools.contenders);
    return { contenders, tools };
  };
  const { contenders, tools } = await openContenders(world.vault.port);

  step('exec to first answer, and idle memory');
  const beginnings: Beginning[] = [await beginningOfTheAgent(world)];
  for (const resident of (await tools?.residents(ENGINES[0]!)) ?? []) {
    beginnings.push(await beginningOf(world, resident));
  }

  step('some hundred tasks that nobody measures');
  for (const engine of ENGINES) if (engine.leases === null) await warm(engine, contenders);

  const measured = [];
  for (const engine of ENGINES) {
    step(`${engine.name}: one task at a time`);
    const seen = await latencies(engine, contenders, CYCLES);
    step(`${engine.name}: 1, 8 and 32 at once`);
    measured.push({ engine, seen, blocks: await blocks(engine, contenders, world.vault.pid) });
    await tools?.tidy(engine);
  }
  const memoryAfterMb = memoryMb(world.agent.pid);

  step('bytes on the wire');
  const proxy = await openCountingProxy(world.vault.port);
  const bytes = new Map<string, Map<string, Wire>>();
  try {
    await world.agent.term();
    await world.configure((config) => {
      config.vault.address = `http://127.0.0.1:${proxy.port}`;
    });
    await world.agent.start();
    const through = await openContenders(proxy.port);
    for (const engine of ENGINES) bytes.set(engine.name, await wires(engine, through.contenders, proxy));
  } finally {
    proxy.close();
  }

  const engines: EngineTable[] = measured.map(({ engine, seen, blocks: measuredBlocks }) => ({
    engine: engine.name,
    rows: contenders.map((who) =>
      rowOf(
        who,
        seen.get(who.name)!,
        measuredBlocks.get(who.name)!,
        bytes.get(engine.name)?.get(who.name) ?? null,
      ),
    ),
  }));
  const report: Report = {
    machine: {
      cores: availableParallelism(),
      processor: /^model name\s*: (.+)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown',
      kernel: release(),
      node: process.versions.node,
      vault: vault.version,
      'load at the start': Number(busy.toFixed(1)),
      cycles: CYCLES,
    },
    engines,
    beginnings,
    memoryAfterMb,
    missing,
    seconds: (performance.now() - startedAt) / 1000,
  };
  const judged = verdicts(report);
  console.log(
    options.json
      ? JSON.stringify({ ...report, goals: judged }, null, 2)
      : options.markdown
        ? markdown(report)
        : text(report),
  );
  process.exitCode = judged.every(({ met }) => met) ? 0 : 1;
} finally {
  await world.close();
  await releaseChildren();
}
