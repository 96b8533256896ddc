// `tasklease run` when CMD is not started: nothing is leased for what cannot run, and a start that fails is told.

import { describe, expect, test } from 'vitest';
import { tasklease } from './command-line.ts';
import { json, problem } from './fake-agent.ts';
import { agent, run } from './with-agent.ts';

describe('nothing is leased', () => {
  test.each([
    ['a command that is not on PATH', 'no-such-command-here', 127],
    ['a path that does not exist', '/no/such/file', 127],
    ['a file that is not executable', '/etc/passwd', 126],
    ['a directory', '/etc', 126],
  ])('for %s', async (_what, cmd, code) => {
    const result = await run(cmd);
    expect(result.code).toBe(code);
    expect(result.stderr).toContain('nothing was leased');
    expect(agent.seen).toEqual([]);
  });

  test.each([
    ['no --', ['run', '--profile', 'p', 'npm', 'test'], 'tasklease run --profile p -- npm test'],
    ['no command', ['run', '--profile', 'p', '--'], 'no command after --'],
    ['no profile', ['run', '--', 'true'], 'needs a profile'],
    ['an unknown option', ['run', '--profil', 'p', '--', 'true'], 'did you mean --profile?'],
    ['a bad task id', ['run', '--profile', 'p', '--task', '../x', '--', 'true'], '"../x" is not a task id'],
    [
      'a bad duration',
      ['run', '--profile', 'p', '--duration', 'soon', '--', 'true'],
      '"soon" is not a duration',
    ],
  ])('with %s: exit 125, because CMD may exit with 2 itself', async (_what, args, words) => {
    const { code, stderr } = await tasklease(args, { TASKLEASE_SOCKET: agent.socket });
    expect(code).toBe(125);
    expect(stderr).toContain(words);
    expect(agent.seen).toEqual([]);
  });
});

describe('tasklease failed: exit 125 and CMD is not started', () => {
  test('when the start is refused, with the agent’s code, detail and hint; one request only', async () => {
    agent.on('PUT /v1/tasks/*', problem(403, 'PROFILE_DENIED', 'uid 1000 may not start profile report-read'));
    const { code, stdout, stderr } = await run('echo', 'ran');
    expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
    expect(stderr).toBe(
      'tasklease: PROFILE_DENIED uid 1000 may not start profile report-read\n  next: do this instead\n',
    );
    expect(agent.seen).toHaveLength(1);
  });

  test('when the agent is not reachable', async () => {
    await agent.crash();
    const { code, stdout, stderr } = await run('echo', 'ran');
    expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
    expect(stderr).toContain(`agent not reachable at ${agent.socket}: there is no such socket`);
  });

  test('when the agent dies during the start', async () => {
    agent.on('PUT /v1/tasks/*', (response) => response.destroy());
    expect(await run('echo', 'ran')).toMatchObject({ code: 125, stdout: '' });
  });

  test('when its approval is denied', async () => {
    const denied = problem(403, 'APPROVAL_DENIED', 'uid 0 denied t1: no');
    agent.on('PUT /v1/tasks/*', (response, seen) => setTimeout(() => denied(response, seen), 1500));
    agent.on('GET /v1/tasks/*', json(200, { task: 't1', state: 'pending_approval' }));
    const { code, stdout, stderr } = await run('echo', 'ran');
    expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
    expect(stderr).toContain('t1 waits for approval');
    expect(stderr).toContain('APPROVAL_DENIED uid 0 denied t1: no');
  });
});
