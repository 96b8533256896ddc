// Owns the proof that curl and git log in with a delivered netrc and credential file, and that nginx serves a delivered
// PEM bundle, whatever the password is made of.

import { spawn } from 'node:child_process';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launch, untilReady } from '../../src/dev/children.ts';
import { freePort } from '../../src/dev/free-port.ts';
import { program } from '../harness/servers/program.ts';
import { mustRun } from '../harness/servers/run.ts';
import { type Certificates, certificates } from './certificates.ts';
import { asReader, type Desk, HURTING, openDesk, READER } from './desk.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await openDesk();
});
afterAll(() => desk.close());

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};

describe('netrc', () => {
  let server: Server;
  let port: number;
  let curl: string;
  beforeAll(async () => {
    curl = program('curl', 'curl');
    // Answers with what it was told, so that the test sees it and not the server's opinion of it.
    server = createServer((request, response) => response.end(request.headers.authorization ?? 'nobody'));
    port = await listen(server);
  });
  afterAll(() => server.close());

  const whoAmI = async (file: string): Promise<string> => {
    const args = ['--silent', '--netrc-file', file, `http://127.0.0.1:${port}/`];
    const { stdout } = await asReader(curl, args);
    return Buffer.from(stdout.replace('Basic ', ''), 'base64').toString();
  };

  test.each([...HURTING, 'password', 'machine', '"', '""', "'", ' '])(
    'curl finds the password %j in quotes, and without them unless it is refused',
    async (password) => {
      const data = { machine: '127.0.0.1', login: 'us er', password };
      const quoted = await desk.deliver({ netrc: { format: 'netrc', quoted: true } }, data);
      expect(await whoAmI(join(quoted, 'netrc'))).toBe(`us er:${password}`);
      const bare = await desk.deliverOrNot({ netrc: { format: 'netrc' } }, { ...data, login: 'user' });
      if ('refused' in bare) {
        expect(password).toMatch(/[\s"\\]|^#/);
        expect(bare.refused).toContain(
          'field password of secret db holds a blank, a double quote, a backslash',
        );
      } else expect(await whoAmI(join(bare.dir, 'netrc'))).toBe(`user:${password}`);
    },
  );

  test('a line is no longer than curl reads', async () => {
    const rest = 'machine 127.0.0.1 login user password \n'.length;
    const data = (length: number) => ({
      machine: '127.0.0.1',
      login: 'user',
      password: 'x'.repeat(length - rest),
    });
    const dir = await desk.deliver({ netrc: { format: 'netrc' } }, data(4094));
    expect(await whoAmI(join(dir, 'netrc'))).toBe(`user:${data(4094).password}`);
    expect(await desk.deliverOrNot({ netrc: { format: 'netrc' } }, data(4095))).toHaveProperty('refused');
  });

  test('another machine gets nothing', async () => {
    const dir = await desk.deliver(
      { netrc: { format: 'netrc', machine: 'elsewhere.internal' } },
      { username: 'u', password: 'p' },
    );
    expect(
      await asReader(curl, ['--silent', '--netrc-file', join(dir, 'netrc'), `http://127.0.0.1:${port}/`]),
    ).toEqual({
      ...{ code: 0, stdout: 'nobody', stderr: '' },
    });
  });
});

describe('git-credentials', () => {
  let server: Server;
  let port: number;
  let git: string;
  let wanted = '';
  beforeAll(async () => {
    git = program('git', 'git');
    const backend = program('/usr/lib/git-core/git-http-backend', 'git');
    const root = join(desk.home, 'repos');
    const env = { HOME: desk.home };
    await mkdir(root);
    await mustRun(git, ['init', '--quiet', '--bare', '--initial-branch=main', join(root, 'app.git')], {
      env,
    });
    await mustRun(git, ['-C', join(root, 'app.git'), 'config', 'http.receivepack', 'true'], { env });
    const empty = (
      await mustRun(git, ['-C', join(root, 'app.git'), 'hash-object', '-w', '-t', 'tree', '--stdin'], { env })
    ).trim();
    const who = {
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a@b',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a@b',
    };
    const commit = await mustRun(git, ['-C', join(root, 'app.git'), 'commit-tree', empty, '-m', 'first'], {
      env: { ...env, ...who },
    });
    await mustRun(git, ['-C', join(root, 'app.git'), 'update-ref', 'refs/heads/main', commit.trim()], {
      env,
    });
    server = createServer((request, response) => {
      const { authorization = '' } = request.headers;
      if (Buffer.from(authorization.replace('Basic ', ''), 'base64').toString() !== wanted) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
        return;
      }
      const url = new URL(request.url!, 'http://127.0.0.1');
      const child = spawn(backend, [], {
        env: {
          GIT_PROJECT_ROOT: root,
          GIT_HTTP_EXPORT_ALL: '1',
          PATH_INFO: url.pathname,
          QUERY_STRING: url.search.slice(1),
          REQUEST_METHOD: request.method,
          CONTENT_TYPE: request.headers['content-type'] ?? '',
          HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
          HOME: desk.home,
        },
      });
      request.pipe(child.stdin);
      const out: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
      child.once('close', () => {
        const all = Buffer.concat(out);
        const end = all.indexOf('\r\n\r\n');
        const headers = all
          .subarray(0, end)
          .toString()
          .split('\r\n')
          .map((line) => line.split(': ') as [string, string]);
        const status = headers.find(([name]) => name === 'Status');
        response.writeHead(
          Number(status?.[1].slice(0, 3) ?? 200),
          Object.fromEntries(headers.filter((each) => each !== status)),
        );
        response.end(all.subarray(end + 4));
      });
    });
    port = await listen(server);
  });
  afterAll(() => server.close());

  /** git also tells a helper what worked: `store` would want to write that down, and complain. */
  const quiet = (file: string) =>
    `!f() { test "$1" != get || git credential-store --file='${file}' get; }; f`;

  /** What git says of the remote, asked with the file alone. */
  const remote = (file: string, helper = quiet(file)) =>
    asReader(
      git,
      ['-c', `credential.helper=${helper}`, 'ls-remote', '--heads', `http://127.0.0.1:${port}/app.git`],
      {
        env: {
          GIT_TERMINAL_PROMPT: '0',
          GIT_CONFIG_NOSYSTEM: '1',
          HOME: desk.home,
          GIT_CONFIG_GLOBAL: '/dev/null',
        },
      },
    );

  test.each(HURTING)('git reads a remote with the password %j', async (password) => {
    wanted = `user@acme.example:${password}`;
    const dir = await desk.deliver(
      { git: { format: 'git-credentials', url: `http://127.0.0.1:${port}` } },
      { username: 'user@acme.example', password },
    );
    const { code, stdout, stderr } = await remote(join(dir, 'git'));
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^[0-9a-f]{40}\trefs\/heads\/main\n$/);
  });

  test('a token with a user name that the profile gives', async () => {
    wanted = 'x-access-token:ghs_abc/+=';
    const dir = await desk.deliver(
      { git: { format: 'git-credentials', url: `http://127.0.0.1:${port}/`, username: 'x-access-token' } },
      { token: 'ghs_abc/+=' },
    );
    expect((await remote(join(dir, 'git'))).code).toBe(0);
  });

  test('the helper store alone does too, and says that it cannot write', async () => {
    wanted = 'user:right';
    const dir = await desk.deliver(
      { git: { format: 'git-credentials', url: `http://127.0.0.1:${port}` } },
      { username: 'user', password: 'right' },
    );
    const file = join(dir, 'git');
    const { code, stderr } = await remote(file, `store --file='${file}'`);
    expect([code, stderr]).toEqual([0, expect.stringContaining('unable to get credential storage lock')]);
  });

  test('a wrong one is refused by the remote, and the file stays', async () => {
    wanted = 'user:right';
    const dir = await desk.deliver(
      { git: { format: 'git-credentials', url: `http://127.0.0.1:${port}` } },
      { username: 'user', password: 'wrong' },
    );
    expect((await remote(join(dir, 'git'))).code).toBe(128);
    expect((await asReader('cat', [join(dir, 'git')])).stdout).toBe(`http://user:wrong@127.0.0.1:${port}\n`);
  });

  test.each(['a\nb', 'a\rb', 'a\0b'])('%j is refused: git takes it in no spelling', async (password) => {
    const rules = { git: { format: 'git-credentials', url: 'https://h' } } as const;
    expect(await desk.deliverOrNot(rules, { username: 'u', password })).toHaveProperty('refused');
  });
});

