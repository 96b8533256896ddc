// Owns bar 9: what the agent adds to the floor, which is a bare client that makes the same Vault calls in
// the same run, in alternation, one task at a time. Speed is judged here, as a difference within one run,
// and never in the tests. Ends non-zero when a bar is missed. `npm run bench [-- CYCLES]`.
import { availableParallelism, loadavg } from 'node:os';
import { releaseChildren } from '../../src/dev/children.ts';
import { pause, until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';
import { bareClient, type Kind, sessionOf } from './bare-client.ts';
import { expectStatus, keptAlive, memoryMb, percentile, timed } from './measure.ts';

const CYCLES = Number(process.argv[2] ?? 120);
const WARM_UP = 10;
const BARS = { addedMs: 6, firstAnswerMs: 500, idleMb: 100 };

const KINDS: Kind[] = [
  {
    name: 'PostgreSQL login',
    profile: 'database',
    policy: 'tasklease-report-read',
    method: 'GET',
    path: '/v1/database/creds/report',
  },
  {
    name: 'SSH one-time password',
    profile: 'one-time-password',
    policy: 'tasklease-test-otp',
    method: 'PUT',
    path: '/v1/ssh/creds/otp',
    body: { ip: '127.0.0.1' },
  },
];

const ms = (value: number): string => value.toFixed(1).padStart(8);
let missed = 0;
const bar = (met: boolean): string => {
  if (!met) missed += 1;
  return met ? 'met' : 'MISSED';
};

const compare = async (world: World, kind: Kind): Promise<void> => {
  const bare = bareClient(
    keptAlive({ host: '127.0.0.1', port: world.vault.port }),
    await sessionOf(world),
    kind,
  );
  const agent = keptAlive({ socketPath: world.paths.socket });
  const times = { bareStart: [], bareStop: [], agentStart: [], agentStop: [] } as Record<string, number[]>;
  for (let n = -WARM_UP; n < CYCLES; n += 1) {
    const into = n < 0 ? { bareStart: [], bareStop: [], agentStart: [], agentStop: [] } : times;
    const byHand = async (): Promise<void> => {
      const held = await timed(into.bareStart!, bare.start);
      await timed(into.bareStop!, () => bare.stop(held));
    };
    const byAgent = async (): Promise<void> => {
      const path = `/v1/tasks/${kind.profile}-${n + WARM_UP}`;
      const start = () => agent('PUT', path, { profile: kind.profile, duration: '10m' });
      expectStatus(await timed(into.agentStart!, start), 201, 'start');
      expectStatus(await timed(into.agentStop!, () => agent('DELETE', `${path}?wait=30s`)), 200, 'stop');
    };
    // Who goes first changes, so that neither always finds the machine warm.
    for (const cycle of n % 2 === 0 ? [byHand, byAgent] : [byAgent, byHand]) await cycle();
  }
  console.log(
    `\n${kind.name}, ${CYCLES} cycles         bare p50   agent p50   added p50    ratio   agent p95`,
  );
  for (const step of ['Start', 'Stop']) {
    const [floor, ours] = [times[`bare${step}`]!, times[`agent${step}`]!];
    const added = percentile(ours, 0.5) - percentile(floor, 0.5);
    console.log(
      `  ${step.toLowerCase().padEnd(34)}${ms(percentile(floor, 0.5))}    ${ms(percentile(ours, 0.5))}    ${ms(added)}` +
        `   ${(percentile(ours, 0.5) / percentile(floor, 0.5)).toFixed(2).padStart(6)}    ${ms(percentile(ours, 0.95))}` +
        `   bar ${BARS.addedMs} ms added: ${bar(added <= BARS.addedMs)}`,
    );
  }
};

const [busy = 0] = loadavg();
console.log(
  `${availableParallelism()} cores, load ${busy.toFixed(1)}${busy > 0.7 ? ': others work here too, figures will be too high' : ''}`,
);
const world = await createWorld({ config: { log: { level: 'warn' } } });
try {
  const firstAnswers: number[] = [];
  const idle: { rss: number; anonymous: number }[] = [];
  for (let round = 0; round < 5; round += 1) {
    await world.agent.term();
    const startedAt = performance.now();
    await world.agent.launch();
    await until(
      'the first answer',
      async () => (await world.api('GET', '/v1/health')).status === 200,
      30_000,
    );
    firstAnswers.push(performance.now() - startedAt);
    await world.agent.ready();
    // Idle is what it settles to, not the moment after the start.
    await pause(1_500);
    idle.push(memoryMb(world.agent.pid));
  }
  for (const kind of KINDS) await compare(world, kind);
  const first = percentile(firstAnswers, 0.5);
  const rss = percentile(
    idle.map((each) => each.rss),
    0.5,
  );
  const anonymous = percentile(
    idle.map((each) => each.anonymous),
    0.5,
  );
  const after = memoryMb(world.agent.pid);
  console.log(`
first answer after exec, p50 of 5    ${ms(first)} ms   bar ${BARS.firstAnswerMs} ms: ${bar(first <= BARS.firstAnswerMs)}
idle RSS, p50 of 5                   ${ms(rss)} MB   bar ${BARS.idleMb} MB: ${bar(rss <= BARS.idleMb)}   (anonymous ${anonymous.toFixed(1)} MB)
RSS after all cycles                 ${ms(after.rss)} MB   (anonymous ${after.anonymous.toFixed(1)} MB)`);
} finally {
  await world.close();
  await releaseChildren();
}
process.exitCode = missed === 0 ? 0 : 1;
