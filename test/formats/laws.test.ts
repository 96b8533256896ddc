// Owns the law of delivered files: whatever a value is, each reader of its format finds exactly that value, or the file
// was refused. The readers are the real ones: sh, bash, a dotenv library, Node, curl, the AWS SDK, the MariaDB clients'
// own reader of option files.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { fromIni } from '@aws-sdk/credential-providers';
import { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'dotenv';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Problem } from '../../src/domain/problem.ts';
import { program } from '../harness/servers/program.ts';
import { run } from '../harness/servers/run.ts';
import { type Rule, written } from '../unit/adapters/files/formats/written.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tasklease-law-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const hurting = fc.constantFrom(
  ...[
    '\\',
    '\\\\',
    "'",
    "''",
    '"',
    '`',
    '$',
    '\x24{HOME}',
    '$(id)',
    '#',
    ' #',
    ';',
    ':',
    '@',
    '%',
    '%41',
    '/',
    '?',
    '&',
    '=',
  ],
  ...[
    ' ',
    '  ',
    '\t',
    '\n',
    '\r',
    '\r\n',
    '\\n',
    '\\"',
    "\\'",
    '!',
    '*',
    '~',
    '{{x}}',
    '[a]',
    '=b\nC=d',
    '\u0001',
    '\u007f',
  ],
  ...['\0', 'é', '😀', '\u00a0', '\u2028', '\ufeff', '\ud800'],
);
/** Mostly texts of the kind that breaks files, and now and then any. */
const value = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .array(fc.oneof(hurting, fc.stringMatching(/^[a-z]{0,3}$/)), { minLength: 1, maxLength: 7 })
      .map((all) => all.join('')),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }) },
);

/** No empty ones: these count as missing. */
const some = value.filter((text) => text !== '');

/** The file, or null when it was refused as it should be. */
function orRefused(rule: Rule, data: Record<string, unknown>): Buffer | null {
  try {
    return written(rule, data);
  } catch (error) {
    if (error instanceof Problem && error.code === 'DELIVERY_FAILED' && /secret db/.test(error.message))
      return null;
    throw error;
  }
}

describe('dotenv', () => {
  const names = (values: readonly string[]) => Object.fromEntries(values.map((each, i) => [`V${i}`, each]));
  /** What a shell has in V0, V1 … after it has read the file. */
  const inShell = (shell: string, file: Buffer, count: number): string[] => {
    const path = join(dir, 'x.env');
    writeFileSync(path, file);
    const script = `. "$1"; for i in $(seq 0 ${count - 1}); do eval "printf '%s\\\\0' \\"\\$V$i\\""; done`;
    return execFileSync(shell, ['-c', script, shell, path], { encoding: 'utf8' }).split('\0').slice(0, -1);
  };

  test.each(['sh', 'bash'])(
    '%s reads back what is written for shells; nothing but NUL and half characters is refused',
    (shell) => {
      fc.assert(
        fc.property(fc.array(value, { minLength: 1, maxLength: 12 }), (values) => {
          const file = orRefused({ format: 'dotenv', quoting: 'shell' }, names(values));
          if (file === null) {
            expect(values.some((each) => each.includes('\0') || !each.isWellFormed())).toBe(true);
            return;
          }
          expect(inShell(shell, file, values.length)).toEqual(values);
        }),
        { numRuns: 60 },
      );
    },
  );

  test('shells, a dotenv library and Node read back the same', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 6 }), (values) => {
        const fields = names(values.filter((each) => orRefused({ format: 'dotenv' }, { V: each }) !== null));
        const file = written({ format: 'dotenv' }, { ...fields });
        expect(parse(file)).toEqual(fields);
        expect(parseEnv(file.toString())).toEqual(fields);
      }),
      { numRuns: 1200 },
    );
  });
});

test('json: what is parsed is what there was', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.oneof(value, fc.jsonValue())), (data) => {
      const file = orRefused({ format: 'json' }, data);
      if (file !== null) expect(JSON.parse(file.toString())).toEqual(JSON.parse(JSON.stringify(data)));
    }),
  );
});

