// Owns formats through a running agent: values that hurt come out of Vault and real clients, as the user who started the
// task, log in with the files that are there when the start is answered; and a value or a field that no file can carry
// leaves nothing behind.

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { otherUser } from '../harness/other-user.ts';
import { program } from '../harness/servers/program.ts';
import type { Reply } from '../harness/socket-api.ts';
import { expectProblem } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';
import { asReader, READER } from './desk.ts';
import { type Sshd, startSshd } from './sshd.ts';

const HURTS = ` it's "$HOME" \\ #%:@;é `;
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object };
const BYTES = Buffer.from(Array.from({ length: 256 }, (_, i) => 255 - i));
const isRoot = process.getuid!() === 0;
/** A sample policy; what it permits here is written below. */
const POLICY = 'tasklease-test-customer';
const RIGHTS = `
  path "secret/data/customer/*" { capabilities = ["read"] }
  path "database/creds/report" { capabilities = ["read"] }
  path "database/creds/rotating" { capabilities = ["read"] }
  path "pki/issue/app" { capabilities = ["update"] }
  path "ssh-client/issue/app" { capabilities = ["update"] }`;

const head = {
  allow: { uids: [READER.uid] },
  ttl: { default: '10m', max: '1h', grace: '0s' },
  vault: { policies: [POLICY] },
};
const hurt = (files: Record<string, unknown>) => ({ path: 'secret/data/customer/hurt', files });
const leased = { path: 'database/creds/report', files: { 'db.json': { format: 'json' } } };

let world: World;
let sshd: Sshd;
let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tasklease-formats-'));
  const sample = { storage: 'inmem' as const, start: false };
  world = await createWorld({ ...sample, ...(isRoot ? { config: { socket: { group: READER.gid } } } : {}) });
  const must = async (method: string, path: string, body?: unknown) => {
    const reply = await world.vault.request(method, path, body);
    if (reply.status >= 300)
      throw new Error(`Vault answered ${reply.status} to ${method} ${path}: ${JSON.stringify(reply.body)}`);
    return reply.body;
  };
  await must('PUT', `sys/policies/acl/${POLICY}`, { policy: RIGHTS });
  await must('POST', 'secret/data/customer/hurt', {
    data: {
      username: 'us:er',
      password: HURTS,
      key: BYTES.toString('base64'),
      two_lines: 'a\nb',
      machine: '127.0.0.1',
    },
  });
  await must('POST', 'secret/data/customer/numbers', { data: { account: rawJSON('12345678901234567890') } });
  await must('POST', 'sys/mounts/ssh-client', { type: 'ssh' });
  const { data } = await must('POST', 'ssh-client/config/ca', {
    generate_signing_key: true,
    key_type: 'ed25519',
  });
  await must('POST', 'ssh-client/roles/app', {
    ...{
      key_type: 'ca',
      allow_user_certificates: true,
      allowed_users: '*',
      default_user: userInfo().username,
      ttl: '10m',
    },
  });
  sshd = await startSshd(String(data!.public_key));
  await world.postgres.query(
    `create role "us:er" login password '${HURTS.replaceAll("'", "''")}' in role report_reader`,
  );
  for (const [name, secrets] of Object.entries(profiles())) {
    const params = name === 'clients' ? { params: { host: { pattern: '.+' } } } : {};
    await world.writeProfile(name, { ...head, ...params, overlap: '1s', secrets });
  }
  await world.agent.start();
});
afterAll(async () => {
  await Promise.all([world?.close(), sshd?.stop(), rm(home, { recursive: true, force: true })]);
});

