// What the client commands print and answer, for every kind of reply of the agent.

import { describe, expect, test } from 'vitest';
import { tasklease } from './command-line.ts';
import { granted, json, problem, receipt } from './fake-agent.ts';
import { agent, cli } from './with-agent.ts';

const stopping = { task: 't1', state: 'stopping', profile: 'report-read' };
const refused = problem(404, 'TASK_UNKNOWN', 'there is no task t1', 'list your tasks with GET /v1/tasks');
const told = 'tasklease: TASK_UNKNOWN there is no task t1\n  next: tasklease status lists your tasks\n';

describe('start', () => {
  test('prints the grant: task, state, dir, files, deadline', async () => {
    const { code, stdout, stderr } = await cli(
      'start',
      '--profile',
      'report-read',
      '--task',
      't1',
      '--pid',
      '4242',
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^task +t1\nstate +active\nprofile +report-read\ndir +\/run\/tasklease\/tasks\/t1\/current\nfiles +db\.env\ngeneration +1\ndeadline +\S+ \(in (1m)?\d+s\)\nlease +db until \S+ \(in (1m|\d+s)\) renewable\n$/,
    );
    expect(agent.seen[0]).toMatchObject({
      method: 'PUT',
      url: '/v1/tasks/t1?wait=1h',
      body: { profile: 'report-read', bind: { pid: 4242 } },
    });
  });

  test('makes a valid task id when none is given', async () => {
    await cli('start', '--profile', 'report-read');
    expect(agent.seen[0]?.url).toMatch(/^\/v1\/tasks\/report-read-\d{8}T\d{6}Z-[0-9a-f]{12}\?wait=1h$/);
  });

  test('with --output json prints exactly the API’s body, that of a refusal too', async () => {
    agent.on('PUT /v1/tasks/*', (response) => response.writeHead(201).end('{"task" : "t1"}'));
    expect((await cli('start', '--profile', 'p', '--output', 'json')).stdout).toBe('{"task" : "t1"}\n');
    agent.on('PUT /v1/tasks/*', problem(409, 'TASK_SPENT', 'used'));
    const { code, stdout } = await cli('start', '--profile', 'p', '--output', 'json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ code: 'TASK_SPENT' });
  });

  test('exits 1 with code, detail and hint when it is refused', async () => {
    agent.on(
      'PUT /v1/tasks/*',
      problem(502, 'VAULT_DENIED', 'Vault refused database/creds/x', 'add the path to the policy'),
    );
    expect(await cli('start', '--profile', 'p')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'tasklease: VAULT_DENIED Vault refused database/creds/x\n  next: add the path to the policy\n',
    });
  });
});

test('a refusal that passes says when to try again', async () => {
  const body = { status: 429, code: 'CAPACITY', detail: 'full', hint: 'stop tasks that are done' };
  agent.on('PUT /v1/tasks/*', json(429, { ...body, retryable: true, retry_after_ms: 7209 }));
  expect((await cli('start', '--profile', 'p')).stderr).toBe(
    'tasklease: CAPACITY full\n  next: stop tasks that are done (again in 8s)\n',
  );
});

describe('stop', () => {
  test('waits 30 s for the proof and prints the receipt', async () => {
    const { code, stdout } = await cli('stop', 't1');
    expect(code).toBe(0);
    expect(stdout).toContain('t1  closed  completed  1 lease, exposed for 1.5 s');
    expect(stdout).toMatch(/db {2}database\/creds\/report-prod {2}revoked at \S+\n$/);
    expect(agent.seen[0]).toMatchObject({ method: 'DELETE', url: '/v1/tasks/t1?wait=30s' });
  });

  test('exits 4 while the revocation is pending', async () => {
    agent.on('DELETE /v1/tasks/*', json(202, stopping));
    const { code, stderr } = await cli('stop', 't1', '--wait', '0s');
    expect(code).toBe(4);
    expect(stderr).toContain('t1: the files are gone, but the revocation is not proved yet');
    expect(agent.seen[0]?.url).toBe('/v1/tasks/t1?wait=0s');
  });

  test('--event stops all of one business event, with the event escaped', async () => {
    agent.on('DELETE /v1/tasks', json(200, { tasks: [receipt('a'), receipt('b')] }));
    const { code, stdout } = await cli('stop', '--event', 'pull_request:acme/shop#4&2');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^a {2}closed[\s\S]*^b {2}closed/m);
    expect(agent.seen[0]?.url).toBe('/v1/tasks?event=pull_request%3Aacme%2Fshop%234%262&wait=30s');
  });

  test('says which task has an unproved lease', async () => {
    agent.on('DELETE /v1/tasks/*', json(200, receipt('t1', 'unproved')));
    expect(await cli('stop', 't1')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('t1: 1 lease could not be proved'),
    });
  });

  test('of an unknown task exits 1', async () => {
    agent.on('DELETE /v1/tasks/*', refused);
    expect(await cli('stop', 't1')).toMatchObject({ code: 1, stderr: told });
  });
});

