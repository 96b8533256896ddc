// Bar 6, second half: `tasklease run`. Its exit code is the command's, or says what happened; whatever
// the end, the lease is gone, and with kill -9 within one second; both leases, when the task was just rotated.
import { existsSync, writeFileSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loginOf } from '../harness/file-login.ts';
import { letIn, overlapping, rotate } from '../harness/rotations.ts';
import { database } from '../harness/sample-profiles.ts';
import { expectProved, receiptOf } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld({
    profiles: {
      'with-grace': { ...database, ttl: { default: '1s', max: '1m', grace: '1s' } },
      overlapping: overlapping(0),
    },
  });
});
afterAll(() => world?.close());

const run = (...args: string[]) => world.cli(['run', '--profile', 'database', ...args]);

test('the child has its secret while it runs, and its exit code is the answer', async () => {
  const script =
    'test -s "$TASKLEASE_DIR/db.env" && cat "$TASKLEASE_DIR/db.env" && echo "$TASKLEASE_TASK" && exit 7';
  const result = await run('--task', 'build-7', '--', 'sh', '-c', script);
  expect(result).toMatchObject({ code: 7, stderr: '' });
  expect(result.stdout).toMatch(/^PGUSER=\S+\nPGPASSWORD=\S+\nbuild-7\n$/);
  const receipt = (await world.api('GET', '/v1/tasks/build-7/receipt')).body;
  expect(receipt).toMatchObject({ outcome: 'completed', leases: [{ proof: 'revoked' }] });
  await world.untilNothingLeft(1_000);
});

test('exit code 0 for success, 128 + n for a child that a signal ended', async () => {
  expect(await run('--', 'true')).toMatchObject({ code: 0, stdout: '', stderr: '' });
  expect(await run('--', 'sh', '-c', 'kill -KILL $$')).toMatchObject({ code: 137 });
  await world.untilNothingLeft(1_000);
});

test('exit code 124 when the asked duration is over', async () => {
  const result = await run('--duration', '1s', '--', 'sleep', '600');
  expect(result.code).toBe(124);
  expect(result.stderr).toMatch(/tim|over|deadline/i);
  await world.untilNothingLeft();
});

test('exit code 125 when tasklease failed: unknown profile, agent not reachable, Vault refuses', async () => {
  const unknown = await world.cli(['run', '--profile', 'nothing-like-it', '--', 'true']);
  expect(unknown.code).toBe(125);
  expect(unknown.stderr).toContain('nothing-like-it');
  const nobody = join(world.paths.scratch, 'nobody.sock');
  const unreachable = await world.cli(['run', '--socket', nobody, '--profile', 'database', '--', 'true']);
  expect(unreachable.code).toBe(125);
  expect(unreachable.stderr).toContain(nobody);
  expect((await world.cli(['run', '--profile', 'half-denied', '--', 'true'])).code).toBe(125);
  await world.untilNothingLeft(5_000);
});

test('exit codes 126 and 127 when the command cannot be executed or found', async () => {
  const script = join(world.paths.scratch, 'not-executable.sh');
  await writeFile(script, '#!/bin/sh\nexit 0\n');
  await chmod(script, 0o644);
  const notExecutable = await run('--', script);
  expect(notExecutable.code).toBe(126);
  expect(notExecutable.stderr).toContain(script);
  const notFound = await run('--', 'no-such-command-here');
  expect(notFound.code).toBe(127);
  expect(notFound.stderr).toContain('no-such-command-here');
  await world.untilNothingLeft(1_000);
});

