// What init writes, for each way to log in and for each kind of engine: the agent takes it, lint finds nothing in it, and
// on a throw-away Vault with the files as they are all that has to be is allowed and all beside it denied.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { METHODS } from '../../src/commands/init/answers.ts';
import { vaultBinary } from '../../src/dev/vault-binary.ts';
import { runCommand } from '../harness/command.ts';

const dir = mkdtempSync(join(tmpdir(), 'tasklease-init-variants-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const PATHS = [
  'database/creds/report',
  'pki/issue/app',
  'secret/data/app/prod',
  'ssh/creds/otp',
  'kv/app',
  'rabbitmq/creds/jobs',
  'aws/sts/deploy',
];
/** Every method, every engine. */
const VARIANTS = PATHS.map((path, at) => [METHODS[at % METHODS.length]!, path] as const);

test.each(VARIANTS)(
  '--auth %s --secret-path %s',
  async (method, path) => {
    const home = join(dir, path.replaceAll('/', '-'));
    const config = join(home, 'agent.yaml');
    const { path: binary } = await vaultBinary({ log: { line: () => undefined } });
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await runCommand(args, { env: { VAULT_BIN: binary, HOME: dir } });
      expect(code, `${args.join(' ')}\n${stdout}${stderr}`).toBe(0);
      return stdout;
    };
    await run(
      ...['init', '--dir', home, '--auth', method, '--secret-path', path, '--profile', 'first', '--yes'],
      ...[
        '--vault-address',
        'https://vault.example:8200',
        '--run-dir',
        dir,
        '--state-dir',
        join(home, 'state'),
      ],
    );
    await run('agent', '--config', config, '--check');
    const policies = join(home, 'vault-policies');
    expect(readdirSync(policies)).toEqual(expect.arrayContaining(['first.hcl', 'login.hcl', 'session.hcl']));
    expect(await run('policy', 'lint', policies, '--config', config)).toContain('nothing found');
    const table = await run('policy', 'test', '--config', config, '--throw-away', '--policies', policies);
    expect(table).toMatch(/^first +(\d+) of \1 +(\d+) of \2$/m);
    expect(table).toMatch(/^agent's session +(\d+) of \1 +(\d+) of \2$/m);
  },
  120_000,
);
