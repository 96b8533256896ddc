// `tasklease extend` and `abandon`, and what start and status say of children, generations and troubles: every
// reply of the agent, as a shell sees it.

import { describe, expect, test } from 'vitest';
import { tasklease } from './command-line.ts';
import { granted, json, problem, receipt } from './fake-agent.ts';
import { agent, cli } from './with-agent.ts';

describe('extend', () => {
  test('asks for the duration and shows the deadline as it is then', async () => {
    agent.on('POST /v1/tasks/*/extend', json(200, granted('t1', { deadlineMs: 675_000 })));
    const { code, stdout, stderr } = await cli('extend', 't1', '--duration', '10m');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^deadline +\S+ \(in 1[01]m\d+s\)$/m);
    expect(agent.seen).toEqual([{ method: 'POST', url: '/v1/tasks/t1/extend', body: { duration: '10m' } }]);
  });

  test('exits 1 with the agent’s words where the profile does not allow it', async () => {
    agent.on(
      'POST /v1/tasks/*/extend',
      problem(403, 'PROFILE_DENIED', 'profile p does not allow it', 'set ttl.extend: true in p.yaml'),
    );
    expect(await cli('extend', 't1', '--duration', '10m')).toMatchObject({
      code: 1,
      stderr:
        'tasklease: PROFILE_DENIED profile p does not allow it\n  next: set ttl.extend: true in p.yaml\n',
    });
  });

  test('says which option a refused duration is', async () => {
    agent.on(
      'POST /v1/tasks/*/extend',
      problem(400, 'SIGNAL_INVALID', 'duration must be at least 1s', 'send a body like {"duration": "10m"}'),
    );
    expect((await cli('extend', 't1', '--duration', '0s')).stderr).toContain('next: correct --duration D');
  });

  test.each([
    ['no task', [], 'extend needs a task'],
    ['no duration', ['t1'], 'extend needs a duration'],
    ['a bad duration', ['t1', '--duration', 'more'], '"more" is not a duration'],
    ['a bad task id', ['../x', '--duration', '1m'], '"../x" is not a task id'],
  ])('%s: exit 2 and nothing is asked', async (_what, args, words) => {
    const { code, stderr } = await cli('extend', ...args);
    expect(code).toBe(2);
    expect(stderr).toContain(words);
    expect(agent.seen).toEqual([]);
  });
});

describe('abandon', () => {
  test('gives the reason on the admin socket, prints the receipt and warns of what is unproved', async () => {
    agent.on('POST /v1/tasks/*/abandon', json(200, receipt('t1', 'unproved')));
    const { code, stdout, stderr } = await tasklease(['abandon', 't1', '--reason', 'database/ is gone'], {
      TASKLEASE_ADMIN_SOCKET: agent.socket,
      TASKLEASE_SOCKET: '/nowhere',
    });
    expect(code).toBe(0);
    expect(stdout).toContain('db  database/creds/report-prod  not proved revoked');
    expect(stderr).toContain('t1: 1 lease could not be proved revoked');
    expect(agent.seen).toEqual([
      { method: 'POST', url: '/v1/tasks/t1/abandon', body: { reason: 'database/ is gone' } },
    ]);
  });

  test('exits 4 when the agent is not done with it yet', async () => {
    agent.on('POST /v1/tasks/*/abandon', json(202, { task: 't1', state: 'stopping' }));
    expect((await cli('abandon', 't1', '--reason', 'x')).code).toBe(4);
  });

  test('exits 1 on the wrong socket and says which is the right one', async () => {
    agent.on('POST /v1/tasks/*/abandon', problem(403, 'ADMIN_ONLY', 'this call is for the admin socket'));
    const { code, stderr } = await cli('abandon', 't1', '--reason', 'x');
    expect(code).toBe(1);
    expect(stderr).toContain('TASKLEASE_ADMIN_SOCKET');
  });

  test.each([
    ['no task', [], 'abandon needs a task'],
    ['no reason', ['t1'], 'abandon needs a reason'],
    ['an empty reason', ['t1', '--reason', ' '], 'abandon needs a reason'],
  ])('%s: exit 2 and nothing is asked', async (_what, args, words) => {
    const { code, stderr } = await cli('abandon', ...args);
    expect(code).toBe(2);
    expect(stderr).toContain(words);
    expect(agent.seen).toEqual([]);
  });
});

describe('start', () => {
  test('makes a child of --parent and binds --cgroup', async () => {
    await cli('start', '--profile', 'p', '--task', 't1', '--parent', 'above', '--cgroup', '/ci.slice/81');
    expect(agent.seen[0]?.body).toEqual({ profile: 'p', parent: 'above', bind: { cgroup: '/ci.slice/81' } });
  });

  test.each([
    ['a bad parent', ['--parent', '../x'], '"../x" is not a task id'],
    ['pid and cgroup', ['--pid', '1', '--cgroup', '/x'], '--pid and --cgroup exclude each other'],
  ])('%s: exit 2', async (_what, args, words) => {
    const { code, stderr } = await cli('start', '--profile', 'p', ...args);
    expect(code).toBe(2);
    expect(stderr).toContain(words);
  });

  test.each([
    ['bind.cgroup must be an absolute path', '--cgroup takes'],
    ['parent must be a letter or digit', '--parent TASK'],
  ])('refused because %s: says which option that is', async (detail, words) => {
    agent.on('PUT /v1/tasks/*', problem(400, 'SIGNAL_INVALID', detail, 'see GET /v1/openapi.json'));
    expect((await cli('start', '--profile', 'p')).stderr).toContain(`next: `);
    expect((await cli('start', '--profile', 'p')).stderr).toContain(words);
  });
});

describe('status', () => {
  const degraded = {
    ...granted('child'),
    state: 'degraded',
    parent: 't1',
    generation: 3,
    reason: { code: 'VAULT_SEALED', detail: 'Vault is sealed' },
  };

  test('of one task shows its parent, its generation and why it is degraded', async () => {
    agent.on('GET /v1/tasks/*', json(200, degraded));
    const { stdout } = await cli('status', 'child');
    expect(stdout).toMatch(/^state +degraded$/m);
    expect(stdout).toMatch(/^parent +t1$/m);
    expect(stdout).toMatch(/^generation +3$/m);
    expect(stdout).toMatch(/^reason +VAULT_SEALED Vault is sealed$/m);
  });

  test('says that the files were withdrawn, instead of naming a directory that is not there', async () => {
    agent.on('GET /v1/tasks/*', json(200, { ...degraded, dir: null, files: [] }));
    expect((await cli('status', 'child')).stdout).toMatch(/^dir +none: the files were taken away/m);
  });

  test('of all tasks has columns for parents and reasons where there are any', async () => {
    agent.on('GET /v1/tasks', json(200, { tasks: [granted('t1'), degraded] }));
    const lines = (await cli('status')).stdout.split('\n');
    expect(lines[0]).toMatch(/^TASK +STATE +PROFILE +PARENT +EVENT +DEADLINE +REASON$/);
    expect(lines[1]).toMatch(/^t1 +active +report-read +- +- +\S+ \(in \S+\) +-$/);
    expect(lines[2]).toMatch(/^child +degraded +report-read +t1 +- .* VAULT_SEALED Vault is sealed$/);
  });
});
