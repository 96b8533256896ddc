// What a command says when its agent is not there, or when what is there is not an agent.

import { describe, expect, test } from 'vitest';
import { tasklease } from './command-line.ts';
import { json } from './fake-agent.ts';
import { agent, cli } from './with-agent.ts';

describe('the agent is not reachable: exit 3, the path, the reason and the next step', () => {
  test.each([
    ['no socket', '/nowhere/agent.sock', 'there is no such socket', 'start the agent'],
    ['a file that is no socket', '/etc/passwd', 'that is not a socket', 'socket.path in agent.yaml'],
    ['a directory', '/etc', 'that is not a socket', 'TASKLEASE_SOCKET'],
    ['a path through a file', '/etc/passwd/x', 'not a directory', '--socket'],
    ['a path that is too long', `/${'x'.repeat(200)}`, 'bytes', 'shorter path'],
  ])('%s', async (_what, path, why, next) => {
    const { code, stdout, stderr } = await tasklease(['status', '--socket', path]);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toContain(`agent not reachable at ${path}: `);
    expect(stderr).toContain(why);
    expect(stderr.split('\n')[1]).toContain(next);
  });

  test('an agent that hangs up before it answers', async () => {
    agent.on('GET /v1/tasks', (response) => response.destroy());
    expect(await cli('status')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('closed the connection before it had answered'),
    });
  });
});

test('--socket wins over TASKLEASE_SOCKET', async () => {
  agent.on('GET /v1/tasks', json(200, { tasks: [] }));
  expect((await tasklease(['status', '--socket', agent.socket], { TASKLEASE_SOCKET: '/nowhere' })).code).toBe(
    0,
  );
});

test('an answer that is not the agent’s is said to be so', async () => {
  agent.on('GET /v1/tasks', (response) => response.writeHead(500).end('<html>'));
  expect(await cli('status')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('not a problem document'),
  });
});