describe('pem', () => {
  let made: Certificates;
  beforeAll(async () => {
    made = await certificates();
  });

  /** What a client sees of an nginx that reads the bundle for certificate and key, as the reader. */
  async function served(bundle: string): Promise<string> {
    const nginx = program('nginx', 'nginx-light');
    const port = await freePort();
    const home = join(desk.home, `nginx-${port}`);
    await mkdir(home);
    await chown(home, READER.uid, READER.gid);
    await writeFile(
      join(home, 'nginx.conf'),
      `daemon off; pid ${home}/pid; error_log stderr; worker_processes 1;
       events {}
       http { access_log off;
         ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${home}/${name};`).join(' ')}
         server { listen 127.0.0.1:${port} ssl; ssl_certificate ${bundle}; ssl_certificate_key ${bundle};
           location / { return 200 "served"; } } }`,
      { mode: 0o644 },
    );
    await writeFile(join(home, 'ca.pem'), made.ca, { mode: 0o644 });
    const logPath = join(home, 'log');
    const server = await launch(nginx, ['-p', home, '-c', join(home, 'nginx.conf'), '-e', 'stderr'], {
      logPath,
      ...READER,
    });
    const curl = program('curl', 'curl');
    let seen = '';
    try {
      await untilReady('nginx', server, logPath, async () => {
        const ran = await asReader(curl, [
          '--silent',
          '--cacert',
          join(home, 'ca.pem'),
          `https://127.0.0.1:${port}/`,
        ]);
        seen = ran.stdout;
        return ran.code === 0;
      });
    } finally {
      await server.end('SIGTERM', 5000);
    }
    return seen;
  }

  test('nginx serves the bundle as Vault’s pki gives its parts', async () => {
    const trimmed = (text: string) => text.trimEnd();
    const dir = await desk.deliver(
      { 'tls.pem': { format: 'pem' } },
      {
        certificate: trimmed(made.certificate),
        private_key: trimmed(made.key),
        issuing_ca: trimmed(made.ca),
        ca_chain: [trimmed(made.ca)],
        serial_number: '01',
      },
    );
    expect(await served(join(dir, 'tls.pem'))).toBe('served');
  });

  test('and one that went through Windows, with text between the blocks', async () => {
    const dir = await desk.deliver(
      {
        'tls.pem': {
          format: 'pem',
          fields: { private_key: 'bundle', certificate: 'bundle', ca_chain: 'bundle' },
        },
      },
      { bundle: `subject=x\r\n${`${made.certificate}${made.ca}${made.key}`.replaceAll('\n', '\r\n')}` },
    );
    expect(await served(join(dir, 'tls.pem'))).toBe('served');
  });
});
