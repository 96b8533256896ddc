// Owns one real Redis server; its users are ACL users, as Vault's plugin makes them.
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { program } from './program.ts';
import { type Ran, run } from './run.ts';
import { type Server, serve } from './server.ts';

const PACKAGE = 'redis-server';

export type Redis = Server & {
  readonly user: string;
  readonly password: string;
  /** One command as the administrator. */
  command(...words: string[]): Promise<string>;
};

/** One command with redis-cli as whoever; a refusal is its exit code or an answer that begins with an error. */
export const redisClient = (
  port: number,
  user: string,
  password: string,
  words: readonly string[],
): Promise<Ran> =>
  run(
    program('redis-cli', 'redis-tools'),
    ['-h', '127.0.0.1', '-p', String(port), '--user', user, '--no-auth-warning', '-e', ...words],
    { env: { REDISCLI_AUTH: password } },
  );

export const startRedis = async (): Promise<Redis> => {
  const user = 'vaultadmin';
  const password = randomBytes(18).toString('base64url');
  const command = program('redis-server', PACKAGE);
  const server = await serve('redis', 1, async (dir, [port]) => {
    const config = join(dir, 'redis.conf');
    await writeFile(
      config,
      [
        `port ${port}`,
        'bind 127.0.0.1',
        `dir ${dir}`,
        'save ""',
        'daemonize no',
        'user default off',
        `user ${user} on >${password} ~* &* +@all`,
      ].join('\n'),
      { mode: 0o600 },
    );
    return {
      name: 'Redis',
      command,
      args: [config],
      ready: async () => (await redisClient(port!, user, password, ['ping'])).stdout.trim() === 'PONG',
    };
  });
  return Object.assign(server, {
    user,
    password,
    command: async (...words: string[]): Promise<string> => {
      const { code, stdout, stderr } = await redisClient(server.port, user, password, words);
      if (code !== 0) throw new Error(`Redis refused its administrator's "${words[0]}": ${stderr}${stdout}`);
      return stdout.trim();
    },
  });
};
