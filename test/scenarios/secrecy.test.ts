// Bar 8: secrets are written to tmpfs or not at all, and to the task's file alone. Every secret that Vault
// ever gave out in this test, and every token, is looked for wherever it must not be.
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld({ audit: true, config: { log: { level: 'debug' } } });
});
afterAll(() => world?.close());

/** Tokens and secret values from Vault's raw audit log: all it answered to anybody but the administrator. */
const givenOut = async (): Promise<Map<string, string>> => {
  const found = new Map<string, string>();
  for (const line of (await readFile(world.paths.audit, 'utf8')).split('\n')) {
    if (line === '') continue;
    const { request, response, auth } = JSON.parse(line);
    const note = (value: unknown, what: string): void => {
      if (typeof value === 'string' && value.length >= 12) found.set(value, `${what} of ${request?.path}`);
    };
    note(request?.client_token, 'the token in a request');
    note(auth?.client_token, 'the token in an answer');
    note(response?.auth?.client_token, 'the token in an answer');
    if (/^(database\/creds|pki\/issue|ssh\/creds)/.test(request?.path ?? '')) {
      for (const field of ['password', 'private_key', 'key']) note(response?.data?.[field], field);
    }
    if (request?.path === 'auth/approle/login') note(request?.data?.secret_id, 'the secret id');
  }
  return found;
};

const filesBelow = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

const readable = (path: string): Buffer => {
  try {
    return readFileSync(path);
  } catch (error) {
    // Not even for its owner, where the process is not dumpable: nothing leaks there.
    if (['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return Buffer.alloc(0);
    throw error;
  }
};

test('no secret and no token in logs, journal, metrics, replies, environment or arguments', async () => {
  const events = await world.open('GET', '/v1/events');
  for (const [task, profile] of [
    ['canary-db', 'database'],
    ['canary-tls', 'certificate'],
    ['canary-otp', 'one-time-password'],
  ] as const) {
    await startTask(world, task, profile, { event: { type: 'pull_request', id: 'acme/shop#412' } });
    await world.api('PUT', `/v1/tasks/${task}`, { profile });
    await world.api('GET', `/v1/tasks/${task}`);
  }
  // What the files hold is what is looked for below: the test sees the secrets that it guards.
  const password = await world.file('canary-db', 'db.password');
  const [, privateKey = ''] = (await world.file('canary-tls', 'tls.pem')).split(
    /-----BEGIN [A-Z ]*PRIVATE KEY-----\n/,
  );
  expect(privateKey.length).toBeGreaterThan(60);
  await world.api('PUT', '/v1/tasks/canary-half', { profile: 'half-denied' });
  await world.api('GET', '/v1/tasks');
  await world.admin('GET', '/v1/tasks');
  await world.api('GET', '/v1/health?ready');
  await world.api('GET', '/v1/openapi.json');

  // The command of `run` gets names, not values.
  const seen = join(world.paths.scratch, 'environ');
  await world.cli([
    'run',
    '--profile',
    'database',
    '--',
    'sh',
    '-c',
    'cat /proc/$PPID/environ /proc/$$/environ > "$1"',
    'sh',
    seen,
  ]);

  const proc = (file: string): Buffer => readable(`/proc/${world.agent.pid}/${file}`);
  const environ = proc('environ');
  const cmdline = proc('cmdline');
  expect(cmdline.toString()).toContain('agent');
  await stopTask(world, 'canary-db');
  await world.api('GET', '/v1/tasks/canary-db/receipt');
  await world.api('GET', '/v1/metrics');
  // Vault breaks down in the middle: errors must not tell either.
  await world.vault.seal();
  await world.api('PUT', '/v1/tasks/canary-sealed', { profile: 'database' });
  await world.api('DELETE', '/v1/tasks/canary-tls');
  await world.vault.unseal();
  await stopTask(world, 'canary-tls');
  await stopTask(world, 'canary-otp');
  await world.api('GET', '/v1/metrics');
  events.close();

  const journal = filesBelow(world.paths.state);
  expect(journal.length).toBeGreaterThan(0);
  const places: [string, Buffer][] = [
    ['the agent log', Buffer.from(world.logs())],
    ['the API replies', Buffer.from(world.transcript.join('\n'))],
    ['the event stream', Buffer.from(JSON.stringify(events.lines))],
    ['the environment', environ],
    ['the arguments', cmdline],
    ['the environments of run and its command', readFileSync(seen)],
    ...journal.map((path): [string, Buffer] => [path, readFileSync(path)]),
  ];

  await world.agent.term();
  places.push(['the agent log after its end', Buffer.from(world.logs())]);
  // The session ended with the agent: its token is not kept either.
  for (const path of [...filesBelow(world.paths.state), ...filesBelow(world.paths.runtime)]) {
    places.push([`${path} after the end`, readFileSync(path)]);
  }

  const secrets = await givenOut();
  expect(secrets.has(password), 'the audit log shows what the files held').toBe(true);
  expect([...secrets.keys()].some((value) => value.includes(privateKey.split('\n')[0]!))).toBe(true);
  expect([...secrets.values()].filter((what) => what.includes('token')).length).toBeGreaterThan(5);
  secrets.delete(world.vault.rootToken);
  for (const [value, what] of secrets) {
    // A key is looked for by its lines, since JSON would escape the newlines between them.
    const needles = value.includes('\n')
      ? value.split('\n').filter((line) => line.length > 20 && !line.startsWith('-'))
      : [value];
    for (const needle of needles) {
      for (const [place, bytes] of places) {
        expect(bytes.includes(needle), `${what} is in ${place}`).toBe(false);
      }
    }
  }
}, 120_000);

/** Starts the agent with one key changed, expects that it ends by itself, and answers what it said. */
const refused = async (key: 'secrets_dir' | 'runtime_dir', dir: string): Promise<string> => {
  let before = '';
  await world.configure((config) => {
    before = config[key];
    config[key] = dir;
  });
  try {
    const seenBefore = world.logs().length;
    await world.agent.launch();
    await until('the agent ends by itself', () => !world.agent.running);
    expect((await world.agent.exited()).code).toBe(78);
    return world.logs().slice(seenBefore);
  } finally {
    if (world.agent.running) await world.agent.kill9();
    await world.configure((config) => {
      config[key] = before;
    });
  }
};

test.each(['secrets_dir', 'runtime_dir'] as const)(
  'a %s that is not tmpfs is refused, with the reason',
  async (key) => {
    if (world.agent.running) await world.agent.term();
    const onDisk = join(world.paths.scratch, key);
    const said = await refused(key, onDisk);
    expect(said).toContain('tmpfs');
    expect(said).toContain(onDisk);
    expect(said).toContain(key);

    // Not by way of a link either.
    await mkdir(onDisk, { recursive: true, mode: 0o700 });
    const link = join(world.paths.secrets, '..', `link-to-${key}`);
    await symlink(onDisk, link);
    expect(await refused(key, link)).toMatch(/tmpfs|link/);
  },
);
