// A thousand `await using` scopes in a hundred programs; a third of them throw, and each program is killed with -9 in
// the middle of its last one. And while the agent itself is killed. Nothing is left, in Vault, PostgreSQL or tmpfs.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bareEnvironment } from '../../src/dev/agent-process.ts';
import { untilNothingAnsweredIsLeft } from '../harness/answered-logins.ts';
import { chosenSeed, seededRandom } from '../harness/random.ts';
import type { Said, Work } from '../harness/scope-worker.ts';
import { inParallel, pause, until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

const PROGRAM = fileURLToPath(new URL('../harness/scope-worker.ts', import.meta.url));
const STARTS: Work['start'][] = [
  { profile: 'database' },
  { profile: 'one-time-password', bind: { connection: true } },
  { profile: 'database', bind: { connection: true } },
  { profile: 'key-value', params: { env: 'prod' } },
];
const MOMENTS: Work['killAt'][] = ['starting', 'started', 'reading', 'stopping'];
const SCOPES_EACH = 10;
/** Of the agent: a slow machine gets its work done after them. */
const KILLS = 6;
/** Programs at a time. */
const WIDTH = 4;

let world: World;
beforeAll(async () => {
  world = await createWorld({ audit: true });
});
const running = new Set<ChildProcess>();
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
  return world?.close();
});

/** Runs a program to its end, which is SIGKILL, and answers what it said. */
const run = (work: Work): Promise<Said[]> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, JSON.stringify(work)], {
      env: { ...bareEnvironment(), TASKLEASE_SOCKET: world.paths.socket },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    child.once('close', (code, signal) => {
      running.delete(child);
      if (signal !== 'SIGKILL' || err !== '')
        reject(new Error(`program ${work.first}: ${code} ${signal} ${err}`));
      else
        resolve(
          out
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line)),
        );
    });
  });

const programs = (count: number, persistent: boolean): Work[] => {
  const random = seededRandom(chosenSeed('test/scenarios/client-scopes.test.ts'));
  return Array.from({ length: count }, (_, n) => ({
    first: n * SCOPES_EACH,
    scopes: SCOPES_EACH,
    start: STARTS[n % STARTS.length]!,
    killAt: MOMENTS[Math.floor(random() * MOMENTS.length)]!,
    killAfterMs: random() * 15,
    persistent,
  }));
};

/** How many scopes ended how. */
const tally = (said: readonly Said[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { end, code = '' } of said) counts[end + code] = (counts[end + code] ?? 0) + 1;
  return counts;
};

test('1,000 scopes, a third throwing, a tenth killed with -9 in the middle: nothing is left', async () => {
  const facts = await world.open('GET', '/v1/events');
  const said = (await inParallel(programs(100, false), WIDTH, run)).flat();
  const killed = 100;
  const threw = said.filter(({ scope }) => scope % 3 === 0 && scope % SCOPES_EACH !== 9).length;
  expect(tally(said)).toEqual({ returned: 1000 - killed - threw, threw, killing: killed });
  expect(threw).toBe(300);

  await world.untilNothingLeft();
  const told = (type: string) =>
    facts.lines
      .filter((fact) => fact.type === type)
      .map(({ task }) => task)
      .sort();
  const accepted = told('grant.accepted');
  await until(
    'every task that was accepted is closed',
    () => told('grant.closed').length === accepted.length,
  );
  expect(told('grant.closed')).toEqual(accepted);
  // Those that were killed before the agent had heard of them never were.
  expect(accepted.length).toBeGreaterThanOrEqual(1000 - killed);
  expect(new Set(accepted).size).toBe(accepted.length);
  facts.close();
}, 300_000);

test('the agent is killed with -9 in the middle of it: every scope gets its secret, and nothing is left', async () => {
  let going = true;
  const random = seededRandom(chosenSeed('test/scenarios/client-scopes.test.ts'));
  const kills = (async () => {
    let count = 0;
    for (; going && count < KILLS; count += 1) {
      await pause(500 + random() * 1000);
      await world.agent.kill9();
      await world.agent.start();
    }
    return count;
  })();
  const work = programs(20, true);
  const said = (
    await inParallel(work, WIDTH, run).finally(() => {
      going = false;
    })
  ).flat();
  expect(await kills).toBeGreaterThan(1);
  expect(tally(said)).toEqual({ returned: 120, threw: 60, killing: 20 });

  // What is bound to a process or a connection that is gone ends by itself, after the 10 s that a connection has.
  await untilNothingAnsweredIsLeft(world);
}, 300_000);