const profiles = (): Record<string, Record<string, unknown>> => ({
  clients: {
    app: hurt({
      '.pgpass': { format: 'pgpass', host: '{{params.host}}', port: world.postgres.port },
      netrc: { format: 'netrc', quoted: true },
      'app.env': { format: 'dotenv', quoting: 'shell', fields: { PW: 'password', WHO: 'db.username' } },
      'app.json': { format: 'json' },
      pw: { format: 'raw', field: 'password' },
      keytab: { format: 'raw', field: 'key', encoding: 'base64' },
      both: {
        format: 'template',
        template: '{{db.username}} {{app.password}} {{params.host}} {{task.id}}\n',
      },
    }),
    db: {
      path: 'database/creds/report',
      files: { 'db.json': { format: 'json' }, 'db.pass': { format: 'pgpass' } },
    },
    tls: {
      path: 'pki/issue/app',
      method: 'write',
      body: { common_name: '{{task.id}}.app.internal', ttl: '{{task.ttl}}' },
      files: {
        'tls.pem': { format: 'pem' },
        'chain.pem': { format: 'pem', parts: ['certificate', 'ca_chain'], mode: '0440' },
      },
    },
    key: {
      path: 'ssh-client/issue/app',
      method: 'write',
      body: { key_type: 'ed25519', ttl: '{{task.ttl}}' },
      files: { id: { format: 'ssh-key' }, 'id-cert.pub': { format: 'ssh-key', part: 'certificate' } },
    },
  },
  'two-lines': { db: leased, app: hurt({ pass: { format: 'pgpass', fields: { password: 'two_lines' } } }) },
  'no-such-part': { db: leased, app: hurt({ kubeconfig: { format: 'kubeconfig', server: 'https://k' } }) },
  'no-such-secret': {
    db: leased,
    app: hurt({ f: { format: 'template', template: '{{password}} {{dbs.username}}' } }),
  },
  'no-such-field': { db: leased, app: hurt({ f: { format: 'dotenv', fields: { A: 'db.user' } } }) },
  'lost-digits': {
    db: leased,
    app: { path: 'secret/data/customer/numbers', files: { n: { format: 'raw', field: 'account' } } },
  },
  together: {
    db: { path: 'database/creds/rotating', files: { 'db.json': { format: 'json' } } },
    app: hurt({ url: { format: 'template', template: '{{db.username}}:{{db.password}}@{{username}}' } }),
  },
});

const api = (method: string, path: string, body?: unknown): Promise<Reply> =>
  isRoot
    ? otherUser(READER.uid, READER.gid).call(world.paths.socket, method, path, body)
    : world.api(method, path, body);
const start = (task: string, profile: string, params = {}) =>
  api('PUT', `/v1/tasks/${task}`, { profile, ...(Object.keys(params).length > 0 ? { params } : {}) });

describe('one task with the files of many clients', () => {
  let dir: string;
  const psql = (env: Record<string, string>, ...args: string[]) =>
    asReader(
      program('psql', 'postgresql-client'),
      ['--no-psqlrc', '--no-password', '-Atc', 'select current_user', ...args],
      { env },
    );
  const at = (name: string) => join(dir, name);

  beforeAll(async () => {
    const reply = await start('job-1', 'clients', { host: '127.0.0.1' });
    expect(reply.status, reply.text).toBe(201);
    dir = reply.body.dir;
  });

  test('psql with the password file: the one of KV, and the one that Vault made', async () => {
    const url = (user: string) =>
      `postgresql://${encodeURIComponent(user)}@127.0.0.1:${world.postgres.port}/postgres`;
    expect(await psql({ PGPASSFILE: at('.pgpass') }, url('us:er'))).toEqual({
      code: 0,
      stdout: 'us:er\n',
      stderr: '',
    });
    const { username } = JSON.parse((await asReader('cat', [at('db.json')])).stdout);
    expect((await psql({ PGPASSFILE: at('db.pass') }, url(username))).stdout).toMatch(
      /^(?:v-|report_reader)/,
    );
  });

  test('curl with the netrc', async () => {
    const server = createServer((request, response) => response.end(request.headers.authorization));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const ran = await asReader(program('curl', 'curl'), [
      '--silent',
      '--netrc-file',
      at('netrc'),
      `http://127.0.0.1:${port}/`,
    ]);
    server.close();
    expect(Buffer.from(ran.stdout.slice('Basic '.length), 'base64').toString()).toBe(`us:er:${HURTS}`);
  });

  test('ssh with the key and the certificate that Vault issued', async () => {
    const ran = await asReader(program('ssh', 'openssh-client'), sshd.login(at('id')), {
      env: { HOME: home },
    });
    expect(ran).toMatchObject({ code: 0, stdout: 'logged in\n' });
  });

  test('openssl takes the bundle; the chain holds no key, whoever may read it', async () => {
    const openssl = program('openssl', 'openssl');
    const key = await asReader(openssl, ['pkey', '-in', at('tls.pem'), '-pubout']);
    const certificate = await asReader(openssl, ['x509', '-in', at('tls.pem'), '-pubkey', '-noout']);
    expect([key.code, key.stdout]).toEqual([0, certificate.stdout]);
    const chain = (await asReader('cat', [at('chain.pem')])).stdout;
    expect(chain.match(/-----BEGIN [A-Z ]+-----/g)).toEqual([
      '-----BEGIN CERTIFICATE-----',
      '-----BEGIN CERTIFICATE-----',
    ]);
    expect((statSync(at('chain.pem')).mode & 0o777).toString(8)).toBe('440');
  });

  test('a shell, a program that reads JSON, one that reads bytes', async () => {
    const { username } = JSON.parse((await asReader('cat', [at('db.json')])).stdout);
    const shell = await asReader('sh', ['-c', '. "$1"; printf "%s|%s" "$PW" "$WHO"', 'sh', at('app.env')]);
    expect(shell.stdout).toBe(`${HURTS}|${username}`);
    expect(JSON.parse((await asReader('cat', [at('app.json')])).stdout).password).toBe(HURTS);
    expect((await asReader('cat', [at('pw')])).stdout).toBe(HURTS);
    const sum = (await asReader('base64', ['-w0', at('keytab')])).stdout;
    expect(sum).toBe(BYTES.toString('base64'));
    expect((await asReader('cat', [at('both')])).stdout).toBe(`${username} ${HURTS} 127.0.0.1 job-1\n`);
  });

  test('all of it is the caller’s, and the caller’s alone, but for what the profile opens', () => {
    for (const name of readdirSync(dir)) {
      const { uid, mode } = statSync(at(name));
      expect([name, uid, (mode & 0o777).toString(8)]).toEqual([
        name,
        READER.uid,
        name === 'chain.pem' ? '440' : '400',
      ]);
    }
  });

  test('after the stop Vault knows none of it, and the files are gone', async () => {
    const reply = await api('DELETE', '/v1/tasks/job-1?wait=60s');
    expect(reply.status, reply.text).toBe(200);
    await world.untilNothingLeft();
  });
});