test('database-url, redis-url, amqp-url, git-credentials: the URL holds the user and the password, and nothing leaves its place', () => {
  const rules: readonly Rule[] = [
    { format: 'database-url', host: 'h', port: 1, database: '0' },
    { format: 'redis-url', host: 'h', port: 1, db: 0 },
    { format: 'amqp-url', host: 'h', port: 1, vhost: '0' },
    { format: 'git-credentials', url: 'https://h:1/0' },
  ];
  fc.assert(
    fc.property(fc.constantFrom(...rules), some, some, (rule, username, password) => {
      const file = orRefused(rule, { username, password });
      if (file === null) return;
      const url = new URL(file.toString());
      expect([decodeURIComponent(url.username), decodeURIComponent(url.password)]).toEqual([
        username,
        password,
      ]);
      expect([url.host, url.pathname, url.search, url.hash]).toEqual(['h:1', '/0', '', '']);
    }),
    { numRuns: 2000 },
  );
});

test('my.cnf: the clients’ reader of option files finds it', () => {
  const reader = program('my_print_defaults', 'mariadb-client');
  fc.assert(
    fc.property(value, (password) => {
      const file = orRefused({ format: 'my.cnf', host: 'h', database: 'd' }, { username: 'u', password });
      if (file === null) return;
      const path = join(dir, 'my.cnf');
      writeFileSync(path, file);
      const out = execFileSync(reader, [`--defaults-file=${path}`, 'client'], { encoding: 'utf8' });
      expect(out).toBe(`--user=u\n--password=${password}\n--host=h\n`);
    }),
    { numRuns: 120 },
  );
});

test('aws-credentials: the SDK finds it', async () => {
  await fc.assert(
    fc.asyncProperty(some, some, async (secret_key, session_token) => {
      const file = orRefused({ format: 'aws-credentials' }, { access_key: 'a', secret_key, session_token });
      if (file === null) return;
      const filepath = join(dir, 'credentials');
      writeFileSync(filepath, file);
      expect(await fromIni({ filepath, configFilepath: '/dev/null', ignoreCache: true })()).toMatchObject({
        secretAccessKey: secret_key,
        sessionToken: session_token,
      });
    }),
    { numRuns: 120 },
  );
});

test('kubeconfig: the client finds the token', () => {
  fc.assert(
    fc.property(fc.oneof(value, fc.stringMatching(/^[A-Za-z0-9._~+/=:-]{1,40}$/)), (token) => {
      const file = orRefused({ format: 'kubeconfig', server: 'https://h' }, { token });
      if (file === null) return;
      const config = new KubeConfig();
      config.loadFromString(file.toString());
      expect(config.getCurrentUser()?.token).toBe(token);
    }),
  );
});

describe('netrc', () => {
  let server: Server;
  beforeAll(async () => {
    server = createServer((request, response) => response.end(request.headers.authorization ?? ''));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => server.close());

  test('curl finds the password, in quotes and without', async () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await fc.assert(
      fc.asyncProperty(value, fc.boolean(), async (password, quoted) => {
        const file = orRefused(
          { format: 'netrc', machine: '127.0.0.1', quoted },
          { username: 'u', password },
        );
        if (file === null) return;
        writeFileSync(join(dir, 'netrc'), file);
        const { stdout } = await run(program('curl', 'curl'), [
          '--silent',
          '--netrc-file',
          join(dir, 'netrc'),
          url,
        ]);
        expect(Buffer.from(stdout.slice('Basic '.length), 'base64').toString()).toBe(`u:${password}`);
      }),
      { numRuns: 60 },
    );
  });
});

test('raw with base64: every byte string comes back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const stored = Buffer.from(bytes).toString('base64');
      expect(written({ format: 'raw', field: 'f', encoding: 'base64' }, { f: stored })).toEqual(
        Buffer.from(bytes),
      );
    }),
  );
});