describe('status', () => {
  test('shows one line a task', async () => {
    agent.on(
      'GET /v1/tasks',
      json(200, {
        tasks: [granted('t1'), { ...granted('a-longer-name'), event: { type: 'deploy', id: '7' } }],
      }),
    );
    const lines = (await cli('status')).stdout.split('\n');
    expect(lines[0]).toMatch(/^TASK +STATE +PROFILE +EVENT +DEADLINE$/);
    expect(lines[1]).toMatch(/^t1 {13}active {2}report-read {2}- +\S+ \(in /);
    expect(lines[2]).toMatch(/^a-longer-name {2}active {2}report-read {2}deploy:7 {2}\S+ \(in /);
  });

  test('says so when there is none', async () => {
    agent.on('GET /v1/tasks', json(200, { tasks: [] }));
    expect(await cli('status')).toMatchObject({ code: 0, stdout: 'no tasks\n' });
  });

  test('TASK shows one, and exits 1 when it is unknown', async () => {
    expect((await cli('status', 't1')).stdout).toMatch(/^task +t1$/m);
    agent.on('GET /v1/tasks/*', refused);
    expect(await cli('status', 't1')).toMatchObject({ code: 1, stderr: told });
  });
});

describe('health', () => {
  test('exits 0 when the agent is ready', async () => {
    agent.on('GET /v1/health', json(200, { status: 'ready' }));
    expect(await cli('health')).toMatchObject({ code: 0, stdout: 'ready\n' });
    expect(agent.seen[0]?.url).toBe('/v1/health?ready');
  });

  test('exits 1 with the reasons when it is not', async () => {
    agent.on(
      'GET /v1/health',
      json(503, { reasons: [{ code: 'VAULT_SEALED', detail: 'Vault is sealed', hint: 'unseal it' }] }),
    );
    expect(await cli('health')).toMatchObject({
      code: 1,
      stdout: 'not ready\n  VAULT_SEALED: Vault is sealed; unseal it\n',
    });
  });

  test('warns of profiles that could not be loaded, where the answer names them', async () => {
    const profiles = { names: ['a'], faults: ['/etc/tasklease/profiles/b.yaml:3: ttl is missing'] };
    agent.on('GET /v1/health', json(200, { status: 'ok', profiles }));
    expect(await cli('health')).toMatchObject({
      code: 0,
      stdout: 'ready\n',
      stderr: expect.stringContaining(`warning: a profile is faulty: ${profiles.faults[0]}\n  next: correct`),
    });
  });

  test('exits 3 when nobody answers within 5 s', async () => {
    agent.on('GET /v1/health', () => {});
    expect(await cli('health')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('it did not answer in time'),
    });
  });
});

describe.each(['revoke-all', 'drain'])('%s', (name) => {
  test('asks the admin socket and waits 30 s', async () => {
    agent.on(`POST /v1/${name}`, json(200, { tasks: [receipt('t1')] }));
    const { code, stdout } = await tasklease([name], {
      TASKLEASE_ADMIN_SOCKET: agent.socket,
      TASKLEASE_SOCKET: '/nowhere',
    });
    expect(code).toBe(0);
    expect(stdout).toContain('t1  closed');
    expect(agent.seen[0]).toMatchObject({ method: 'POST', url: `/v1/${name}?wait=30s` });
  });

  test('not reachable: names the variable that counts for the admin socket', async () => {
    const { code, stderr } = await tasklease([name], { TASKLEASE_ADMIN_SOCKET: '/nowhere' });
    expect(code).toBe(3);
    expect(stderr).toContain('--socket or TASKLEASE_ADMIN_SOCKET');
    expect(stderr).not.toContain('TASKLEASE_SOCKET');
  });

  test('exits 4 while revocations are pending, 1 when it is refused', async () => {
    agent.on(`POST /v1/${name}`, json(202, { tasks: [stopping] }));
    expect((await cli(name, '--wait', '1s')).code).toBe(4);
    agent.on(`POST /v1/${name}`, problem(403, 'ADMIN_ONLY', 'this call is for the admin socket'));
    expect((await cli(name)).code).toBe(1);
  });
});
