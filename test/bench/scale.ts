// Owns the bars about many tasks: ten thousand alive at once (memory, idle CPU, restart with adoption), the kill
// switch for all of them against a bare client in the same run, and memory over twenty thousand cycles. Ends
// non-zero when a bar is missed. `npm run bench:scale [-- TASKS CYCLES]`.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { releaseChildren } from '../../src/dev/children.ts';
import { certificate, database } from '../harness/sample-profiles.ts';
import { inParallel, pause, until } from '../harness/until.ts';
import type { World } from '../harness/world.ts';
import { bareClient, type Kind, sessionOf } from './bare-client.ts';
import { benchWorld } from './bench-world.ts';
import { expectStatus, keptAlive, memoryMb, percentile, type Send } from './measure.ts';

const TASKS = Number(process.argv[2] ?? 10_000);
const CYCLES = Number(process.argv[3] ?? 20_000);
const LANES = 32;
const BARS = { rssMb: 250, idleShare: 0.03, restartMs: 5000, growth: 1.1, filesMs: 1000, pace: 0.9 };

let missed = 0;
function bar(name: string, value: string, limit: string, met: boolean): void {
  if (!met) missed += 1;
  console.log(`${name.padEnd(58)}${value.padStart(12)}   bar ${limit}: ${met ? 'met' : 'MISSED'}`);
}
const say = (name: string, value: string): void => console.log(`${name.padEnd(58)}${value.padStart(12)}`);
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** A certificate with an EC key, or a login, under a lease as long as the task. */
const ttl = { default: '2h', max: '2h', grace: '0s' };
const long = { bench: { ...certificate, ttl }, 'bench-database': { ...database, ttl } };

/** Processor time of a process so far, in milliseconds: proc_pid_stat(5), in ticks of 10 ms. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function startMany(agent: Send, prefix: string, count: number, profile = 'bench'): Promise<void> {
  let done = 0;
  const tasks = Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
  await inParallel(tasks, LANES, async (task) => {
    expectStatus(await agent('PUT', `/v1/tasks/${task}`, { profile }), 201, `start of ${task}`);
    done += 1;
    if (done % 1000 === 0) console.log(`  … ${done} tasks started`);
  });
}

async function live(world: World, agent: Send): Promise<void> {
  const startedAt = performance.now();
  await startMany(agent, 'live', TASKS);
  say(`${TASKS} starts`, seconds(performance.now() - startedAt));
  await pause(3000);
  const busy = cpuMs(world.agent.pid);
  const SPAN_MS = 20_000;
  await pause(SPAN_MS);
  const share = (cpuMs(world.agent.pid) - busy) / SPAN_MS;
  const { rss } = memoryMb(world.agent.pid);
  bar(`RSS with ${TASKS} living tasks`, `${rss.toFixed(0)} MB`, `${BARS.rssMb} MB`, rss <= BARS.rssMb);
  bar('idle CPU between renewals', `${(share * 100).toFixed(2)} %`, '3 % of a core', share <= BARS.idleShare);
}

async function restart(world: World, agent: Send): Promise<void> {
  await world.agent.kill9();
  const startedAt = performance.now();
  await world.agent.launch();
  await world.agent.ready();
  const took = performance.now() - startedAt;
  bar('kill -9 to ready again, all taken over', seconds(took), '5 s', took <= BARS.restartMs);
  const tasks = expectStatus(await agent('GET', '/v1/tasks'), 200, 'list').tasks as { state: string }[];
  const adopted = tasks.filter(({ state }) => state === 'active').length;
  bar('tasks alive after it', String(adopted), String(TASKS), adopted === TASKS);
  await pause(3000);
  const { rss } = memoryMb(world.agent.pid);
  bar('RSS after the restart', `${rss.toFixed(0)} MB`, `${BARS.rssMb} MB`, rss <= BARS.rssMb);
}

interface Switched extends Kind {
  readonly tasks: number;
}

/** Certificates ask next to nothing of Vault, so that they show what the agent adds; database logins are what most have. */
const SWITCHED: readonly Switched[] = [
  {
    name: 'certificate',
    profile: 'bench',
    policy: 'tasklease-deploy-cert',
    method: 'PUT',
    path: '/v1/pki/issue/app',
    body: { common_name: 'bare.app.internal', ttl: '7200s' },
    tasks: 1000,
  },
  {
    name: 'database login',
    profile: 'bench-database',
    policy: 'tasklease-report-read',
    method: 'GET',
    path: '/v1/database/creds/report',
    tasks: 200,
  },
];
const ROUNDS = 5;

