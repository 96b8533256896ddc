// Owns the proof that npm logs in at a real registry with a delivered npmrc, or the value is refused.

import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { program } from '../harness/servers/program.ts';
import { run } from '../harness/servers/run.ts';
import { type Desk, HURTING, openDesk } from './desk.ts';
import { type Registry, startRegistry } from './registry.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await openDesk();
});
afterAll(() => desk.close());

describe('npmrc', () => {
  let registry: Registry;
  let cache: string;
  beforeAll(async () => {
    registry = await startRegistry();
    cache = join(desk.home, 'npm');
    await mkdir(cache);
    await chmod(cache, 0o700);
  });
  afterAll(() => registry.stop());

  const npm = (dir: string, ...args: string[]) =>
    run(program('npm', 'npm'), [...args, '--no-update-notifier', '--loglevel=error'], {
      cwd: cache,
      env: {
        PATH: process.env.PATH!,
        HOME: cache,
        NPM_CONFIG_USERCONFIG: join(dir, 'npmrc'),
        NPM_CONFIG_CACHE: cache,
        x: 'no',
      },
      withinMs: 90_000,
    });

  test('a token: npm is whom the registry gave it to, and reads what is for members alone', async () => {
    const token = await registry.addUser('reader', 'p-1234');
    const dir = await desk.deliver({ npmrc: { format: 'npmrc', registry: registry.url } }, { token });
    expect(await npm(dir, 'whoami')).toEqual({ code: 0, stdout: 'reader\n', stderr: '' });
    const nobody = await desk.deliver(
      { npmrc: { format: 'npmrc', registry: registry.url } },
      { token: 'wrong' },
    );
    expect((await npm(nobody, 'whoami')).code).toBe(1);
  });

  test('a token for one scope: packages are published there and read back', async () => {
    const token = await registry.addUser('publisher', 'p-1234');
    const rule = { format: 'npmrc', registry: `${registry.url}/`, scope: '@acme' } as const;
    const dir = await desk.deliver({ npmrc: rule }, { access_token: token, username: 'x', password: 'y' });
    const home = join(cache, 'thing');
    await mkdir(home);
    await writeFile(join(home, 'package.json'), JSON.stringify({ name: '@acme/thing', version: '1.2.3' }));
    expect(await npm(dir, 'publish', home)).toMatchObject({ code: 0 });
    expect(await npm(dir, 'view', '@acme/thing', 'version')).toMatchObject({ code: 0, stdout: '1.2.3\n' });
    const nobody = await desk.deliver({ npmrc: rule }, { token: 'wrong' });
    expect((await npm(nobody, 'view', '@acme/thing', 'version')).code).toBe(1);
  });

  const SOME = HURTING.filter((_, i) => i % 3 === 1);
  test.each([...SOME, HURTING.at(-1)!])('a user name with the password %j', async (password) => {
    await registry.addUser(`user-${SOME.indexOf(password)}`, password);
    const dir = await desk.deliver(
      { npmrc: { format: 'npmrc', registry: registry.url } },
      { username: `user-${SOME.indexOf(password)}`, password },
    );
    expect(await npm(dir, 'whoami')).toMatchObject({ code: 0, stdout: `user-${SOME.indexOf(password)}\n` });
  });

  test.each(['a b', 'a#b', 'a;b', '\x24{x}', '"q"', 'a\nb', "it's"])(
    'no token has %j: refused',
    async (token) => {
      expect(
        await desk.deliverOrNot({ npmrc: { format: 'npmrc', registry: registry.url } }, { token }),
      ).toEqual({
        refused: expect.stringContaining('field token of secret db holds a character that no token has'),
      });
    },
  );
});
