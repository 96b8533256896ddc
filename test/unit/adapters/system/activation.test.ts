// Owns when sockets are taken as handed over: for this process alone, and the variables are never left for another.
// What is handed over for good is in test/integration/activation.test.ts.

import { expect, test } from 'vitest';
import { handedOver } from '../../../../src/adapters/system/activation.ts';

const EXPECTED = [{ name: 'agent', key: 'socket.path', path: '/run/t/agent.sock', private: false }];
const ours = String(process.pid);

test.each<[string, NodeJS.ProcessEnv]>([
  ['nothing is said', {}],
  ['it is said to another process', { LISTEN_PID: '1', LISTEN_FDS: '1', LISTEN_FDNAMES: 'agent' }],
  ['no process is named', { LISTEN_FDS: '1', LISTEN_FDNAMES: 'agent' }],
  ['there are none', { LISTEN_PID: ours, LISTEN_FDS: '0', LISTEN_FDNAMES: '' }],
])('nothing is handed over where %s, and the variables are gone', (_what, env) => {
  const all = { ...env, PATH: '/bin' };
  expect(handedOver(EXPECTED, all).size).toBe(0);
  expect(all).toEqual({ PATH: '/bin' });
});

test('a descriptor that is no socket is refused, and the variables are gone all the same', () => {
  const env = { LISTEN_PID: ours, LISTEN_PIDFDID: '7', LISTEN_FDS: '1', LISTEN_FDNAMES: 'agent' };
  expect(() => handedOver(EXPECTED, env)).toThrow(/descriptor 3 \(agent\) is not a listening Unix stream/);
  expect(env).toEqual({});
});
