// Owns the promises of the port to the servers that credentials are for, on the servers themselves: what works is taken,
// what does not is refused in words of our own, a limit ends it at once, and TLS is verified or it is not used.

import { chownSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openProbes } from '../../src/adapters/probe/probes.ts';
import { startPostgres } from '../../src/dev/postgres-server.ts';
import type { Credential, Probe, ProbeKind } from '../../src/domain/probe.ts';
import { NotYet } from '../../src/ports/probes.ts';
import { type Authority, makeAuthority } from '../harness/certificates.ts';
import { startMariadb } from '../harness/servers/mariadb.ts';
import { startRabbitmq } from '../harness/servers/rabbitmq.ts';
import { startRedis } from '../harness/servers/redis.ts';
import { startSlapd } from '../harness/servers/slapd.ts';

const probes = openProbes();
const SECRET = 'pässw"rd \\ $x';
const closing: (() => unknown)[] = [];
let ca: Authority;

beforeAll(() => {
  ca = makeAuthority();
});
afterAll(async () => {
  for (const close of closing.reverse()) await close();
  ca?.remove();
});

const probe = (kind: ProbeKind, address: string, more: Partial<Probe> = {}): Probe => ({
  kind,
  address,
  timeoutMs: 10_000,
  tls: kind === 'tls',
  fields: {},
  ...more,
});

/** Null when it was taken, else the words. */
async function tried(
  what: Probe,
  credential: Credential = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<string | null> {
  try {
    await probes.attempt(what, credential, signal);
    return null;
  } catch (error) {
    if (!(error instanceof NotYet)) throw error;
    expect(`${error.message}${error.stack}${String(error.cause)}`).not.toContain(SECRET);
    return error.message;
  }
}

async function listening(server: Server): Promise<number> {
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function freed(): Promise<number> {
  const server = createServer();
  const port = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const pem = () => {
  const { certFile, keyFile } = ca.issue();
  return { cert: readFileSync(certFile), key: readFileSync(keyFile) };
};
const login = (username: string, password = SECRET): Credential => ({ username, password });

/** A server that takes connections, hears everything and says this. */
const talking = (says: string) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (says !== '') socket.write(Buffer.from(says, 'latin1'));
    socket.resume();
  });
  return listening(server);
};

describe('whatever the kind', () => {
  const KINDS = ['postgres', 'mysql', 'redis', 'amqp', 'ldap', 'tls', 'http'] as const;
  const at = (kind: ProbeKind, port: number) =>
    kind === 'http' ? `http://127.0.0.1:${port}/` : `127.0.0.1:${port}`;

  test.each([...KINDS, 'tcp'] as const)('%s: a server that is not there is not ready', async (kind) => {
    expect(await tried(probe(kind, at(kind, await freed())), login('u'))).toBe('refuses connections');
  });

  test.each(KINDS)(
    '%s: a server that says nothing is waited for until the limit, which ends it at once',
    async (kind) => {
      const limit = new AbortController();
      const attempt = tried(probe(kind, at(kind, await talking(''))), login('u'), limit.signal);
      setTimeout(() => limit.abort(), 50);
      expect(await attempt).toBe('');
    },
  );

  test.each(KINDS)('%s: a server of another protocol is not ready', async (kind) => {
    const port = await talking('SSH-2.0-OpenSSH_9.9\r\n'.repeat(200));
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), 20_000);
    const words = await tried(probe(kind, at(kind, port)), login('u'), limit.signal);
    clearTimeout(timer);
    expect(words).not.toBeNull();
    expect(words).not.toBe('');
    expect(words).not.toContain('OpenSSH');
  });

  test('a host that nobody knows is told', async () => {
    expect(await tried(probe('tcp', 'no-such-host.invalid:1'))).toMatch(
      /is no host that is known|cannot be looked up/,
    );
  });
});

