// `tasklease approve` and `deny`, and what a start says that waits: what is asked is shown before anything is said, and
// what was shown is what is approved.

import { spawn } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { quote } from '../../../src/cli/args.ts';
import { request } from '../../../src/cli/show-approval.ts';
import { node } from './command-line.ts';
import { granted, json, problem, stream } from './fake-agent.ts';
import { agent, cli, launchRun } from './with-agent.ts';

const DIGEST = 'd'.repeat(64);
const SCOPE = {
  task: 't1',
  profile: 'deploy',
  params: { env: 'prod' },
  event: { type: 'change', id: 'OPS-712' },
  parent: null,
  policies: ['tasklease-deploy', 'tasklease-tls'],
  secrets: [
    { secret: 'db', method: 'read', path: 'database/creds/deploy', files: ['db.env', 'db.json'] },
    {
      secret: 'tls',
      method: 'write',
      path: 'pki/issue/app',
      body: { ttl: '{{task.ttl}}' },
      files: ['tls.pem'],
    },
  ],
  reader: { uid: 1000, gid: 1000 },
  duration_seconds: 900,
  deadline: null,
  grace_seconds: 15,
  max_seconds: 3600,
  extend: true,
  requester: {
    uid: 1000,
    gid: 1000,
    admin: false,
    pid: 42,
    exe: '/usr/bin/node',
    cgroup: '/ci',
    container: null,
  },
  bind: { pid: 42 },
  approval: { approvers: [7, 8], count: 2 },
  asked_at: '2026-11-22T10:00:00.000Z',
  approve_by: '2026-11-22T10:10:00.000Z',
};
const WAITING = {
  task: 't1',
  state: 'pending_approval',
  profile: 'deploy',
  deadline: '2026-11-22T10:25:15.000Z',
  approval: {
    digest: DIGEST,
    approve_by: SCOPE.approve_by,
    given: [{ uid: 7, at: SCOPE.asked_at, reason: null }],
    scope: SCOPE,
  },
};
const posted = () => agent.seen.filter(({ method }) => method === 'POST').map(({ body }) => body);
const waits = () => {
  agent.on('GET /v1/tasks/*', json(200, WAITING));
  agent.on('POST /v1/tasks/*/approval', json(200, granted('t1')));
};

/** The same command on a terminal of its own, where this is typed. */
const onTerminal = (typed: string, ...args: string[]): Promise<{ code: number | null; shown: string }> => {
  const commands = new URL('../../../src/cli/commands.ts', import.meta.url).href;
  const entry = `import(${JSON.stringify(commands)}).then(({ main }) => main(process.argv.slice(1))).then((code) => process.exit(code))`;
  const words = [node, '-e', entry, '--', ...args].map(quote).join(' ');
  const child = spawn('script', ['--quiet', '--return', '--command', words, '/dev/null'], {
    env: { ...process.env, TASKLEASE_ADMIN_SOCKET: agent.socket, NO_COLOR: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const asks = !shown.includes('[y/N]');
    shown += text;
    if (asks && shown.includes('[y/N]')) child.stdin.write(`${typed}\n`);
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, shown })));
};

describe('approve', () => {
  test('shows what is asked, and approves that very request with --yes', async () => {
    waits();
    const { code, stdout, stderr } = await cli('approve', 't1', '--yes', '--reason', 'OPS-712');
    expect(code).toBe(0);
    expect(posted()).toEqual([{ approve: true, digest: DIGEST, reason: 'OPS-712' }]);
    for (const part of ['env=prod', 'change:OPS-712', 'read database/creds/deploy', 'uid 1000', DIGEST])
      expect(stderr).toContain(part);
    expect(stdout).toContain('active');
  });

  test('asks on a terminal, and takes y for yes', async () => {
    waits();
    const { code, shown } = await onTerminal('y', 'approve', 't1');
    expect(code, shown).toBe(0);
    expect(shown.indexOf('database/creds/deploy')).toBeLessThan(shown.indexOf('Approve it? [y/N]'));
    expect(posted()).toEqual([{ approve: true, digest: DIGEST }]);
  });

  test.each(['', 'n', 'no', 'maybe'])('takes "%s" for no, and says nothing to the agent', async (typed) => {
    waits();
    const { code, shown } = await onTerminal(typed, 'approve', 't1');
    expect(code, shown).toBe(1);
    expect(shown).toContain('t1 was not approved and goes on waiting');
    expect(posted()).toEqual([]);
  });

  test('without a terminal and --yes asks no agent', async () => {
    const { code, stderr } = await cli('approve', 't1');
    expect(code).toBe(2);
    expect(stderr).toContain('tasklease approve t1 --yes');
    expect(agent.seen).toEqual([]);
  });

  test('of what does not wait is refused in the words of the agent', async () => {
    agent.on('POST /v1/tasks/*/approval', problem(400, 'SIGNAL_INVALID', 'task t1 is active'));
    const { code, stderr } = await cli('approve', 't1', '--yes');
    expect(code).toBe(1);
    expect(stderr).toContain('task t1 is active');
  });

  test('needs a task', async () => {
    expect(await cli('approve', '--yes')).toMatchObject({ code: 2 });
    expect(await cli('deny')).toMatchObject({ code: 2 });
  });
});

test('deny says no with its reason', async () => {
  agent.on('POST /v1/tasks/*/approval', json(200, { ...WAITING, state: 'stopping' }));
  expect(await cli('deny', 't1', '--reason', 'not now')).toMatchObject({ code: 0 });
  expect(posted()).toEqual([{ approve: false, reason: 'not now' }]);
});

