// Owns the hostile configurations and profiles of bar 7: a good file, one change each, and what the
// sentence must name. The line is found, not counted by hand: it is the one that was changed.

export type HostileFile = {
  name: string;
  /** Replaces the first line that begins with `line`. '' appends; undefined replaces the whole text. */
  line?: string;
  with: string;
  /** The message must match. */
  names: RegExp;
  /** False where there is no line to name (the key is missing, the file is empty). */
  named?: boolean;
};

/** Nine aliases of nine aliases of …: 9^9 values from one page. */
const ALIAS_BOMB = [...'abcdefghi']
  .map((key, n, keys) => `${key}: &${key} [${Array(9).fill(n === 0 ? 'zqx' : `*${keys[n - 1]}`)}]\n`)
  .join('');

export const HOSTILE_CONFIGS: HostileFile[] = [
  { name: 'an unknown key', line: '', with: 'zqx: 1', names: /zqx/ },
  { name: 'a key with a typo', line: 'secrets_dir:', with: 'secret_dir: /dev/shm/x', names: /secret_dir/ },
  { name: 'an unknown key in vault', line: '  leash:', with: '  leesh: 5m', names: /leesh/ },
  { name: 'a duplicate key', line: '', with: 'socket: { path: /a }', names: /socket|unique|duplicate/i },
  { name: 'a leash too short', line: '  leash:', with: '  leash: 5s', names: /leash/ },
  { name: 'a leash too long', line: '  leash:', with: '  leash: 2h', names: /leash/ },
  { name: 'a leash that is a number', line: '  leash:', with: '  leash: 300', names: /leash/ },
  { name: 'a leash that is a word', line: '  leash:', with: '  leash: zqx', names: /leash/ },
  { name: 'an address that is none', line: '  address:', with: '  address: zqx', names: /address/ },
  {
    name: 'an address with a password',
    line: '  address:',
    with: '  address: http://a:b@c',
    names: /address/,
  },
  {
    name: 'an address of another scheme',
    line: '  address:',
    with: '  address: file:///zqx',
    names: /address/,
  },
  { name: 'an unknown method', line: '    method:', with: '    method: zqx', names: /zqx|method/ },
  {
    name: 'a relative file',
    line: '    role_id_file:',
    with: '    role_id_file: zqx',
    names: /role_id_file/,
  },
  { name: 'a mode without quotes', line: '  mode:', with: '  mode: 660', names: /mode/ },
  { name: 'a mode that is none', line: '  mode:', with: '  mode: "0999"', names: /mode/ },
  { name: 'a relative socket', line: '  path:', with: '  path: zqx.sock', names: /path/ },
  { name: 'a relative directory', line: 'secrets_dir:', with: 'secrets_dir: zqx', names: /secrets_dir/ },
  { name: 'a directory with ..', line: 'state_dir:', with: 'state_dir: /var/lib/../zqx', names: /state_dir/ },
  { name: 'a negative limit', line: 'limits:', with: 'limits: { tasks: -1 }', names: /limits|tasks/ },
  { name: 'an unknown limit', line: 'limits:', with: 'limits: { zqx: 1 }', names: /zqx/ },
  { name: 'an unknown level', line: 'log:', with: 'log: { level: zqx }', names: /level/ },
  { name: 'an unknown on_exit', line: '', with: 'on_exit: zqx', names: /on_exit/ },
  { name: 'a metrics port that is none', line: '', with: 'metrics: { listen: "zqx" }', names: /listen/ },
  { name: 'a stop_timeout that is none', line: '', with: 'stop_timeout: soon', names: /stop_timeout/ },
  { name: 'a boot task without id', line: '', with: 'tasks: [{ profile: database }]', names: /\bid\b/ },
  {
    name: 'a boot task with a bad id',
    line: '',
    with: 'tasks: [{ id: "../zqx", profile: a }]',
    names: /\bid\b/,
  },
  { name: 'a boot task with more', line: '', with: 'tasks: [{ id: a, profile: b, zqx: 1 }]', names: /zqx/ },
  { name: 'broken YAML', line: '', with: 'zqx: [1, 2', names: /YAML|flow|\]/i, named: false },
  { name: 'a tab', line: 'socket:', with: 'socket:\n\tpath: zqx', names: /tab/i },
  { name: 'an empty file', with: '', names: /vault|empty|mapping|object/i, named: false },
  { name: 'a bomb of aliases', with: ALIAS_BOMB, names: /alias/i, named: false },
  { name: 'a tag', line: '  leash:', with: '  leash: !!js/function "zqx"', names: /tag/i },
  { name: 'a merge key', line: '', with: '<<: { zqx: 1 }', names: /<<|zqx/ },
  { name: 'two documents', line: '', with: '---\nzqx: 1', names: /document/i, named: false },
  { name: '__proto__', line: '', with: '__proto__: { zqx: 1 }', names: /__proto__/ },
  { name: 'a list', with: '- zqx\n', names: /mapping|object|list/i, named: false },
  { name: 'no vault', with: 'socket: { path: /tmp/a.sock }\n', names: /vault/, named: false },
];

