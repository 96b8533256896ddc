// Owns one real sshd on loopback that lets the user of the tests in: with keys that it is told, and with certificates of
// one authority.

import { existsSync, mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { program } from '../harness/servers/program.ts';
import { mustRun } from '../harness/servers/run.ts';
import { type Server, serve } from '../harness/servers/server.ts';

export type Sshd = Server & {
  /** Lets this public key in, and no other. */
  authorise(publicKey: string): Promise<void>;
  /** Arguments for ssh that log in with a key file; the remote side says "logged in". */
  login(keyFile: string): string[];
};

/** What sshd wants as root: an empty directory for its unprivileged half. */
const SEPARATION = '/run/sshd';

export async function startSshd(authority: string): Promise<Sshd> {
  const command = program('sshd', 'openssh-server');
  const keygen = program('ssh-keygen', 'openssh-client');
  if (process.getuid!() === 0 && !existsSync(SEPARATION)) mkdirSync(SEPARATION, { mode: 0o755 });
  const server = await serve('sshd', 1, async (dir, [port]) => {
    const host = join(dir, 'host');
    await mustRun(keygen, ['-q', '-t', 'ed25519', '-N', '', '-f', host]);
    await writeFile(join(dir, 'ca.pub'), authority);
    await writeFile(join(dir, 'keys'), '');
    await writeFile(
      join(dir, 'sshd_config'),
      [
        `Port ${port}`,
        'ListenAddress 127.0.0.1',
        `HostKey ${host}`,
        `TrustedUserCAKeys ${join(dir, 'ca.pub')}`,
        `AuthorizedKeysFile ${join(dir, 'keys')}`,
        'PasswordAuthentication no',
        'KbdInteractiveAuthentication no',
        'UsePAM no',
        'StrictModes no',
        'PidFile none',
        'PermitRootLogin yes',
        'ForceCommand echo logged in',
        '',
      ].join('\n'),
    );
    return {
      name: 'sshd',
      command,
      args: ['-D', '-e', '-f', join(dir, 'sshd_config')],
      ready: () =>
        new Promise((resolve) => {
          const socket = createConnection({ host: '127.0.0.1', port: port! });
          socket.once('data', () => resolve(true)).once('error', () => resolve(false));
          socket.once('data', () => socket.destroy());
        }),
    };
  });
  return Object.assign(server, {
    authorise: (publicKey: string) => writeFile(join(server.dir, 'keys'), publicKey),
    login: (keyFile: string) => [
      ...[
        '-F',
        'none',
        '-i',
        keyFile,
        '-p',
        String(server.port),
        '-o',
        'IdentitiesOnly=yes',
        '-o',
        'BatchMode=yes',
      ],
      ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'],
      `${userInfo().username}@127.0.0.1`,
    ],
  });
}
