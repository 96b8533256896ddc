// The socket API for shells (README, Command line): what the commands print, and their exit codes.
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world?.close());

test('start, status, events, stop: a life in a shell', async () => {
  const events = world.startCli(['events', '--output', 'json']);
  await until('the stream is open', async () => {
    // A fact that comes after the stream is seen on it; the first start may be too early for that.
    const task = `probe-${Date.now()}`;
    await world.cli(['start', '--profile', 'key-value', '--param', 'env=prod', '--task', task]);
    await world.cli(['stop', task]);
    return events.stdout().includes(task);
  });

  const started = await world.cli([
    ...['start', '--profile', 'database', '--task', 'shell-1', '--duration', '5m'],
    ...['--event', 'pull_request:acme/shop#412', '--output', 'json'],
  ]);
  expect(started, started.stderr).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(started.stdout)).toMatchObject({ task: 'shell-1', state: 'active', profile: 'database' });

  const shown = await world.cli(['status', 'shell-1', '--output', 'json']);
  expect(JSON.parse(shown.stdout)).toMatchObject({ task: 'shell-1', state: 'active' });
  const table = await world.cli(['status']);
  expect(table, table.stderr).toMatchObject({ code: 0 });
  expect(table.stdout).toMatch(/shell-1\s+active\s+database\s+pull_request:acme\/shop#412/);

  const stopped = await world.cli(['stop', 'shell-1', '--output', 'json']);
  expect(stopped, stopped.stderr).toMatchObject({ code: 0 });
  expect(JSON.parse(stopped.stdout)).toMatchObject({ state: 'closed', leases: [{ proof: 'revoked' }] });
  await world.untilNothingLeft(1_000);

  const told = (): string[] =>
    events
      .stdout()
      .split('\n')
      .filter((line) => line.includes('"shell-1"'))
      .map((line) => JSON.parse(line).type);
  await until('the end is told', () => told().includes('grant.closed'));
  expect(told()[0]).toBe('grant.accepted');
  events.child.kill('SIGINT');
  await events.ended;
});

test('stop by the business event', async () => {
  await world.cli(['start', '--profile', 'database', '--task', 'ev-1', '--event', 'deploy:42']);
  await world.cli(['start', '--profile', 'database', '--task', 'ev-2', '--event', 'deploy:42']);
  const stopped = await world.cli(['stop', '--event', 'deploy:42', '--wait', '30s']);
  expect(stopped, stopped.stderr).toMatchObject({ code: 0 });
  await world.untilNothingLeft(1_000);
});

test('exit 1: refused, with what failed, why, and what to do next', async () => {
  const refused = await world.cli(['start', '--profile', 'half-denied', '--task', 'no']);
  expect(refused.code).toBe(1);
  expect(refused.stdout).toBe('');
  expect(refused.stderr).toContain('VAULT_DENIED');
  expect(refused.stderr).toContain('database/creds/forbidden');
  expect((await world.cli(['status', 'nobody-knows'])).code).toBe(1);
});

test('exit 2: usage', async () => {
  for (const args of [
    ['start'],
    ['stop'],
    ['start', '--zqx'],
    ['zqx'],
    ['stop', '../x'],
    ['status', 'a', 'b'],
  ]) {
    const result = await world.cli(args);
    expect(result, `${args.join(' ')}: ${result.stderr}`).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).not.toBe('');
  }
});

test('exit 3: the agent is not reachable', async () => {
  const socket = join(world.paths.scratch, 'nobody.sock');
  for (const args of [
    ['status'],
    ['start', '--profile', 'database'],
    ['stop', 'a'],
    ['events'],
    ['health'],
  ]) {
    const result = await world.cli([...args, '--socket', socket]);
    expect(result, `${args.join(' ')}: ${result.stderr}`).toMatchObject({ code: 3 });
    expect(result.stderr).toContain(socket);
  }
});

test('exit 4: the revocation is still pending', async () => {
  await world.cli(['start', '--profile', 'database', '--task', 'pending']);
  await world.postgres.stop();
  const stopped = await world.cli(['stop', 'pending', '--wait', '1s']);
  expect(stopped, stopped.stderr).toMatchObject({ code: 4 });
  expect(world.taskDirs()).toEqual([]);
  await world.postgres.start();
  await world.untilNothingLeft();
});

test('drain and revoke-all on the admin socket', async () => {
  await world.cli(['start', '--profile', 'database', '--task', 'killed']);
  const result = await world.cli(['revoke-all', '--socket', world.paths.admin]);
  expect(result, result.stderr).toMatchObject({ code: 0 });
  await world.untilNothingLeft(1_000);
  expect((await world.cli(['drain', '--socket', world.paths.admin])).code).toBe(0);
  const refused = await world.cli(['start', '--profile', 'database', '--task', 'late']);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('DRAINING');
});

test('every command has help with an example', async () => {
  for (const command of ['agent', 'run', 'start', 'stop', 'status', 'events', 'health', 'dev']) {
    const result = await world.cli([command, '--help']);
    expect(result, result.stderr).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).toMatch(new RegExp(`tasklease ${command}\\b`));
    expect(result.stdout).toMatch(/example/i);
  }
});
