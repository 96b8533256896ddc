// Owns one real OpenLDAP server with a small directory: people, and an administrator for Vault.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { program } from './program.ts';
import { type Ran, run } from './run.ts';
import { type Server, serve } from './server.ts';

const SUFFIX = 'dc=example,dc=org';

export type Slapd = Server & {
  readonly url: string;
  readonly suffix: string;
  /** Where people are. */
  readonly people: string;
  readonly adminDn: string;
  readonly password: string;
  /** Adds entries (LDIF) as the administrator. */
  add(ldif: string): Promise<void>;
  /** The distinguished names below `people` that match. */
  find(filter: string): Promise<string[]>;
  /** Logs in with ldapwhoami as whoever; its exit code is 0 only when the bind was taken (49: refused). */
  bind(dn: string, password: string): Promise<Ran>;
};

export const startSlapd = async (): Promise<Slapd> => {
  const adminDn = `cn=admin,${SUFFIX}`;
  const people = `ou=people,${SUFFIX}`;
  const password = randomBytes(18).toString('base64url');
  const daemon = program('slapd', 'slapd');
  const tool = (name: string): string => program(name, 'ldap-utils');
  let count = 0;

  const server = await serve('slapd', 1, async (dir, [port]) => {
    await mkdir(join(dir, 'data'));
    const config = join(dir, 'slapd.conf');
    await writeFile(
      config,
      `${['core', 'cosine', 'inetorgperson'].map((name) => `include /etc/ldap/schema/${name}.schema`).join('\n')}
pidfile ${join(dir, 'slapd.pid')}
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "${SUFFIX}"
rootdn "${adminDn}"
rootpw ${password}
directory ${join(dir, 'data')}
maxsize 16777216
dbnosync
access to attrs=userPassword by self write by anonymous auth by * none
access to * by users read by * none
`,
      { mode: 0o600 },
    );
    const url = `ldap://127.0.0.1:${port}`;
    const passwordFile = join(dir, 'admin-password');
    writeFileSync(passwordFile, password, { mode: 0o600 });
    return {
      name: 'slapd',
      command: daemon,
      // -d keeps it in the foreground.
      args: ['-f', config, '-h', url, '-d', '0'],
      ready: async () =>
        (await run(tool('ldapwhoami'), ['-x', '-H', url, '-D', adminDn, '-y', passwordFile])).code === 0,
    };
  });
  const url = `ldap://127.0.0.1:${server.port}`;
  const passwordFile = join(server.dir, 'admin-password');
  const as = ['-x', '-H', url, '-D', adminDn, '-y', passwordFile];
  const slapd: Slapd = Object.assign(server, {
    url,
    suffix: SUFFIX,
    people,
    adminDn,
    password,
    add: async (ldif: string): Promise<void> => {
      const { code, stderr } = await run(tool('ldapadd'), as, { input: ldif });
      if (code !== 0) throw new Error(`slapd refused its administrator's entry: ${stderr}`);
    },
    find: async (filter: string): Promise<string[]> => {
      const args = ['-LLL', '-o', 'ldif-wrap=no', '-b', people, '-s', 'one', filter, 'dn'];
      const { code, stdout, stderr } = await run(tool('ldapsearch'), [...as, ...args]);
      if (code !== 0) throw new Error(`slapd refused its administrator's search: ${stderr}`);
      return [...stdout.matchAll(/^dn: (.*)$/gm)].map(([, dn]) => dn!);
    },
    bind: async (dn: string, secret: string): Promise<Ran> => {
      count += 1;
      const file = join(server.dir, `bind-${count}`);
      writeFileSync(file, secret, { mode: 0o600 });
      return run(tool('ldapwhoami'), ['-x', '-H', url, '-D', dn, '-y', file]);
    },
  });
  await slapd.add(`dn: ${SUFFIX}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ${people}
objectClass: organizationalUnit
ou: people
`);
  return slapd;
};
