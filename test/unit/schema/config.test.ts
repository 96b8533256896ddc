// Owns what agent.yaml takes: the contract's example, the defaults, and a table of faults with the key and
// the sentence that the operator reads.

import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { agentConfig } from '../../../src/schema/config.ts';
import { firstIssue } from '../../../src/schema/signal.ts';

const MINIMAL = {
  vault: {
    address: 'https://vault.internal:8200',
    auth: { method: 'token_file', token_file: '/etc/t/token' },
  },
};

const faultOf = (value: unknown): string => {
  const parsed = agentConfig.safeParse(value);
  if (parsed.success) return 'no fault';
  const { path, message } = firstIssue(parsed.error);
  return `${path.join('.')} ${message}`;
};

/** MINIMAL with one key of `vault` replaced; undefined leaves it out. */
const vault = (change: Record<string, unknown>) => ({ ...MINIMAL, vault: { ...MINIMAL.vault, ...change } });
const auth = (value: unknown) => vault({ auth: value });
const approle = (change: Record<string, unknown>) =>
  auth({ method: 'approle', role_id_file: '/etc/t/role-id', secret_id_file: '/etc/t/secret-id', ...change });

describe('what parses', () => {
  test('the example of the contract, without what this version refuses', () => {
    const config = agentConfig.parse(
      parse(`
vault:
  address: https://vault.internal:8200
  namespace: team-a
  ca_file: /etc/tasklease/ca.pem
  auth:
    method: approle
    mount: approle
    role_id_file: /etc/tasklease/role-id
    secret_id_file: /etc/tasklease/secret-id
  session_role: tasklease-session
  token_role: tasklease
  leash: 5m
  timeout: 10s
socket:
  path: /run/tasklease/agent.sock
  mode: "0660"
  group: tasklease
runtime_dir: /run/tasklease-private
secrets_dir: /run/tasklease/tasks
state_dir: /var/lib/tasklease
profiles_dir: /etc/tasklease/profiles
limits: { tasks: 1000, tasks_per_uid: 100, starts_per_minute: 600 }
on_exit: revoke
stop_timeout: 20s
metrics: { listen: 127.0.0.1:9464 }
log: { level: info }
tasks: []
`),
    );
    expect(config).toMatchObject({
      vault: {
        namespace: 'team-a',
        auth: { method: 'approle', mount: 'approle', secret_id_wrapped: false },
        leash: 300_000,
        timeout: 10_000,
      },
      socket: { mode: 0o660, group: 'tasklease' },
      stop_timeout: 20_000,
      metrics: { listen: '127.0.0.1:9464' },
    });
  });

  test('the address and a login are enough; the rest are the defaults of the contract', () => {
    expect(agentConfig.parse(MINIMAL)).toEqual({
      vault: {
        ...MINIMAL.vault,
        session_role: 'tasklease-session',
        uses_mount: 'tasklease-uses',
        token_role: 'tasklease',
        allow_broad_session: false,
        standbys: [],
        leash: 300_000,
        timeout: 10_000,
      },
      socket: { path: '/run/tasklease/agent.sock', mode: 0o660 },
      sockets: [],
      runtime_dir: '/run/tasklease-private',
      secrets_dir: '/run/tasklease/tasks',
      state_dir: '/var/lib/tasklease',
      profiles_dir: '/etc/tasklease/profiles',
      limits: { tasks: 1000, tasks_per_uid: 100, starts_per_minute: 600 },
      on_exit: 'revoke',
      stop_timeout: 20_000,
      ledger: {
        enabled: true,
        heads_stdout: false,
        head_every: 256,
        head_after: 60_000,
        segment: { size: 64 * 2 ** 20, age: 7 * 86_400_000 },
        retain: { size: 2 ** 30, age: 3650 * 86_400_000 },
        key_age: 90 * 86_400_000,
      },
      log: { level: 'info' },
      tasks: [],
    });
  });

  test.each(['token_file', 'path', 'file'])('the file of the token may be called %s', (key) => {
    expect(agentConfig.parse(auth({ method: 'token_file', [key]: '/etc/t/token' })).vault.auth).toEqual({
      method: 'token_file',
      token_file: '/etc/t/token',
    });
  });

  test('a section may be given in part', () => {
    expect(agentConfig.parse({ ...MINIMAL, limits: { tasks: 5 } }).limits).toEqual({
      tasks: 5,
      tasks_per_uid: 100,
      starts_per_minute: 600,
    });
    expect(agentConfig.parse({ ...MINIMAL, socket: { mode: '0666' } }).socket.path).toBe(
      '/run/tasklease/agent.sock',
    );
  });

  test.each(['10s', '1h'])('a leash of %s, a bound', (leash) => {
    expect(faultOf(vault({ leash }))).toBe('no fault');
  });

  test.each(['127.0.0.1:9464', '[::1]:9464', 'localhost:0', '0.0.0.0:65535'])('metrics on %s', (listen) => {
    expect(faultOf({ ...MINIMAL, metrics: { listen } })).toBe('no fault');
  });

  test('on_exit: keep', () => {
    expect(agentConfig.parse({ ...MINIMAL, on_exit: 'keep' }).on_exit).toBe('keep');
  });

  test('a task of the configuration may be bound to a cgroup, and be a child', () => {
    const task = { id: 'b', profile: 'p', parent: 'a', bind: { cgroup: '/system.slice/b.service' } };
    expect(agentConfig.parse({ ...MINIMAL, tasks: [task] }).tasks).toEqual([task]);
  });

  test('each way to log in, with its mount by the method’s name', () => {
    const parsed = (value: unknown) => agentConfig.parse(auth(value)).vault.auth;
    expect(parsed({ method: 'kubernetes', role: 'agent' })).toEqual({
      method: 'kubernetes',
      mount: 'kubernetes',
      role: 'agent',
      token_file: '/var/run/secrets/kubernetes.io/serviceaccount/token',
    });
    expect(parsed({ method: 'jwt', token_file: '/a' })).toEqual({
      method: 'jwt',
      mount: 'jwt',
      token_file: '/a',
    });
    expect(parsed({ method: 'cert', cert_file: '/a', key_file: '/b' })).toMatchObject({ mount: 'cert' });
  });

  test('a task of the configuration is kept as it was written', () => {
    const task = { id: 'boot', profile: 'report-read', duration: '15m', params: { env: 'prod' } };
    expect(agentConfig.parse({ ...MINIMAL, tasks: [task] }).tasks).toEqual([task]);
  });
});

