// deploy/tasklease.sh against the real agent, as a workload container without Node has it: under dash and busybox sh, the
// exit codes of `tasklease run`, kill -9 of the client and of the agent, and nothing left in Vault, PostgreSQL or tmpfs.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../architecture/sources.ts';
import { untilNothingAnsweredIsLeft } from '../harness/answered-logins.ts';
import { chosenSeed, seededRandom } from '../harness/random.ts';
import { database } from '../harness/sample-profiles.ts';
import { inParallel, pause, until, untilEmpty } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';
import { shells } from '../unit/deploy/shells.ts';

const SCRIPT = join(ROOT, 'deploy/tasklease.sh');

type Ended = { code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string };
type Running = { child: ChildProcess; ended: Promise<Ended>; stdout: () => string };

let world: World;
let scratch: string;
beforeAll(async () => {
  world = await createWorld({
    audit: true,
    profiles: { 'with-grace': { ...database, ttl: { default: '1s', max: '1m', grace: '1s' } } },
  });
  scratch = join(world.paths.scratch, 'tmp');
  await mkdir(scratch);
});
const clients = new Set<ChildProcess>();
afterAll(() => {
  for (const child of clients) child.kill('SIGKILL');
  return world?.close();
});

const begin = (shell: readonly string[], args: readonly string[]): Running => {
  const child = spawn(shell[0]!, [...shell.slice(1), SCRIPT, ...args], {
    env: { PATH: process.env.PATH!, TMPDIR: scratch, TASKLEASE_SOCKET: world.paths.socket },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  clients.add(child);
  child.once('close', () => clients.delete(child));
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr })),
  );
  return { child, ended, stdout: () => stdout };
};

const noFileLeft = () => until('no file of a client is left', () => readdirSync(scratch).length === 0);

/** Whatever was started by a client of ours and still runs, as `pid command`. */
const processesLeft = (): string[] =>
  readdirSync('/proc').flatMap((pid) => {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      if (!environment.includes(`TMPDIR=${scratch}`)) return [];
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return command === '' ? [] : [`${pid} ${command}`]; // a zombie has none
    } catch {
      return []; // gone, or no process
    }
  });

/** After kill -9 at any moment; a client that is killed while it makes its two pipes may leave them behind. */
const nothingOfClientsLeft = async (): Promise<void> => {
  await untilEmpty('no process of a client is left', async () => processesLeft());
  const left = readdirSync(scratch, { recursive: true, withFileTypes: true });
  expect(left.filter((entry) => !entry.isDirectory() && !entry.isFIFO()).map(({ name }) => name)).toEqual([]);
  await rm(scratch, { recursive: true });
  await mkdir(scratch);
};