describe('what no file can carry: the start is refused, nothing was published, everything is revoked', () => {
  test.each([
    ['two-lines', 'pass cannot be written: field two_lines of secret app holds a line break', /json or raw/],
    // KV version 2 itself keeps numbers as doubles.
    [
      'lost-digits',
      'n cannot be written: field account of secret app is a number that lost digits',
      /^store it as a string$/,
    ],
    [
      'no-such-part',
      'secret app has nothing in service_account_token or token, which kubeconfig (kubeconfig) needs',
      /^name its field under fields: \{ token: … \}; the secret has key, machine/,
    ],
    [
      'no-such-secret',
      'secret app has no field dbs.username, which f needs',
      /^it has key, machine, password, .*; other secrets are db$/,
    ],
    ['no-such-field', 'secret db has no field user, which f needs', /^it has password, username$/],
  ])('%s', async (profile, detail, hint) => {
    const problem = expectProblem(await start(`t-${profile}`, profile), 500, 'DELIVERY_FAILED');
    expect(problem.detail).toContain(detail);
    expect(problem.hint).toMatch(hint);
    expect(problem.retryable).toBe(false);
    await world.untilNothingLeft();
    expect(world.logs() + world.transcript.join('')).not.toContain('it\'s \\"$HOME');
  });

  test('a host that the caller chose and that is none: SIGNAL_INVALID, before Vault is asked', async () => {
    const problem = expectProblem(await start('t-host', 'clients', { host: 'a@b' }), 400, 'SIGNAL_INVALID');
    expect(problem.detail).toBe(
      'host of the file .pgpass would be "a@b": it must be a host name or an address',
    );
  });
});

test('a template over two secrets is of one generation, through every rotation', async () => {
  const reply = await start('rotates', 'together');
  expect(reply.status, reply.text).toBe(201);
  const seen = new Set<string>();
  const torn: string[] = [];
  await until('three generations were read', () => {
    const generation = join(dirname(reply.body.dir), readlinkSync(reply.body.dir));
    const { username, password } = JSON.parse(readFileSync(join(generation, 'db.json'), 'utf8'));
    const url = readFileSync(join(generation, 'url'), 'utf8');
    if (url !== `${username}:${password}@us:er`) torn.push(`${url} beside ${username}`);
    return seen.add(username).size >= 3;
  });
  expect(torn).toEqual([]);
  await api('DELETE', '/v1/tasks/rotates?wait=60s');
  await world.untilNothingLeft();
});