test.each([
  { task: 'killed', profile: 'database', generations: 1 },
  { task: 'killed-twice', profile: 'overlapping', generations: 2 },
])(
  'killed with -9: every role is gone within a second, the command lives on without its secret; generations alive: $generations',
  async ({ task, profile, generations }) => {
    const pidFile = join(world.paths.scratch, `${task}.pid`);
    const running = world.startCli([
      ...['run', '--profile', profile, '--task', task, '--'],
      ...['sh', '-c', 'echo $$ > "$1.new" && mv "$1.new" "$1" && exec sleep 600', 'sh', pidFile],
    ]);
    await until('the command runs', () => existsSync(pidFile));
    const pid = Number(await readFile(pidFile, 'utf8'));
    try {
      const logins = [await loginOf(world, task)];
      if (generations === 2) {
        await rotate(world, task, profile, overlapping(1));
        logins.push(await loginOf(world, task));
      }
      expect(await letIn(world, logins)).toEqual(logins.map(() => true));
      expect(await world.pgRoles()).toHaveLength(generations);
      process.kill(running.pid, 'SIGKILL');
      await until(
        'roles and files are gone within a second of kill -9',
        async () => !existsSync(join(world.paths.secrets, task)) && (await world.pgRoles()).length === 0,
        1_000,
      );
      process.kill(pid, 0);
      expect(await letIn(world, logins)).toEqual(logins.map(() => false));
      const receipt = await receiptOf(world, task);
      expect(receipt).toMatchObject({ outcome: 'lost' });
      expectProved(receipt, generations);
    } finally {
      process.kill(pid, 'SIGKILL');
    }
    await world.untilNothingLeft(1_000);
  },
);

test('signals reach the command, and its answer to them is the exit code', async () => {
  const ready = join(world.paths.scratch, 'trap.ready');
  const script = 'trap "exit 9" TERM; : > "$1"; while :; do sleep 0.05; done';
  const running = world.startCli(['run', '--profile', 'database', '--', 'sh', '-c', script, 'sh', ready]);
  await until('the command runs', () => existsSync(ready));
  process.kill(running.pid, 'SIGTERM');
  expect(await running.ended).toMatchObject({ code: 9 });
  await world.untilNothingLeft(1_000);
});

test('a command that ignores SIGTERM is killed at the deadline: 124', async () => {
  const result = await world.cli([
    ...['run', '--profile', 'with-grace', '--duration', '1s', '--'],
    ...['sh', '-c', 'trap "" TERM; while :; do sleep 0.05; done'],
  ]);
  expect(result, result.stderr).toMatchObject({ code: 124 });
  await world.untilNothingLeft();
});

test('the agent is killed and restarted: the command notices nothing, and the end is proved all the same', async () => {
  const ready = join(world.paths.scratch, 'restart.ready');
  const done = join(world.paths.scratch, 'restart.done');
  const running = world.startCli([
    ...['run', '--profile', 'database', '--task', 'restarted', '--'],
    ...[
      'sh',
      '-c',
      ': > "$1"; while [ ! -e "$2" ]; do sleep 0.1; done; cat "$TASKLEASE_DIR/db.json"',
      'sh',
      ready,
      done,
    ],
  ]);
  await until('the command runs', () => existsSync(ready));
  const secret = await world.file('restarted', 'db.json');
  await world.agent.kill9();
  await world.agent.start();
  expect((await world.api('GET', '/v1/tasks/restarted')).body).toMatchObject({
    state: 'active',
    generation: 1,
  });
  writeFileSync(done, '');
  const result = await running.ended;
  expect(result, result.stderr).toMatchObject({ code: 0, stdout: secret });
  await world.untilNothingLeft();
});

test('the agent stopping the task ends the command', async () => {
  const ready = join(world.paths.scratch, 'revoked.ready');
  const running = world.startCli([
    ...['run', '--profile', 'database', '--task', 'cut-short', '--'],
    ...['sh', '-c', ': > "$1"; exec sleep 600', 'sh', ready],
  ]);
  await until('the command runs', () => existsSync(ready));
  expect([200, 202]).toContain((await world.admin('POST', '/v1/revoke-all')).status);
  expect(await running.ended).toMatchObject({ code: 125 });
  await world.untilNothingLeft();
});