describe.each(shells.map((shell) => [shell.join(' '), shell] as const))('under %s', (name, shell) => {
  const sh = (...args: string[]): Promise<Ended> => begin(shell, args).ended;
  const run = (...args: string[]): Promise<Ended> => sh('run', '--profile', 'database', ...args);
  const id = name.replaceAll(/[^a-z]/g, '');

  test('CMD has its secret while it runs, and its exit code is the answer', async () => {
    const script = '. "$TASKLEASE_DIR/db.env" && echo "$TASKLEASE_TASK $PGUSER" && exit 7';
    const end = await run('--task', `${id}-7`, '--', 'sh', '-c', script);
    expect(end, end.stderr).toMatchObject({ code: 7, stderr: '' });
    expect(end.stdout).toMatch(new RegExp(`^${id}-7 v-\\S+\n$`));
    expect((await world.api('GET', `/v1/tasks/${id}-7/receipt`)).body).toMatchObject({
      outcome: 'completed',
      leases: [{ proof: 'revoked' }],
    });
    expect((await run('--', 'true')).code).toBe(0);
    expect((await run('--', 'sh', '-c', 'kill -KILL $$')).code).toBe(137);
    await world.untilNothingLeft(1_000);
  });

  test('124 when the time is over, 125 when tasklease failed, 126 not executable, 127 not found', async () => {
    expect((await run('--duration', '1s', '--', 'sleep', '600')).code).toBe(124);
    const deaf = ['sh', '-c', 'trap "" TERM; while :; do sleep 0.05; done'];
    const killed = await sh('run', '--profile', 'with-grace', '--duration', '1s', '--', ...deaf);
    expect(killed.code).toBe(124);
    const unknown = await sh('run', '--profile', 'nothing-like-it', '--', 'true');
    expect(unknown).toMatchObject({ code: 125, stderr: expect.stringContaining('PROFILE_UNKNOWN') });
    const plain = join(world.paths.scratch, 'plain');
    await writeFile(plain, 'no program');
    await chmod(plain, 0o644);
    expect((await run('--', plain)).code).toBe(126);
    expect((await run('--', 'no-such-command-here')).code).toBe(127);
    await world.untilNothingLeft();
  });

  test('start and stop: 0 done, 1 refused, 3 no agent, 4 revocation still pending', async () => {
    const started = await sh(
      'start',
      '--profile',
      'database',
      '--task',
      `${id}-s`,
      '--event',
      'cron:nightly',
    );
    expect(started.code).toBe(0);
    expect(JSON.parse(started.stdout)).toMatchObject({
      state: 'active',
      event: { type: 'cron', id: 'nightly' },
    });
    expect((await sh('start', '--profile', 'database', '--task', `${id}-s`)).code).toBe(1);
    const stopped = await sh('stop', '--event', 'cron:nightly');
    expect(stopped.code).toBe(0);
    expect(JSON.parse(stopped.stdout).tasks).toMatchObject([{ task: `${id}-s`, state: 'closed' }]);
    expect((await sh('stop', `${id}-s`)).code).toBe(0);
    expect((await sh('stop', 'nobody-knows')).code).toBe(1);
    expect((await sh('stop', 'x', '--socket', join(scratch, 'none.sock'))).code).toBe(3);

    await sh('start', '--profile', 'database', '--task', `${id}-p`);
    process.kill(world.vault.pid, 'SIGSTOP');
    try {
      expect((await sh('stop', `${id}-p`, '--wait', '1s')).code).toBe(4);
      expect(world.taskDirs()).not.toContain(`${id}-p`);
    } finally {
      process.kill(world.vault.pid, 'SIGCONT');
    }
    await world.untilNothingLeft();
  });

  test('TERM reaches CMD, whose answer is the exit code; the kill switch ends it with 125', async () => {
    const trap = 'trap "exit 9" TERM; echo up; while :; do sleep 0.05; done';
    const told = begin(shell, ['run', '--profile', 'database', '--', 'sh', '-c', trap]);
    await until('CMD is up', () => told.stdout().includes('up'));
    told.child.kill('SIGTERM');
    expect((await told.ended).code).toBe(9);
    const cut = begin(shell, ['run', '--profile', 'database', '--', 'sh', '-c', trap]);
    await until('CMD is up', () => cut.stdout().includes('up'));
    await world.admin('POST', '/v1/revoke-all');
    expect((await cut.ended).code).toBe(125);
    await world.untilNothingLeft();
    await noFileLeft();
  });

  test('killed with -9: the role is gone within a second, CMD lives on without its secret', async () => {
    const args = [
      'run',
      '--profile',
      'database',
      '--task',
      `${id}-k`,
      '--',
      'sh',
      '-c',
      'echo $$; exec sleep 600',
    ];
    const running = begin(shell, args);
    await until('CMD is up', () => running.stdout().includes('\n'));
    expect(await world.pgRoles()).toHaveLength(1);
    running.child.kill('SIGKILL');
    await until(
      'role and file are gone within a second of kill -9',
      async () => !existsSync(join(world.paths.secrets, `${id}-k`)) && (await world.pgRoles()).length === 0,
      1_000,
    );
    process.kill(Number(running.stdout()), 'SIGKILL');
    await world.untilNothingLeft(1_000);
    await noFileLeft();
  });
});