describe('faults', () => {
  test.each<[string, unknown, string | RegExp]>([
    ['nothing', {}, 'vault is missing'],
    ['a list', [], / must be of type /],
    ['an unknown key', { ...MINIMAL, soket: {} }, 'soket is not a known key'],
    ['an unknown nested key', vault({ adress: 'x' }), 'vault.adress is not a known key'],
    [
      'no address',
      vault({ address: undefined }),
      'vault.address is missing: give the URL of Vault, or set VAULT_ADDR',
    ],
    ['not a URL', vault({ address: 'vault.internal' }), /^vault\.address must be a URL such as /],
    ['a socket', vault({ address: 'unix:///run/vault.sock' }), /^vault\.address must be a URL such as /],
    [
      'a password in the URL',
      vault({ address: 'https://u:p@vault:8200' }),
      /^vault\.address must be a URL such as /,
    ],
    ['a query', vault({ address: 'https://vault:8200/?x=1' }), /^vault\.address must be a URL such as /],
    [
      'a standby without TLS',
      vault({ standbys: ['https://b:8200', 'http://c:8200'] }),
      'vault.standbys must have the protocol of vault.address: all https',
    ],
    [
      'a standby that is no URL',
      vault({ standbys: ['b:8200x'] }),
      /^vault\.standbys\.0 must be a URL such as /,
    ],
    [
      'a further socket without profiles',
      { ...MINIMAL, sockets: [{ path: '/run/t/a.sock' }] },
      'sockets.0.profiles is missing: name the profiles that this socket may start',
    ],
    [
      'two sockets at one path',
      { ...MINIMAL, sockets: [{ path: '/run/tasklease/agent.sock', profiles: ['a'] }] },
      'sockets.0.path is the path of another socket: give each one of its own',
    ],
    ...[
      [['admin'], 'sockets.0.name is the name of another socket'],
      [['agent'], 'sockets.0.name is the name of another socket'],
      [['a:b'], 'sockets.0.name must be letters, digits, dots, underscores and hyphens'],
      [['ci', 'ci'], 'sockets.1.name is the name of another socket: give each one of its own'],
    ].map(([names, fault]): [string, unknown, string] => [
      `sockets called ${String(names)}`,
      {
        ...MINIMAL,
        sockets: (names as string[]).map((name, i) => ({ name, path: `/run/t/${i}.sock`, profiles: ['a'] })),
      },
      fault as string,
    ]),
    ['a namespace that climbs', vault({ namespace: 'a/../b' }), /^vault\.namespace must /],
    [
      'a relative file',
      vault({ ca_file: 'ca.pem' }),
      /^vault\.ca_file must be an absolute path, or the name of a credential/,
    ],
    ['no login', vault({ auth: undefined }), /^vault\.auth must name a method: token_file, approle/],
    [
      'no method',
      auth({}),
      /^vault\.auth(?:\.method)? must name a method: token_file, approle, jwt, kubernetes/,
    ],
    ['ldap', auth({ method: 'ldap' }), /^vault\.auth\.method must name a method: token_file, approle, jwt, /],
    ['jwt without its file', auth({ method: 'jwt', role: 'agent' }), /^vault\.auth\.token_file is missing/],
    [
      'kubernetes without its role',
      auth({ method: 'kubernetes' }),
      /^vault\.auth\.role is missing: name the role/,
    ],
    [
      'a key of another method',
      auth({ method: 'jwt', token_file: '/a', cert_file: '/b' }),
      'vault.auth.cert_file is not a known key',
    ],
    ['cert without its key', auth({ method: 'cert', cert_file: '/a' }), /^vault\.auth\.key_file is missing/],
    [
      'no token file',
      auth({ method: 'token_file' }),
      'vault.auth.token_file is missing: give an absolute path',
    ],
    ['a token in clear', auth({ method: 'token_file', token: 'hvs.x' }), /^vault\.auth\.token(?:_file)? /],
    [
      'both names',
      auth({ method: 'token_file', token_file: '/a', path: '/b' }),
      'vault.auth.path is not a known key',
    ],
    [
      'no secret id',
      approle({ secret_id_file: undefined }),
      'vault.auth.secret_id_file is missing: give an absolute path',
    ],
    ['a secret id in clear', approle({ secret_id: 'x' }), 'vault.auth.secret_id is not a known key'],
    [
      'wrapped: yes',
      approle({ secret_id_wrapped: 'yes' }),
      'vault.auth.secret_id_wrapped must be of type boolean',
    ],
    ['a mount with a slash too many', approle({ mount: '/approle' }), /^vault\.auth\.mount must /],
    ['a leash of 9 s', vault({ leash: '9s' }), 'vault.leash must be between 10s and 1h'],
    ['a leash of a day', vault({ leash: '1d' }), 'vault.leash must be between 10s and 1h'],
    ['a leash without a unit', vault({ leash: 300 }), 'vault.leash must be a duration like 90s, 10m or 1h'],
    ['no timeout at all', vault({ timeout: '0s' }), /^vault\.timeout must be between /],
    [
      'a mode that is a number',
      { ...MINIMAL, socket: { mode: 660 } },
      /^socket\.mode must be an octal mode in quotes/,
    ],
    [
      'a relative socket',
      { ...MINIMAL, socket: { path: 'agent.sock' } },
      'socket.path must be an absolute path',
    ],
    ['a directory that climbs', { ...MINIMAL, state_dir: '/var/../etc' }, 'state_dir must not contain ".."'],
    ['no tasks at all', { ...MINIMAL, limits: { tasks: 0 } }, /^limits\.tasks /],
    ['half a start', { ...MINIMAL, limits: { starts_per_minute: 0.5 } }, /^limits\.starts_per_minute /],
    [
      'another end',
      { ...MINIMAL, on_exit: 'leave' },
      'on_exit must be revoke (stop every task) or keep (leave them for the next agent)',
    ],
    [
      'a task that binds a connection',
      { ...MINIMAL, tasks: [{ id: 'a', profile: 'a', bind: { connection: true } }] },
      'tasks.0.bind has no connection to bind: leave it out, or bind a pid or a cgroup',
    ],
    ['a port alone', { ...MINIMAL, metrics: { listen: '9464' } }, /^metrics\.listen must be host:port/],
    [
      'a port too high',
      { ...MINIMAL, metrics: { listen: '127.0.0.1:65536' } },
      'metrics.listen has a port above 65535',
    ],
    ['a level', { ...MINIMAL, log: { level: 'trace' } }, 'log.level must be debug, info, warn or error'],
    ['tasks as a map', { ...MINIMAL, tasks: {} }, 'tasks must be of type array'],
    ['a task without an id', { ...MINIMAL, tasks: [{ profile: 'a' }] }, /^tasks\.0\.id /],
    [
      'a task with a bad id',
      { ...MINIMAL, tasks: [{ id: '../x', profile: 'a' }] },
      /^tasks\.0\.id must be a letter/,
    ],
    [
      'a task without a profile',
      { ...MINIMAL, tasks: [{ id: 'a' }] },
      /^tasks\.0\.profile must be the name of a/,
    ],
    [
      'the second task',
      {
        ...MINIMAL,
        tasks: [
          { id: 'a', profile: 'a' },
          { id: 'b', profile: 'b', x: 1 },
        ],
      },
      'tasks.1.x is not a known key',
    ],
  ])('%s', (_name, value, fault) => {
    if (typeof fault === 'string') expect(faultOf(value)).toBe(fault);
    else expect(faultOf(value)).toMatch(fault);
  });
});
