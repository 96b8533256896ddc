// Owns the trial of policies by real requests, on a Vault of its own that is gone afterwards. Invariant: every mount holds
// plain entries there, so that a request that passes the policy is answered, and one that does not is a 403.

import { accessSync, constants, globSync, mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { UsageError } from '../../cli/failure.ts';
import { startVault } from '../../dev/vault-server.ts';
import type { Profile } from '../../domain/profile.ts';
import { printHcl } from '../../policy/hcl-print.ts';
import type { Result } from '../../policy/junit.ts';
import { renderKit } from '../../policy/kit.ts';
import { mountOf } from '../../policy/names.ts';
import type { Trial } from '../../policy/neighbours.ts';
import type { Given } from './inputs.ts';
import { aliasOfSample, taskToken } from './trial-token.ts';
import { adminAt, type VaultAdmin } from './vault-admin.ts';

export interface ThrowAway {
  tryOne(profile: Profile, trials: readonly Trial[]): Promise<Result[]>;
  close(): Promise<void>;
}

export function vaultFile(env: NodeJS.ProcessEnv = process.env): string {
  const onPath = (env.PATH ?? '')
    .split(delimiter)
    .filter((dir) => dir.startsWith('/'))
    .map((dir) => join(dir, 'vault'));
  const cached = globSync(
    join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'tasklease', 'vault-*', 'vault'),
  );
  const found = (env.VAULT_BIN ? [env.VAULT_BIN] : [...onPath, ...cached]).find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (found !== undefined) return found;
  throw new UsageError(
    'a throw-away Vault needs the vault program, and there is none',
    'install Vault, or set VAULT_BIN to its path (in a clone: npm run --silent vault-binary)',
  );
}

export async function openThrowAway(given: Given): Promise<ThrowAway> {
  const binary = vaultFile();
  const dir = mkdtempSync(join(tmpdir(), 'tasklease-policy-test-'));
  const server = await startVault({ binary, dir, storage: 'inmem' }).catch((error: unknown) => {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  });
  const vault = adminAt({ address: server.address }, server.rootToken);
  const close = async () => {
    vault.close();
    await server.kill();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await furnish(vault, given);
  } catch (error) {
    await close();
    throw error;
  }
  return { close, tryOne: (profile, trials) => tryByRequest(vault, profile, trials, given.names.tokenRole) };
}

async function furnish(vault: VaultAdmin, given: Given): Promise<void> {
  for (const mount of new Set(given.profiles.map(mountOf))) {
    if (mount !== 'token') await vault.write(`sys/auth/${mount}`, { type: 'jwt' });
  }
  const listed = (await vault.read('sys/auth')) as Record<string, { accessor: string }>;
  const accessors = Object.fromEntries(
    Object.entries(listed).map(([mount, { accessor }]) => [mount.replace(/\/$/, ''), accessor]),
  );
  const kit = renderKit(given.profiles, { names: given.names, accessors });
  for (const { policy } of kit.policies)
    await vault.write(`sys/policies/acl/${policy.name}`, { policy: printHcl(policy) });
  for (const { path, body } of kit.roles) if (path.startsWith('auth/token/')) await vault.write(path, body);
  const mounts = new Set(
    given.profiles.flatMap(({ secrets }) => secrets.map(({ path }) => path.split('/')[0]!)),
  );
  for (const mount of mounts)
    await vault.write(`sys/mounts/${mount}`, { type: 'kv', options: { version: '1' } });
}

const METHODS: Readonly<Record<string, string>> = {
  read: 'GET',
  list: 'LIST',
  delete: 'DELETE',
  patch: 'PATCH',
};

async function tryByRequest(
  vault: VaultAdmin,
  profile: Profile,
  trials: readonly Trial[],
  role: string,
): Promise<Result[]> {
  const { token } = await taskToken(vault, profile, role, aliasOfSample(profile));
  const results: Result[] = [];
  for (const trial of trials) {
    const { path, capability, body } = trial;
    const isEngine = !/^(?:sys|auth|identity|cubbyhole)\//.test(path);
    // A write of what is there is an update, of what is not a create.
    if (isEngine)
      await vault.ask(
        capability === 'create' ? 'DELETE' : 'POST',
        path,
        capability === 'create' ? undefined : { x: '1' },
      );
    const query =
      capability === 'read' && body !== undefined
        ? `?${new URLSearchParams(body as Record<string, string>)}`
        : '';
    const writes = capability === 'update' || capability === 'create';
    const answer = await vault.ask(
      METHODS[capability] ?? 'POST',
      `${path}${query}`,
      writes ? (body ?? {}) : undefined,
      token,
    );
    const found = answer.status === 403 ? 'denied' : 'allowed';
    results.push({
      ...trial,
      found,
      says:
        found === 'denied' ? `Vault answered 403; add ${lineOf(trial)}` : `Vault answered ${answer.status}`,
    });
  }
  return results;
}

const lineOf = ({ path, capability }: Trial): string =>
  `path ${JSON.stringify(path)} { capabilities = ["${capability}"] }`;