test('the agent is killed with -9 and started again: CMD goes on with its secret, and the end is proved', async () => {
  const go = join(world.paths.scratch, 'go');
  const script = 'echo up; while [ ! -e "$1" ]; do sleep 0.1; done; cat "$TASKLEASE_DIR/db.json"; exit 3';
  const runs = shells.map((shell, n) => {
    const args = ['run', '--profile', 'database', '--task', `over-${n}`, '--', 'sh', '-c', script, 'sh', go];
    return { task: `over-${n}`, running: begin(shell, args) };
  });
  for (const { running } of runs) await until('CMD is up', () => running.stdout().includes('up'));
  const secrets = await Promise.all(runs.map(({ task }) => world.file(task, 'db.json')));
  await world.agent.kill9();
  await world.agent.start();
  // Longer than a connection has to come back.
  await pause(11_000);
  await writeFile(go, '');
  for (const [n, { task, running }] of runs.entries()) {
    const end = await running.ended;
    expect(end, end.stderr).toMatchObject({ code: 3, stdout: `up\n${secrets[n]}` });
    const receipt = (await world.api('GET', `/v1/tasks/${task}/receipt`)).body;
    expect(receipt).toMatchObject({ outcome: 'completed', leases: [{ proof: 'revoked' }] });
  }
  await world.untilNothingLeft(1_000);
  await noFileLeft();
});

/** Of the agent: a slow machine gets its work done after them. */
const KILLS = 6;

/**
 * A hundred runs, of which a third fail and a tenth are killed with -9 after a moment drawn at random. One that ended
 * with 125 and these words is begun anew a moment later: how long the agent is away is the machine's affair.
 */
const hundred = async (width: number, away?: RegExp): Promise<Record<string, number>> => {
  const random = seededRandom(chosenSeed('test/scenarios/shell-client.test.ts'));
  const plans = Array.from({ length: 100 }, (_, n) => ({
    shell: shells[n % shells.length]!,
    profile: ['database', 'one-time-password', 'certificate'][(n % 7) % 3]!,
    fails: n % 3 === 0,
    killAfterMs: n % 10 === 9 ? random() * 300 : undefined,
  }));
  const ends = await inParallel(plans, width, async ({ shell, profile, fails, killAfterMs }) => {
    const script = `cat "$TASKLEASE_DIR"/* > /dev/null && ${killAfterMs === undefined ? `exit ${fails ? 3 : 0}` : 'exec sleep 3'}`;
    for (;;) {
      const running = begin(shell, ['run', '--profile', profile, '--', 'sh', '-c', script]);
      if (killAfterMs !== undefined) setTimeout(() => running.child.kill('SIGKILL'), killAfterMs);
      const { code, signal, stderr } = await running.ended;
      if (code === 125 && away?.test(stderr) === true) await pause(200);
      else return signal ?? (code === 125 ? `125 ${stderr}` : String(code));
    }
  });
  const counts: Record<string, number> = {};
  for (const end of ends) counts[end] = (counts[end] ?? 0) + 1;
  return counts;
};

test('100 runs, a third failing, a tenth killed with -9 in the middle: nothing is left', async () => {
  expect(await hundred(4)).toEqual({ 0: 60, 3: 30, SIGKILL: 10 });
  await world.untilNothingLeft();
  await nothingOfClientsLeft();
}, 600_000);

test('the agent is killed with -9 in the middle of them: who has started ends with its own code, and nothing is left', async () => {
  let going = true;
  const random = seededRandom(chosenSeed('test/scenarios/shell-client.test.ts'));
  const kills = (async () => {
    for (let count = 0; ; count += 1) {
      await pause(500 + random() * 1000);
      if (!going || count === KILLS) return count;
      await world.agent.kill9();
      await world.agent.start();
    }
  })();
  // A start that finds no agent, or loses it, is refused with 125 and its sentence.
  const counts = await hundred(4, /no agent at|refused/).finally(() => {
    going = false;
  });
  expect(await kills).toBeGreaterThan(0);
  expect(counts[0]! + counts[3]!).toBeGreaterThan(30);
  expect(Object.keys(counts).filter((end) => !/^(?:0|3|SIGKILL)$/.test(end))).toEqual([]);

  await untilNothingAnsweredIsLeft(world);
  await nothingOfClientsLeft();
}, 600_000);