describe('what is shown', () => {
  test('is every member of the scope that says something, also one of a later version', () => {
    const approval = { ...WAITING.approval, scope: { ...SCOPE, entity_alias: 'c-81' } };
    expect(request({ ...WAITING, approval }, Date.parse(SCOPE.asked_at))).toBe(
      [
        'task          t1',
        'profile       deploy',
        'param         env=prod',
        'event         change:OPS-712',
        'lasts         15m from the approval and 15s of grace',
        'extensible    to 1h in all',
        'asked by      uid 1000, gid 1000, pid 42, exe /usr/bin/node, cgroup /ci',
        'asked         2026-11-22T10:00:00.000Z (now)',
        'bound to      pid 42',
        'policies      tasklease-deploy tasklease-tls',
        'secret        db: read database/creds/deploy into db.env db.json',
        'secret        tls: write pki/issue/app {"ttl":"{{task.ttl}}"} into tls.pem',
        'read by       uid 1000, gid 1000',
        'entity_alias  c-81',
        'approvals     1 of 2 (uid 7), of uid 7, 8',
        'until         2026-11-22T10:10:00.000Z (in 10m)',
        `digest        ${DIGEST}`,
      ].join('\n'),
    );
  });

  test('says until when and by whom where that is named', () => {
    const scope = {
      ...SCOPE,
      duration_seconds: null,
      deadline: '2026-11-22T11:00:00Z',
      requester: { ...SCOPE.requester, admin: true },
    };
    const shown = request(
      { ...WAITING, approval: { ...WAITING.approval, given: [], scope } },
      Date.parse(SCOPE.asked_at),
    );
    expect(shown).toContain('until 2026-11-22T11:00:00Z (in 1h) and 15s of grace');
    expect(shown).toContain('(by the admin socket)');
    expect(shown).toContain('0 of 2, of uid 7, 8');
  });

  test('cannot steer the terminal', () => {
    const scope = { ...SCOPE, event: { type: 'x', id: 'a\u001b[2Jb' } };
    expect(request({ ...WAITING, approval: { ...WAITING.approval, scope } })).toContain('x:a?[2Jb');
  });
});

describe('a start that waits', () => {
  /** Is answered after a while in which it is seen to wait. */
  const after = (then: Parameters<typeof agent.on>[1]) => {
    agent.on('GET /v1/tasks/*', json(200, WAITING));
    agent.on('PUT /v1/tasks/*', (response, seen) => setTimeout(() => then(response, seen), 1500));
  };

  test('says what for and how it is approved, once, and prints the grant', async () => {
    after(json(201, granted('t1')));
    const { code, stdout, stderr } = await cli('start', '--profile', 'deploy', '--task', 't1');
    expect(code).toBe(0);
    expect(stderr.match(/waits for approval/g)).toHaveLength(1);
    expect(stderr).toContain('tasklease approve t1');
    expect(stdout).toContain('active');
    const starts = agent.seen.filter(({ method }) => method === 'PUT').map(({ url, body }) => [url, body]);
    // One alone: after a denial, another would ask anew.
    expect(starts).toEqual([['/v1/tasks/t1?wait=1h', { profile: 'deploy' }]]);
  });

  test('prints nothing but the API’s last body with --output json', async () => {
    after(json(201, granted('t1')));
    const { stdout } = await cli('start', '--profile', 'deploy', '--task', 't1', '--output', 'json');
    expect(JSON.parse(stdout)).toMatchObject({ state: 'active' });
  });

  test('exits 1 when it is denied', async () => {
    after(problem(403, 'APPROVAL_DENIED', 'uid 0 denied t1: no'));
    const { code, stderr } = await cli('start', '--profile', 'deploy', '--task', 't1');
    expect(code).toBe(1);
    expect(stderr).toContain('APPROVAL_DENIED uid 0 denied t1: no');
  });

  test('goes on waiting over a restart of the agent, and after the longest wait', async () => {
    agent.on('GET /v1/tasks/*', json(200, WAITING));
    const answers: Parameters<typeof agent.on>[1][] = [
      (response) => setTimeout(() => response.destroy(), 1500),
      json(202, WAITING),
      json(201, granted('t1')),
    ];
    agent.on('PUT /v1/tasks/*', (response, seen) => answers.shift()!(response, seen));
    const { code, stderr } = await cli('start', '--profile', 'deploy', '--task', 't1');
    expect(code, stderr).toBe(0);
    expect(answers).toEqual([]);
  });

  test('by run that is interrupted is withdrawn, and CMD is not started', async () => {
    agent.on('GET /v1/tasks/*', json(200, WAITING));
    agent.on('PUT /v1/tasks/*', () => {});
    const running = launchRun('echo', 'ran');
    await agent.saw('GET /v1/tasks/t1');
    running.child.kill('SIGTERM');
    const { code, stdout } = await running.finished;
    expect({ code, stdout }).toEqual({ code: 143, stdout: '' });
    await agent.saw('DELETE /v1/tasks/t1');
  });

  test('by run across pid namespaces keeps its connection until it is approved', async () => {
    agent.on('PUT /v1/tasks/*', (response, seen) => {
      const bind = seen.body?.bind as { pid?: number };
      if (bind.pid !== undefined)
        return problem(400, 'SIGNAL_INVALID', 'bind.pid means nothing')(response, seen);
      response.writeHead(202, { 'content-type': 'application/x-ndjson' });
      response.write(`${JSON.stringify(WAITING)}\n${JSON.stringify({ type: 'approval.given' })}\n`);
      setTimeout(() => response.write(`${JSON.stringify({ type: 'delivery.published' })}\n`), 100);
    });
    agent.on('GET /v1/tasks/*/events', stream());
    const { code, stdout, stderr } = await launchRun('echo', 'ran').finished;
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: 'ran\n' });
    expect(stderr).toContain('t1 waits for approval');
    expect(agent.seen.filter(({ method }) => method === 'PUT')).toHaveLength(2);
  });
});