/** Files gone within a second, and revocations at the pace of a client that does nothing else. */
async function killSwitch(world: World, kind: Switched): Promise<void> {
  const { name, profile, tasks } = kind;
  const vault = { host: '127.0.0.1', port: world.vault.port };
  const session = await sessionOf(world);
  const rates: { bare: number; agent: number }[] = [];
  const fileMs: number[] = [];
  const perSecond = (startedAt: number): number => (tasks * 1000) / (performance.now() - startedAt);

  async function byHand(): Promise<number> {
    const bare = bareClient(keptAlive(vault, 64), session, kind);
    const held = await inParallel(Array.from({ length: tasks }), LANES, () => bare.start());
    const startedAt = performance.now();
    await inParallel(held, LANES, (one) => bare.stop(one));
    return perSecond(startedAt);
  }

  async function bySwitch(round: number): Promise<number> {
    const agent = keptAlive({ socketPath: world.paths.socket }, LANES);
    await startMany(agent, `${profile}-${round}`, tasks, profile);
    const startedAt = performance.now();
    const answered = keptAlive({ socketPath: world.paths.admin })('POST', '/v1/revoke-all?wait=10m');
    await until('all files are gone', () => readdirSync(world.paths.secrets).length === 0, 60_000);
    fileMs.push(performance.now() - startedAt);
    expectStatus(await answered, 200, 'revoke-all');
    return perSecond(startedAt);
  }

  for (let round = 0; round < ROUNDS; round += 1) {
    // Who goes first changes, so that neither always finds the machine warm.
    const first = round % 2 === 0 ? await byHand() : undefined;
    const agent = await bySwitch(round);
    rates.push({ bare: first ?? (await byHand()), agent });
  }
  const middle = (values: number[]): number => percentile(values, 0.5);
  const files = middle(fileMs);
  bar(`revoke-all: files of ${tasks} tasks gone`, `${files.toFixed(0)} ms`, '1 s', files <= BARS.filesMs);
  say(`${name}: revocations a second, bare client`, middle(rates.map(({ bare }) => bare)).toFixed(0));
  say(`${name}: revocations a second, revoke-all`, middle(rates.map(({ agent }) => agent)).toFixed(0));
  // Of neighbours in time: what else the machine does hits both.
  const ratios = rates.map(({ bare, agent }) => agent / bare);
  const pace = middle(ratios);
  const all = ratios.map((ratio) => ratio.toFixed(2)).join(' ');
  bar(`${name}: revoke-all against the bare client`, pace.toFixed(2), `0.90 (${all})`, pace >= BARS.pace);
}

async function cycles(world: World, agent: Send): Promise<void> {
  const seen: number[] = [];
  const quarter = Math.max(1, Math.floor(CYCLES / 4));
  let n = 0;
  await inParallel(Array.from({ length: CYCLES }), LANES, async () => {
    n += 1;
    const mine = n;
    const path = `/v1/tasks/cycle-${mine}`;
    const body = { profile: 'key-value', params: { env: 'prod' } };
    expectStatus(await agent('PUT', path, body), 201, 'start');
    expectStatus(await agent('DELETE', `${path}?wait=60s`), 200, 'stop');
    if (mine % quarter !== 0) return;
    const { rss } = memoryMb(world.agent.pid);
    seen.push(rss);
    say(`RSS after ${mine} cycles`, `${rss.toFixed(0)} MB`);
  });
  const growth = seen.at(-1)! / seen[0]!;
  bar(
    `RSS after ${CYCLES} cycles against a quarter of them`,
    growth.toFixed(2),
    '1.10',
    growth <= BARS.growth,
  );
}

const world = await benchWorld(long, 100_000);
try {
  const agent = keptAlive({ socketPath: world.paths.socket }, LANES);
  await live(world, agent);
  await restart(world, agent);
  const admin = keptAlive({ socketPath: world.paths.admin });
  expectStatus(await admin('POST', '/v1/revoke-all?wait=10m'), 200, `revoke all of the ${TASKS}`);
  for (const kind of SWITCHED) await killSwitch(world, kind);
  if (CYCLES > 0) await cycles(world, agent);
  const journal = join(world.paths.state, 'journal.db');
  if (existsSync(journal))
    say('tasks on record, directories left', String(readdirSync(world.paths.secrets).length));
} finally {
  await world.close();
  await releaseChildren();
}
process.exitCode = missed === 0 ? 0 : 1;