/** A profile of its own, named subject. */
export const goodProfile = `profile: subject
description: good until one line is changed
allow:
  uids: [0]
params:
  env: { enum: [staging, prod] }
ttl: { default: 10m, max: 1h, grace: 15s }
vault:
  mode: child
  policies: [tasklease-app-config]
secrets:
  app:
    path: secret/data/app/{{params.env}}
    files:
      app.json: { format: json }
`;

const PATHS = [
  ...[
    'secret/../sys/x',
    'secret//x',
    '/secret/x',
    'secret/x/',
    'secret/*',
    'secret/+/x',
    'secret/a?b',
    'secret/a#b',
  ],
  ...['secret/%2e%2e/x', 'sys/leases/revoke', 'auth/token/create', 'secret/{{params.env', 'secret/a b'],
];

export const HOSTILE_PROFILES: HostileFile[] = [
  ...PATHS.map(
    (path): HostileFile => ({
      name: `path ${path}`,
      line: '    path:',
      with: `    path: "${path}"`,
      names: /path/,
    }),
  ),
  { name: 'an unknown key', line: '', with: 'zqx: 1', names: /zqx/ },
  { name: 'an unknown key in secrets', line: '    path:', with: '    path: a/b\n    zqx: 1', names: /zqx/ },
  { name: 'a duplicate key', line: '', with: 'params: {}', names: /params|unique|duplicate/i },
  {
    name: 'another name than the file',
    line: 'profile:',
    with: 'profile: other',
    names: /profile|other|name/,
  },
  { name: 'no name', line: 'profile:', with: '', names: /profile/, named: false },
  { name: 'an unknown slot', line: '    path:', with: '    path: "a/{{task.zqx}}"', names: /task\.zqx/ },
  { name: 'a slot without param', line: '    path:', with: '    path: "a/{{params.zqx}}"', names: /zqx/ },
  { name: 'default over max', line: 'ttl:', with: 'ttl: { default: 2h, max: 1h }', names: /default|ttl/ },
  { name: 'a ttl that is none', line: 'ttl:', with: 'ttl: { default: zqx }', names: /default|ttl/ },
  { name: 'the root policy', line: '  policies:', with: '  policies: [root]', names: /policies|root/ },
  { name: 'no policy', line: '  policies:', with: '  policies: []', names: /policies/ },
  { name: 'an unknown mode', line: '  mode:', with: '  mode: zqx', names: /mode/ },
  { name: 'an unknown format', line: '      app.json:', with: '      a: { format: zqx }', names: /format/ },
  { name: 'raw without field', line: '      app.json:', with: '      a: { format: raw }', names: /field/ },
  {
    name: 'world-readable',
    line: '      app.json:',
    with: '      a: { format: json, mode: "0444" }',
    names: /unsafe|everybody|mode/,
  },
  {
    name: 'a template with logic',
    line: '      app.json:',
    with: '      a: { format: template, template: "{{#if a}}" }',
    names: /template/,
  },
  {
    name: 'a file that is a path',
    line: '      app.json:',
    with: '      ../zqx: { format: json }',
    names: /zqx/,
  },
  {
    name: 'the manifest',
    line: '      app.json:',
    with: '      manifest.json: { format: json }',
    names: /manifest/,
  },
  { name: 'a param without rule', line: '  env:', with: '  env: {}', names: /env/ },
  { name: 'a broken pattern', line: '  env:', with: '  env: { pattern: "(" }', names: /env|pattern/ },
  { name: 'a uid that is a name', line: '  uids:', with: '  uids: [zqx]', names: /uids/ },
  { name: 'a negative uid', line: '  uids:', with: '  uids: [-1]', names: /uids/ },
  { name: 'broken YAML', line: '', with: 'zqx: [1', names: /YAML|flow|\]/i, named: false },
  { name: 'an empty file', with: '', names: /subject/, named: false },
  { name: 'a bomb of aliases', with: ALIAS_BOMB, names: /alias/i, named: false },
];

/** The changed text, and the line (from 1) of the change. */
export const spoil = (good: string, file: HostileFile): { text: string; line: number | undefined } => {
  if (file.line === undefined) return { text: file.with, line: undefined };
  const lines = good.trimEnd().split('\n');
  const named = (line: number): number | undefined => (file.named === false ? undefined : line);
  if (file.line === '')
    return { text: `${[...lines, file.with].join('\n')}\n`, line: named(lines.length + 1) };
  const at = lines.findIndex((line) => line.startsWith(file.line!));
  if (at < 0) throw new Error(`the good file has no line that begins with "${file.line}"`);
  lines[at] = file.with;
  const shift = file.with.split('\n').length - 1;
  return { text: `${lines.join('\n')}\n`, line: named(at + 1 + shift) };
};
