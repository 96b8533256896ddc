// README, "From your Vault to the first lease": its shell blocks, as they are, on a fresh Vault lead to the first task.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tmpfsDirectory } from '../../src/dev/agent-config.ts';
import { bareEnvironment, TASKLEASE } from '../../src/dev/agent-process.ts';
import { forgetDirectory, guardDirectory } from '../../src/dev/children.ts';
import { type PostgresServer, startPostgres } from '../../src/dev/postgres-server.ts';
import { vaultBinary } from '../../src/dev/vault-binary.ts';
import { startVault, type VaultServer } from '../../src/dev/vault-server.ts';
import { runCommand } from '../harness/command.ts';
import { secretLeases } from '../harness/vault-lists.ts';

const README = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
const disk = mkdtempSync(join(tmpdir(), 'tasklease-first-'));
let memory = '';
let vault: VaultServer;
let postgres: PostgresServer;
let binary = '';

beforeAll(async () => {
  memory = await tmpfsDirectory('tasklease-first-');
  guardDirectory(disk);
  guardDirectory(memory);
  ({ path: binary } = await vaultBinary({ log: { line: () => undefined } }));
  [vault, postgres] = await Promise.all([
    startVault({ binary, dir: join(disk, 'vault'), storage: 'inmem' }),
    startPostgres({ dir: join(disk, 'postgres') }),
  ]);
  await postgres.query('create role report');
});
afterAll(async () => {
  await Promise.all([vault?.kill(), postgres?.stop()]);
  for (const dir of [disk, memory]) {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    forgetDirectory(dir);
  }
});

/** The section's blocks; only what every reader has to put in is put in, and the places of this test. */
function script(): string {
  const start = README.indexOf('## From your Vault to the first lease');
  const section = README.slice(start, README.indexOf('\n## ', start + 3));
  const blocks = [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block]) => block!);
  expect(blocks.length).toBe(3);
  return blocks
    .join('\n')
    .replace('db.internal:5432/app', `127.0.0.1:${postgres.port}/postgres?sslmode=disable`)
    .replace('username=vault password=-', `username=${postgres.user} password=${postgres.password}`)
    .replace(
      'tasklease init ',
      `tasklease init --dir ${disk}/etc --run-dir ${memory} --state-dir ${disk}/state `,
    )
    .replaceAll('/etc/tasklease/', `${disk}/etc/`)
    .concat('kill $!\nwait $! || true\n');
}

/** The commands of the section, found on PATH. */
async function commands(): Promise<string> {
  const bin = join(disk, 'bin');
  await mkdir(bin);
  for (const [name, program] of [
    ['tasklease', TASKLEASE],
    ['vault', binary],
  ] as const) {
    await writeFile(join(bin, name), `#!/bin/sh\nexec '${program}' "$@"\n`);
    await chmod(join(bin, name), 0o755);
  }
  return bin;
}

test('the blocks run to their end, doctor finds no error, and the first task has its files', async () => {
  const bin = await commands();
  const child = spawn('sh', ['-eu', '-c', script()], {
    env: {
      ...bareEnvironment(),
      PATH: `${bin}:${process.env.PATH}`,
      HOME: disk,
      VAULT_ADDR: vault.address,
      VAULT_TOKEN: vault.rootToken,
      TASKLEASE_SOCKET: join(memory, 'tasklease', 'agent.sock'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect(said).toMatch(/^0 errors, /m);
  expect(said).toContain('profile.report.requests');
  expect(said).toMatch(/-r--------.* report\.env/);
  expect(said).toMatch(/-r--------.* report\.json/);
  expect(code, said).toBe(0);
  for (const name of ['role-id', 'secret-id']) {
    expect(statSync(join(disk, 'etc', name)).mode & 0o777).toBe(0o600);
    expect(said).not.toContain(readFileSync(join(disk, 'etc', name), 'utf8').trim());
  }
  expect(await secretLeases(vault)).toEqual([]);
  expect(await postgres.query("select rolname from pg_roles where rolname like 'v-%'")).toEqual([]);
}, 240_000);

const apply = (...more: string[]) =>
  runCommand(['policy', 'apply', '--config', join(disk, 'etc', 'agent.yaml'), '--yes', ...more], {
    env: { VAULT_ADDR: vault.address, VAULT_TOKEN: vault.rootToken },
  });
const configuration = (edit: (text: string) => string) => {
  const file = join(disk, 'etc', 'agent.yaml');
  return writeFile(file, edit(readFileSync(file, 'utf8')));
};

test('a second apply changes nothing and keeps the credentials; what is not there is made anew, wrapped where that is asked for', async () => {
  const file = join(disk, 'etc', 'secret-id');
  const before = readFileSync(file, 'utf8');
  const again = await apply('--credentials');
  expect([again.code, again.stderr]).toEqual([0, '']);
  expect(again.stdout).toMatch(/^nothing to change/);
  expect(readFileSync(file, 'utf8')).toBe(before);
  rmSync(file);
  const told = await apply();
  expect(told.stderr).toContain(`${file} not there: --credentials`);
  await configuration((text) =>
    text.replace('secret_id_file:', 'secret_id_wrapped: true\n    secret_id_file:'),
  );
  const wrapped = await apply('--credentials');
  expect(wrapped.code, wrapped.stderr).toBe(0);
  expect(wrapped.stdout).toContain(`done ${file}`);
  const token = readFileSync(file, 'utf8').trim();
  expect(wrapped.stdout + wrapped.stderr).not.toContain(token);
  const { body } = await vault.request('POST', 'sys/wrapping/unwrap', {}, token);
  expect(body.data).toMatchObject({ secret_id: expect.any(String) });
});

test('a directory that is not there is named, and Vault was not asked for a secret id that nobody would have', async () => {
  const lists = async () =>
    ((await vault.request('LIST', 'auth/approle/role/tasklease/secret-id')).body.data!.keys as string[])
      .length;
  const before = await lists();
  await configuration((text) =>
    text.replace(/secret_id_file: .*/, `secret_id_file: ${disk}/nowhere/secret-id`),
  );
  const failed = await apply('--credentials');
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain(`${disk}/nowhere/secret-id could not be written`);
  expect(await lists()).toBe(before);
});

test('a login by a token in a file gets one that may make the session and nothing else', async () => {
  await configuration((text) =>
    text
      .replace('method: approle', 'method: token_file')
      .replace(/ +role_id_file: .*\n/, '')
      .replace(/ +secret_id_wrapped: .*\n/, '')
      .replace(/secret_id_file: .*/, `token_file: ${disk}/etc/login-token`),
  );
  const made = await apply('--credentials');
  expect(made.code, made.stderr).toBe(0);
  const token = readFileSync(join(disk, 'etc', 'login-token'), 'utf8').trim();
  expect(made.stdout + made.stderr).not.toContain(token);
  const { body } = await vault.request('GET', 'auth/token/lookup-self', undefined, token);
  expect(body.data).toMatchObject({ policies: ['tasklease-login'], orphan: true, period: 86_400 });
});
