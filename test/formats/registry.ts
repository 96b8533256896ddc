// Owns one real npm registry on loopback, whose packages are for its users alone.

import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { type Server, serve } from '../harness/servers/server.ts';

export type Registry = Server & {
  readonly url: string;
  /** Makes a user; a token of theirs. */
  addUser(name: string, password: string): Promise<string>;
};

export async function startRegistry(): Promise<Registry> {
  const verdaccio = dirname(createRequire(import.meta.url).resolve('verdaccio/package.json'));
  const members = { access: '$authenticated', publish: '$authenticated' };
  const server = await serve('registry', 1, async (dir, [port]) => {
    const config = join(dir, 'config.yaml');
    await writeFile(
      config,
      stringify({
        storage: join(dir, 'storage'),
        auth: { htpasswd: { file: join(dir, 'htpasswd'), max_users: 1000, algorithm: 'bcrypt', rounds: 4 } },
        packages: { '**': members },
        server: { passwordValidationRegex: '.' },
        web: { enable: false },
        log: { type: 'stdout', format: 'json', level: 'warn' },
        listen: `127.0.0.1:${port}`,
      }),
    );
    return {
      name: 'the registry',
      command: process.execPath,
      args: [join(verdaccio, 'bin', 'verdaccio'), '--config', config],
      ready: () =>
        fetch(`http://127.0.0.1:${port}/-/ping`).then(
          ({ ok }) => ok,
          () => false,
        ),
    };
  });
  const url = `http://127.0.0.1:${server.port}`;
  return Object.assign(server, {
    url,
    addUser: async (name: string, password: string): Promise<string> => {
      const reply = await fetch(`${url}/-/user/org.couchdb.user:${name}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name, password }),
      });
      const body = (await reply.json()) as { token?: string };
      if (body.token === undefined) throw new Error(`the registry made no user: ${JSON.stringify(body)}`);
      return body.token;
    },
  });
}