describe('tcp, tls and http', () => {
  test('tcp is ready as soon as something listens', async () => {
    expect(await tried(probe('tcp', `127.0.0.1:${await talking('')}`))).toBeNull();
  });

  test('tls is ready when the certificate holds: its issuer, and its name', async () => {
    const address = `localhost:${await listening(createTlsServer(pem()))}`;
    expect(await tried(probe('tls', address, { caFile: ca.caFile }))).toBeNull();
    expect(await tried(probe('tls', address))).toMatch(/does not pass the TLS check/);
    const named = { caFile: ca.caFile, serverName: 'db.internal' };
    expect(await tried(probe('tls', address, named))).toMatch(/does not pass the TLS check/);
    expect(await tried(probe('tls', address, { caFile: '/no/such/file' }))).toMatch(
      /cannot be read \(ENOENT\)/,
    );
  });

  test('http is ready at the expected status, with the credential in the way that the API wants it', async () => {
    const seen: (string | undefined)[] = [];
    const server = createHttpServer((request, response) => {
      seen.push(request.headers.authorization ?? String(request.headers['x-key'] ?? ''));
      response.statusCode = Number(request.url!.slice(1)) || 200;
      response.setHeader('location', '/200');
      response.end('{"error":"no"}');
    });
    const at = (path: string, http: Partial<Probe['http']> = {}) =>
      probe('http', `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, {
        http: { status: [200], auth: 'basic', ...http },
      });
    await listening(server);
    expect(await tried(at('/'))).toBeNull();
    expect(await tried(at('/401'), login('u'))).toBe('answers 401 instead of 200');
    expect(await tried(at('/401', { status: [200, 401] }), { token: 'abc' })).toBeNull();
    expect(await tried(at('/', { auth: 'header', header: 'X-Key' }), { value: 'k' })).toBeNull();
    // A redirect would take the credential elsewhere.
    expect(await tried(at('/302'), login('u'))).toBe('answers 302 instead of 200');
    const basic = `Basic ${Buffer.from(`u:${SECRET}`).toString('base64')}`;
    expect(seen).toEqual(['', basic, 'Bearer abc', 'k', basic]);
  });

  test('https is ready when the certificate holds too', async () => {
    const server = createHttpsServer(pem(), (_request, response) => response.end('ok'));
    const address = `https://localhost:${await listening(server)}/health`;
    expect(await tried(probe('http', address, { tls: true, caFile: ca.caFile }))).toBeNull();
    expect(await tried(probe('http', address, { tls: true }))).toMatch(/does not pass the TLS check/);
  });
});

describe('PostgreSQL', () => {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  beforeAll(async () => {
    server = await startPostgres();
    closing.push(() => server.stop());
    const { certFile, keyFile } = ca.issue();
    await server.query(`create database app`);
    const data = join(server.dir, 'data');
    const { uid, gid } = statSync(data);
    const give = (name: string, text: string) => {
      writeFileSync(join(data, name), text, { mode: 0o600 });
      chownSync(join(data, name), uid, gid);
    };
    give('server.crt', readFileSync(certFile, 'utf8'));
    give('server.key', readFileSync(keyFile, 'utf8'));
    const rules = readFileSync(join(data, 'pg_hba.conf'), 'utf8');
    give('pg_hba.conf', `host all md all md5\nhost all plain all password\n${rules}`);
    await server.query('alter system set ssl = on');
    await server.query('select pg_reload_conf()');
    const quoted = SECRET.replaceAll("'", "''");
    await server.query(
      `set password_encryption = 'scram-sha-256'; create role scram login password '${quoted}'`,
    );
    await server.query(`set password_encryption = 'md5'; create role md login password '${quoted}'`);
    await server.query(`create role plain login password '${quoted}'`);
    await server.query('create role nobody login');
  });
  const at = (database = 'app') => `localhost:${server.port}/${database}`;

  test.each(['scram', 'md', 'plain'])('%s: the right password is taken, another is refused', async (role) => {
    expect(await tried(probe('postgres', at()), login(role))).toBeNull();
    expect(await tried(probe('postgres', at()), login(role, 'wrong'))).toBe('refuses the credential');
  });

  test('who has no password, who is unknown, and what is no database are not ready', async () => {
    expect(await tried(probe('postgres', at()), login('nobody'))).toBe('refuses the credential');
    expect(await tried(probe('postgres', at()), login('unknown'))).toBe('refuses the credential');
    expect(await tried(probe('postgres', at('none')), login('scram'))).toBe('has no such database');
  });

  test('over TLS, verified', async () => {
    const secure = { tls: true, caFile: ca.caFile };
    expect(await tried(probe('postgres', at(), secure), login('scram'))).toBeNull();
    expect(await tried(probe('postgres', at(), { tls: true }), login('scram'))).toMatch(/TLS check/);
  });

  test('a server that says yes without knowing the password is not believed', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      // AuthenticationSASL, SCRAM-SHA-256; whatever comes is answered with a challenge, then with "ok".
      const answers = [
        'R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0',
        '',
        'R\0\0\0\x0c\0\0\0\x0cv=AAAA',
        'Z\0\0\0\x05I',
      ];
      socket.on('data', (data) => {
        const nonce = /r=([^,\0]+)/.exec(data.toString('latin1'))?.[1];
        if (nonce !== undefined && !data.includes('p=')) {
          const challenge = `r=${nonce}x,s=AAAA,i=4096`;
          const head = Buffer.alloc(9);
          head.write('R');
          head.writeInt32BE(8 + challenge.length, 1);
          head.writeInt32BE(11, 5);
          socket.write(Buffer.concat([head, Buffer.from(challenge)]));
        } else if (data.includes('p=')) socket.write(Buffer.from(`${answers[2]}${answers[3]}`, 'latin1'));
        else socket.write(Buffer.from(answers[0]!, 'latin1'));
      });
    });
    const address = `127.0.0.1:${await listening(server)}/app`;
    expect(await tried(probe('postgres', address), login('scram'))).toBe(
      'does not prove that it knows the credential',
    );
  });
});

