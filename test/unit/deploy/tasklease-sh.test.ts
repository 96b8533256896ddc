// Runs deploy/tasklease.sh, under every shell of this machine, against a stand-in for the agent.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeAgent } from './fake-agent.ts';
import { program, shells } from './shells.ts';

const SCRIPT = fileURLToPath(new URL('../../../deploy/tasklease.sh', import.meta.url));

/** What `run` forwards, and the exit code of a shell whose command dies of it. */
const SIGNALS = [
  ['TERM', 143],
  ['HUP', 129],
  ['INT', 130],
  ['QUIT', 131],
] as const;

type Ended = { code: number | null; stdout: string; stderr: string };
type Started = { child: ChildProcess; ended: Promise<Ended>; output: () => string };

const until = async (what: string, condition: () => boolean, limitMs = 5000): Promise<void> => {
  const end = Date.now() + limitMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

const deploy = fileURLToPath(new URL('../../../deploy/', import.meta.url));
const ci = fileURLToPath(new URL('../../../.ci/run', import.meta.url));
const scripts = readdirSync(deploy, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.sh'))
  .map((name) => join(deploy, name));

test('sh -n accepts every shipped shell script', () => {
  expect(scripts).toContain(SCRIPT);
  for (const file of scripts) {
    for (const [shell, ...args] of shells) execFileSync(shell!, [...args, '-n', file]);
  }
});

// A Debian package, which .ci/run installs.
if (program('shellcheck') !== undefined) {
  test.each([...scripts, ci])('shellcheck finds nothing in %s', (file) => {
    expect(spawnSync('shellcheck', [file], { encoding: 'utf8' })).toMatchObject({ status: 0, stdout: '' });
  });
}

describe.each(shells.map((shell) => [shell.join(' '), shell] as const))('under %s', (_, shell) => {
  let agent: FakeAgent;
  let scratch: string;
  let started: ChildProcess[];

  beforeEach(async () => {
    agent = new FakeAgent();
    await agent.start();
    scratch = mkdtempSync(join(tmpdir(), 'tasklease-tmp-'));
    started = [];
  });
  afterEach(async () => {
    for (const child of started) if (child.exitCode === null) child.kill('SIGKILL');
    await agent.stop();
    rmSync(scratch, { recursive: true, force: true });
  });

  const begin = (args: string[], input = '', env: Record<string, string> = {}): Started => {
    const [command, ...first] = shell;
    const child = spawn(command!, [...first, SCRIPT, ...args], {
      env: { PATH: process.env.PATH!, TMPDIR: scratch, TASKLEASE_SOCKET: agent.socket, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    started.push(child);
    let [stdout, stderr] = ['', ''];
    child.stdout!.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr!.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.stdin!.on('error', () => {}); // a command that does not read its input
    child.stdin!.end(input);
    const ended = new Promise<Ended>((resolve) =>
      child.on('close', (code) => resolve({ code, stdout, stderr })),
    );
    return { child, ended, output: () => stdout };
  };
  const sh = (args: string[], input = '', env: Record<string, string> = {}): Promise<Ended> =>
    begin(args, input, env).ended;

  test('start sends the body that the options say and prints the answer', async () => {
    const { code, stdout } = await sh([
      ...['start', '--profile', 'report-read', '--task=build-81', '--duration', '1h30m'],
      ...['--param', 'env=prod', '--param', 'filter=a="b\\c"', '--event', 'pull_request:acme/shop#412'],
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ task: 'build-81', state: 'active' });
    expect(agent.seen[0]).toMatchObject({ method: 'PUT', url: '/v1/tasks/build-81' });
    expect(JSON.parse(agent.seen[0]!.body)).toEqual({
      profile: 'report-read',
      params: { env: 'prod', filter: 'a="b\\c"' },
      duration: '1h30m',
      event: { type: 'pull_request', id: 'acme/shop#412' },
    });
  });

  test('a refusal is exit 1 with code, detail and hint', async () => {
    const detail = 'Uid 7 may not start "report-read".';
    agent.behaviour = {
      problem: { status: 403, code: 'PROFILE_DENIED', detail, hint: 'List it under allow.uids.' },
    };
    const { code, stdout, stderr } = await sh(['start', '--profile', 'report-read']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`(PROFILE_DENIED, HTTP 403): ${detail} List it under allow.uids.`);
  });

  test('no agent: 3 for start and stop, 125 for run, with the socket named', async () => {
    const env = { TASKLEASE_SOCKET: `${scratch}/none.sock` };
    const ends = [
      await sh(['start', '--profile', 'p'], '', env),
      await sh(['stop', 'build-81'], '', env),
      await sh(['run', '--profile', 'p', '--', 'true'], '', env),
    ];
    expect(ends.map((end) => end.code)).toEqual([3, 3, 125]);
    for (const end of ends) expect(end.stderr).toContain('none.sock');
  });

  test('wrong usage: 2, in run 125, and nothing is asked of the agent', async () => {
    const wrong = [
      [],
      ['begin'],
      ['start'],
      ['start', '--profile'],
      ['start', '--profile', 'p', '--task', '../x'],
      ['start', '--profile', 'p', '--task', 'a?wait=1'],
      ['start', '--profile', 'p', '--param', 'novalue'],
      ['start', '--profile', 'p', '--param', 'a=b\nc'],
      ['start', '--profile', 'p', '--duration', 'soon'],
      ['start', '--profile', 'p', '--event', 'untyped'],
      ['start', '--profile', 'p', '--wait', '3s'],
      ['stop'],
      ['stop', 'one', 'two'],
      ['stop', 'one', '--wait', '5'],
    ];
    for (const args of wrong) expect([args, (await sh(args)).code]).toEqual([args, 2]);
    expect((await sh(['run', '--profile', 'p', 'true'])).code).toBe(125);
    expect((await sh(['run', '--', 'true'])).code).toBe(125);
    expect(agent.seen).toEqual([]);
  });

  test('stop: 0 when proved, 4 while pending; an event is encoded', async () => {
    expect((await sh(['stop', 'build-81', '--wait', '5s'])).code).toBe(0);
    agent.behaviour = { stop: 202 };
    expect((await sh(['stop', '--event', 'pull_request:acme/shop#412'])).code).toBe(4);
    expect(agent.seen.map((one) => one.url.replaceAll('%3a', '%3A').replaceAll('%2f', '%2F'))).toEqual([
      '/v1/tasks/build-81?wait=5s',
      '/v1/tasks?wait=30s&event=pull_request%3Aacme%2Fshop%23412',
    ]);
  });

  test('run waits for an approval, says so, and runs CMD once it is given', async () => {
    agent.behaviour = { approval: 'given' };
    const end = await sh([
      'run',
      '--profile',
      'p',
      '--task',
      't1',
      '--',
      'sh',
      '-c',
      'echo "$TASKLEASE_DIR"',
    ]);
    expect(end).toMatchObject({ code: 0, stdout: `${agent.dir}/t1/current\n` });
    expect(end.stderr).toContain('t1 waits for approval');
    expect(agent.of('DELETE')).toHaveLength(1);
  });

  test('run ends with the reason when the approval is denied', async () => {
    agent.behaviour = { approval: 'denied' };
    const end = await sh(['run', '--profile', 'p', '--task', 't1', '--', 'echo', 'ran']);
    expect(end).toMatchObject({ code: 125, stdout: '' });
    expect(end.stderr).toContain('APPROVAL_DENIED');
    expect(end.stderr).toContain('uid 0 denied t1: no');
  });

  test('run gives CMD its task, its input and its exit code, and stops before it hangs up', async () => {
    const command = 'cat; echo "$TASKLEASE_TASK $TASKLEASE_DIR"; exit 7';
    const end = await sh(['run', '--profile', 'p', '--task', 't1', '--', 'sh', '-c', command], 'input\n');
    expect(end).toMatchObject({ code: 7, stdout: `input\nt1 ${agent.dir}/t1/current\n` });
    const [put, del] = agent.seen;
    expect(JSON.parse(put!.body)).toMatchObject({ profile: 'p', bind: { connection: true } });
    expect(del).toMatchObject({ method: 'DELETE', url: '/v1/tasks/t1?wait=30s' });
    await until('the connection is closed', () => put!.closedAt !== undefined);
    expect(del!.at).toBeLessThanOrEqual(put!.closedAt!);
    expect(readdirSync(scratch)).toEqual([]);
  });

  test('run: 125 refused, 126 not executable, 127 not found', async () => {
    const plain = join(scratch, 'plain.txt');
    writeFileSync(plain, 'no program');
    chmodSync(plain, 0o644);
    expect((await sh(['run', '--profile', 'p', '--', plain])).code).toBe(126);
    expect((await sh(['run', '--profile', 'p', '--', 'no-such-command'])).code).toBe(127);
    expect((await sh(['run', '--profile', 'p', '--', scratch])).code).toBe(126);
    expect(agent.seen).toEqual([]); // nothing is leased for a command that cannot run
    agent.behaviour = {
      problem: { status: 404, code: 'PROFILE_UNKNOWN', detail: 'No such.', hint: 'Look.' },
    };
    const refused = await sh(['run', '--profile', 'p', '--', 'echo', 'ran']);
    expect([refused.code, refused.stdout]).toEqual([125, '']);
    expect(agent.of('DELETE')).toEqual([]);
  });

  test.each(SIGNALS)(
    'run forwards SIG%s, answers with the exit code of CMD, and has stopped the task',
    async (name) => {
      const command = `trap "echo had ${name}; exit 9" ${name}; echo up; while :; do sleep 0.05; done`;
      const run = begin(['run', '--profile', 'p', '--', 'sh', '-c', command]);
      await until('CMD is up', () => run.output().includes('up'));
      run.child.kill(`SIG${name}`);
      expect(await run.ended).toMatchObject({ code: 9, stdout: `up\nhad ${name}\n` });
      expect(agent.of('DELETE')).toHaveLength(1);
    },
  );

  test.each(SIGNALS)(
    'run whose CMD dies of SIG%s exits with %i, as a shell does, and has stopped the task',
    async (name, code) => {
      const run = begin(['run', '--profile', 'p', '--', 'sh', '-c', 'ulimit -c 0; echo up; exec sleep 20']);
      await until('CMD is up', () => run.output().includes('up'));
      run.child.kill(`SIG${name}`);
      expect(await run.ended).toMatchObject({ code, stdout: 'up\n' });
      expect(agent.of('DELETE')).toHaveLength(1);
    },
  );

  test.each(['INT', 'QUIT'] as const)(
    'where env cannot give CMD its SIG%s back, which a background command ignores, CMD gets SIGTERM for it',
    async (name) => {
      const env = join(scratch, 'env');
      writeFileSync(env, '#!/bin/sh\necho "env: unrecognized option: default-signal" >&2\nexit 1\n');
      chmodSync(env, 0o755);
      const command = 'trap "echo had TERM; exit 9" TERM; echo up; while :; do sleep 0.05; done';
      const run = begin(['run', '--profile', 'p', '--', 'sh', '-c', command], '', {
        PATH: `${scratch}:${process.env.PATH}`,
      });
      await until('CMD is up', () => run.output().includes('up'));
      run.child.kill(`SIG${name}`);
      expect(await run.ended).toMatchObject({ code: 9, stdout: 'up\nhad TERM\n' });
      expect(agent.of('DELETE')).toHaveLength(1);
    },
  );

  test.each(SIGNALS)(
    'run that SIG%s interrupts while it waits for its start stops the task and exits with %i',
    async (name, code) => {
      agent.behaviour = { silent: true };
      const run = begin(['run', '--profile', 'p', '--', 'echo', 'ran']);
      await until('the start has arrived', () => agent.of('PUT').length === 1);
      run.child.kill(`SIG${name}`);
      expect(await run.ended).toMatchObject({ code, stdout: '' });
      expect(agent.of('DELETE')).toHaveLength(1);
      await until('the connection is closed', () => agent.of('PUT')[0]!.closedAt !== undefined);
    },
  );

  test('run killed with -9 loses its connection within a second', async () => {
    const run = begin([
      'run',
      '--profile',
      'p',
      '--duration',
      '10m',
      '--',
      'sh',
      '-c',
      'echo $$; exec sleep 20',
    ]);
    await until('CMD is up', () => run.output().includes('\n'));
    const [put] = agent.of('PUT');
    expect(put!.closedAt).toBeUndefined();
    const killedAt = Date.now();
    run.child.kill('SIGKILL');
    await until('the connection is closed', () => put!.closedAt !== undefined);
    expect(put!.closedAt! - killedAt).toBeLessThan(1000);
    process.kill(Number(run.output()), 'SIGKILL'); // CMD lives on without its secret, as `tasklease run` says
    await run.ended; // and nothing else holds its output open, such as the timer
    await until('no file of it is left', () => readdirSync(scratch).length === 0);
  });

  test('a task that ends under CMD: SIGTERM and 125, at its deadline 124', async () => {
    agent.behaviour = { endAfterMs: 300, outcome: 'revoked' };
    expect((await sh(['run', '--profile', 'p', '--', 'sleep', '20'])).code).toBe(125);
    agent.behaviour = { endAfterMs: 300, outcome: 'expired' };
    expect((await sh(['run', '--profile', 'p', '--', 'sleep', '20'])).code).toBe(124);
  });

  test('someone else stops the task: SIGTERM, and the exit code is CMD’s answer to it', async () => {
    agent.behaviour = { endAfterMs: 300, outcome: 'completed' };
    const command = 'trap "exit 9" TERM; while :; do sleep 0.05; done';
    expect((await sh(['run', '--profile', 'p', '--', 'sh', '-c', command])).code).toBe(9);
  });

  test('a restart of the agent: the same start again holds the task again, and CMD goes on', async () => {
    agent.behaviour = { breakAfterMs: 200 };
    const end = await sh([
      'run',
      '--profile',
      'p',
      '--task',
      't1',
      '--',
      'sh',
      '-c',
      'sleep 1; echo done; exit 3',
    ]);
    expect(end).toMatchObject({ code: 3, stdout: 'done\n' });
    const [first, again, ...more] = agent.of('PUT');
    expect(again?.body).toBe(first?.body);
    expect(more).toEqual([]);
    expect(agent.of('DELETE')[0]!.at).toBeLessThanOrEqual(again!.closedAt ?? Number.POSITIVE_INFINITY);
    await until('the connection is closed', () => again!.closedAt !== undefined);
    await until('no file of it is left', () => readdirSync(scratch).length === 0);
  });

  test.each([
    [201, 'an agent that has lost its memory and starts the task anew'],
    [409, 'an agent that has ended the task'],
  ] as const)('no such task after a restart, %s: SIGTERM and 125: %s', async (again, _what) => {
    agent.behaviour = { breakAfterMs: 200, again };
    const end = await sh(['run', '--profile', 'p', '--', 'sleep', '20']);
    expect(end.code).toBe(125);
    expect(end.stderr).toContain('lost');
  });

  test('the asked duration is over: SIGTERM, at the deadline SIGKILL, 124', async () => {
    expect((await sh(['run', '--profile', 'p', '--duration', '1s', '--', 'sleep', '20'])).code).toBe(124);
    agent.behaviour = { endAfterMs: 1500, outcome: 'expired' };
    const deaf = 'trap "" TERM; while :; do sleep 0.05; done';
    const end = await sh(['run', '--profile', 'p', '--duration', '1s', '--', 'sh', '-c', deaf]);
    expect(end.code).toBe(124);
  });

  test('an extended task goes on when the asked duration is over, until the agent ends it', async () => {
    agent.behaviour = { extendAfterMs: 100 };
    const args = [
      'run',
      '--profile',
      'p',
      '--duration',
      '1s',
      '--',
      'sh',
      '-c',
      'sleep 2; echo done; exit 3',
    ];
    expect(await sh(args)).toMatchObject({ code: 3, stdout: 'done\n' });
    agent.behaviour = { extendAfterMs: 100, endAfterMs: 1500, outcome: 'expired' };
    expect((await sh(['run', '--profile', 'p', '--duration', '1s', '--', 'sleep', '20'])).code).toBe(124);
  });

  test('a child names its parent', async () => {
    await sh(['start', '--profile', 'p', '--parent', 'session-7']);
    await sh(['run', '--profile', 'p', '--parent', 'session-7', '--', 'true']);
    expect(agent.of('PUT').map(({ body }) => JSON.parse(body).parent)).toEqual(['session-7', 'session-7']);
    expect((await sh(['start', '--profile', 'p', '--parent', '../x'])).code).toBe(2);
  });
});

test('an agent that stays away: after 10 s the task is lost, SIGTERM and 125', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'tasklease-tmp-'));
  const ends = await Promise.all(
    shells.map(async ([shell, ...first]) => {
      const agent = new FakeAgent();
      await agent.start();
      const child = spawn(shell!, [...first, SCRIPT, 'run', '--profile', 'p', '--', 'sleep', '30'], {
        env: { PATH: process.env.PATH!, TMPDIR: scratch, TASKLEASE_SOCKET: agent.socket },
        stdio: 'ignore',
      });
      const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
      await until('the task is started', () => agent.of('PUT').length === 1);
      await new Promise((resolve) => setTimeout(resolve, 300));
      await agent.stop();
      const goneAt = Date.now();
      const code = await ended;
      return [shell, code, Date.now() - goneAt > 8_000];
    }),
  );
  expect(ends).toEqual(shells.map(([shell]) => [shell, 125, true]));
  await until('no file of it is left', () => readdirSync(scratch).length === 0);
  rmSync(scratch, { recursive: true });
});
