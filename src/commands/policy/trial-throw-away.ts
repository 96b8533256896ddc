// Owns the trial of policies by real requests, on a Vault of its own that is gone afterwards. Invariant: every mount holds
// plain entries there, so that a request that passes the policy is answered, and one that does not is a 403.

import { accessSync, constants, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { UsageError } from '../../cli/failure.ts';
import { startVault } from '../../dev/vault-server.ts';
import { intoPolicy } from '../../domain/policy-line.ts';
import type { Profile } from '../../domain/profile.ts';
import { printHcl } from '../../policy/hcl-print.ts';
import type { Result } from '../../policy/junit.ts';
import { renderKit } from '../../policy/kit.ts';
import { LOGIN, mountOf, type Names, policiesOf, SESSION, SESSION_JWT } from '../../policy/names.ts';
import type { Trial } from '../../policy/neighbours.ts';
import { loginTrials, sessionTrials } from '../../policy/session-trials.ts';
import type { PolicyBook } from '../inspect/policy-book.ts';
import type { Given } from './inputs.ts';
import { type Issuer, looseRole, openIssuer } from './trial-assertion.ts';
import { tryByRequest } from './trial-requests.ts';
import { aliasOfSample, taskToken } from './trial-token.ts';
import { AdminRefused, adminAt, type VaultAdmin } from './vault-admin.ts';

export interface ThrowAway {
  /** The agent's login and session. */
  tryAgent(): Promise<Result[]>;
  tryOne(profile: Profile, trials: readonly Trial[]): Promise<Result[]>;
  close(): Promise<void>;
}

type Roles = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

interface Furnishing {
  readonly given: Given;
  /** Policies to try instead of those that render makes; null for these. */
  readonly files: PolicyBook | null;
  readonly issuer: Issuer;
}

interface Furnished {
  readonly names: Names;
  readonly roles: Roles;
  readonly issuer: Issuer;
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

export async function openThrowAway(given: Given, files: PolicyBook | null): Promise<ThrowAway> {
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
    const issuer = openIssuer();
    const roles = await furnish(vault, { given, files, issuer });
    const furnished = { names: given.names, roles, issuer };
    return {
      close,
      tryAgent: () => tryAgent(vault, given.names, given.profiles),
      tryOne: async (profile, trials) =>
        tryByRequest(
          vault,
          await tokenFor(vault, profile, furnished),
          trials,
          intoPolicy(policiesOf(profile)),
        ),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Engines, auth mounts, policies and roles; the roles by path. */
async function furnish(vault: VaultAdmin, { given, files, issuer }: Furnishing): Promise<Roles> {
  for (const mount of new Set(given.profiles.map(mountOf))) {
    if (mount === 'token') continue;
    await vault.write(`sys/auth/${mount}`, { type: 'jwt' });
    await vault.write(`auth/${mount}/config`, { jwt_validation_pubkeys: [issuer.publicKey] });
  }
  const listed = (await vault.read('sys/auth')) as Record<string, { accessor: string }>;
  const accessors = Object.fromEntries(
    Object.entries(listed).map(([mount, { accessor }]) => [mount.replace(/\/$/, ''), accessor]),
  );
  const kit = renderKit(given.profiles, { names: given.names, accessors });
  for (const { policy } of kit.policies) {
    const text = files === null ? printHcl(policy) : await textOf(files, policy.name, given, accessors);
    if (text !== null) await vault.write(`sys/policies/acl/${policy.name}`, { policy: text });
  }
  const roles = new Map(kit.roles.map(({ path, body }) => [path, body]));
  for (const [path, body] of roles) if (path.startsWith('auth/token/')) await vault.write(path, body);
  const secrets = given.profiles.flatMap((profile) => profile.secrets.map(({ path }) => path));
  for (const mount of new Set([...secrets.map((path) => path.split('/')[0]!), given.names.usesMount]))
    await vault.write(`sys/mounts/${mount}`, { type: 'kv', options: { version: '1' } });
  return roles;
}

/** A policy's file as it is, with this Vault's accessors in place of another's. Null where there is none. */
async function textOf(
  files: PolicyBook,
  name: string,
  { profiles }: Given,
  accessors: Readonly<Record<string, string>>,
): Promise<string | null> {
  const policy = await files.policy(name);
  if (policy === null) return null;
  const owner = profiles.find((profile) => policiesOf(profile).includes(name));
  const text = readFileSync(policy.file!, 'utf8');
  return owner === undefined
    ? text
    : text.replace(/(identity\.entity\.aliases\.)[^.}\s]+/g, `$1${accessors[mountOf(owner)]}`);
}

/** A task's token as its profile gets it: under the token role, or by a login with an assertion. */
async function tokenFor(vault: VaultAdmin, profile: Profile, furnished: Furnished): Promise<string> {
  const { login } = profile;
  if (login === undefined)
    return (await taskToken(vault, profile, furnished.names.tokenRole, aliasOfSample(profile))).token;
  const path = `auth/${login.mount}/role/${login.role}`;
  const role = looseRole(profile, furnished.roles.get(path)!);
  await vault.write(path, role);
  const jwt = furnished.issuer.assertion(profile, role);
  const { auth } = await vault.write(`auth/${login.mount}/login`, { role: login.role, jwt });
  if (auth === null) throw new AdminRefused(`auth/${login.mount}/login gave no token`, 500);
  return auth.client_token;
}

async function tryAgent(vault: VaultAdmin, names: Names, profiles: readonly Profile[]): Promise<Result[]> {
  const its = profiles.every(({ login }) => login !== undefined) ? SESSION_JWT : SESSION;
  const made = async (path: string, body: object) => (await vault.write(path, body)).auth?.client_token ?? '';
  const login = await made('auth/token/create', { policies: [LOGIN], no_default_policy: true, ttl: '5m' });
  const session = await made(`auth/token/create/${names.sessionRole}`, {});
  return [
    ...(await tryByRequest(vault, login, loginTrials(names), intoPolicy([LOGIN]))),
    ...(await tryByRequest(vault, session, sessionTrials(names, profiles), intoPolicy([its]))),
  ];
}