describe('MariaDB', () => {
  let server: Awaited<ReturnType<typeof startMariadb>>;
  beforeAll(async () => {
    const { certFile, keyFile } = ca.issue();
    server = await startMariadb([`--ssl-cert=${certFile}`, `--ssl-key=${keyFile}`]);
    closing.push(() => server.stop());
    const quoted = SECRET.replaceAll('\\', '\\\\');
    await server.query(`create user reader identified by '${quoted}'; grant select on app.* to reader;`);
    await server.query("create user empty identified by ''");
  });
  const at = (database = '') => `127.0.0.1:${server.port}${database}`;

  test('the right password is taken, with and without a database; another is refused', async () => {
    expect(await tried(probe('mysql', at('/app')), login('reader'))).toBeNull();
    expect(await tried(probe('mysql', at()), login('reader'))).toBeNull();
    expect(await tried(probe('mysql', at('/app')), login('reader', 'wrong'))).toBe('refuses the credential');
    expect(await tried(probe('mysql', at('/app')), login('unknown'))).toBe('refuses the credential');
    expect(await tried(probe('mysql', at('/mysql')), login('reader'))).toBe(
      'does not let it into the database',
    );
  });

  test('over TLS, verified', async () => {
    const secure = { tls: true, caFile: ca.caFile };
    const named = `localhost:${server.port}/app`;
    expect(await tried(probe('mysql', named, secure), login('reader'))).toBeNull();
    expect(await tried(probe('mysql', named, secure), login('reader', 'wrong'))).toBe(
      'refuses the credential',
    );
    expect(await tried(probe('mysql', named, { tls: true }), login('reader'))).toMatch(/TLS check/);
  });
});

describe('Redis', () => {
  let server: Awaited<ReturnType<typeof startRedis>>;
  beforeAll(async () => {
    server = await startRedis();
    closing.push(() => server.stop());
    await server.command('ACL', 'SETUSER', 'reader', 'on', `>${SECRET}`, '~app:*', '+get');
  });

  test('the right password is taken, also where PING is not allowed; another is refused', async () => {
    const at = `127.0.0.1:${server.port}`;
    expect(await tried(probe('redis', at), login('reader'))).toBeNull();
    expect(await tried(probe('redis', `${at}/0`), login('reader'))).toBeNull();
    expect(await tried(probe('redis', at), login('reader', 'wrong'))).toBe('refuses the credential');
    expect(await tried(probe('redis', at), login('unknown'))).toBe('refuses the credential');
    expect(await tried(probe('redis', `${at}/99`), login(server.user, server.password))).toMatch(
      /refuses with ERR/,
    );
  });
});

describe('RabbitMQ', () => {
  let server: Awaited<ReturnType<typeof startRabbitmq>>;
  beforeAll(async () => {
    server = await startRabbitmq();
    closing.push(() => server.stop());
    await server.manage('PUT', 'vhosts/app', {});
    await server.manage('PUT', 'users/reader', { password: SECRET, tags: '' });
    await server.manage('PUT', 'permissions/app/reader', { configure: '', write: '', read: '.*' });
  });

  test('the right password is taken in its virtual host; another password or host is refused', async () => {
    const at = `127.0.0.1:${server.port}`;
    expect(await tried(probe('amqp', `${at}/app`), login('reader'))).toBeNull();
    expect(await tried(probe('amqp', at), login(server.user, server.password))).toBeNull();
    expect(await tried(probe('amqp', `${at}/app`), login('reader', 'wrong'))).toBe('refuses the credential');
    expect(await tried(probe('amqp', at), login('reader'))).toBe('does not let it into the virtual host');
    expect(await tried(probe('amqp', `${at}/none`), login('reader'))).toBe(
      'does not let it into the virtual host',
    );
  });
});

describe('OpenLDAP', () => {
  let server: Awaited<ReturnType<typeof startSlapd>>;
  let dn = '';
  beforeAll(async () => {
    server = await startSlapd();
    closing.push(() => server.stop());
    dn = `cn=reader,${server.people}`;
    const password = Buffer.from(SECRET).toString('base64');
    await server.add(`dn: ${dn}\nobjectClass: person\ncn: reader\nsn: r\nuserPassword:: ${password}\n`);
  });

  test('the right password is taken; another, an unknown name and an empty password are refused', async () => {
    const at = `127.0.0.1:${server.port}`;
    expect(await tried(probe('ldap', at), login(dn))).toBeNull();
    expect(await tried(probe('ldap', at), login(dn, 'wrong'))).toBe('refuses the credential');
    expect(await tried(probe('ldap', at), login(`cn=unknown,${server.people}`))).toBe(
      'refuses the credential',
    );
    expect(await tried(probe('ldap', at), login(dn, ''))).toMatch(/empty/);
    expect(await tried(probe('ldap', at), login('not a name'))).toMatch(/refuses with result code 34/);
  });
});
