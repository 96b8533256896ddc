// Owns the configuration of an agent for the demo and the tests: directories of its own on tmpfs,
// credentials in files of mode 0600, the sample profiles for our own uid. Invariant: no root needed,
// no fixed path, nothing outside the directories that the caller gave.
import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDocument, stringify } from 'yaml';

const SAMPLES = fileURLToPath(new URL('./sample/', import.meta.url));
/** TMPFS_MAGIC of statfs(2). */
const TMPFS_MAGIC = 0x01021994;

/** Whether `path` lies on tmpfs, as statfs(2) says. */
export const isTmpfs = (path: string): boolean => {
  try {
    return statfsSync(path).type === TMPFS_MAGIC;
  } catch {
    return false;
  }
};

/** A new directory of ours (0700) on tmpfs; the caller removes it. Throws when there is no usable tmpfs. */
export const tmpfsDirectory = async (prefix = 'tasklease-'): Promise<string> => {
  const places = [process.env.XDG_RUNTIME_DIR, `/run/user/${process.getuid?.()}`, '/dev/shm'];
  for (const place of places) {
    if (!place?.startsWith('/') || !isTmpfs(place)) continue;
    try {
      accessSync(place, constants.W_OK | constants.X_OK);
      return await mkdtemp(join(place, prefix));
    } catch {
      // Not ours to write; the next place.
    }
  }
  throw new Error(
    `secrets are only ever written to tmpfs, and none that this user may write was found (looked at ` +
      `${places.filter(Boolean).join(', ')}). Mount one, for example: sudo mount -t tmpfs -o mode=1777 tmpfs /dev/shm`,
  );
};

export type AgentConfigOptions = {
  /** Directory on tmpfs for socket, secrets, private files and credentials; see `tmpfsDirectory`. */
  tmpfs: string;
  /** Where configuration, profiles and journal go; default the same. Give one on disk for restart tests. */
  dir?: string;
  vaultAddress: string;
  auth:
    | { method: 'approle'; roleId: string; secretId: string; wrapped?: boolean }
    | { method: 'token_file'; token: string };
  /** As in the session role, e.g. "5m" (default). */
  leash?: string;
  /** File name → text. Default: the sample profiles, allowed to our own uid. */
  profiles?: Record<string, string>;
  /** Merged over the configuration's top-level keys. */
  extra?: Record<string, unknown>;
};

export type AgentPaths = {
  configPath: string;
  socketPath: string;
  adminSocketPath: string;
  secretsDir: string;
  runtimeDir: string;
  stateDir: string;
  profilesDir: string;
};

/** The sample profiles, with `uids` in the place of the sample uid. */
export const sampleProfiles = (uids: number[] = [process.getuid?.() ?? 0]): Record<string, string> =>
  Object.fromEntries(
    readdirSync(SAMPLES)
      .filter((file) => file.endsWith('.yaml'))
      .map((file) => {
        const document = parseDocument(readFileSync(join(SAMPLES, file), 'utf8'));
        document.setIn(['allow', 'uids'], document.createNode(uids, { flow: true }));
        return [file, document.toString({ lineWidth: 0 })];
      }),
  );

const credentials = (dir: string, auth: AgentConfigOptions['auth']): Record<string, unknown> => {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const file = (name: string, secret: string): string => {
    const path = join(dir, name);
    writeFileSync(path, `${secret}\n`, { mode: 0o600 });
    return path;
  };
  if (auth.method === 'token_file')
    return { method: 'token_file', token_file: file('login-token', auth.token) };
  return {
    method: 'approle',
    role_id_file: file('role-id', auth.roleId),
    secret_id_file: file('secret-id', auth.secretId),
    ...(auth.wrapped === true ? { secret_id_wrapped: true } : {}),
  };
};

/** Writes agent.yaml with all that it names, and answers the paths. */
export const writeAgentConfig = (options: AgentConfigOptions): AgentPaths => {
  const { tmpfs, dir = tmpfs } = options;
  const paths: AgentPaths = {
    configPath: join(dir, 'agent.yaml'),
    socketPath: join(tmpfs, 'agent.sock'),
    adminSocketPath: join(tmpfs, 'private', 'admin.sock'),
    secretsDir: join(tmpfs, 'tasks'),
    runtimeDir: join(tmpfs, 'private'),
    stateDir: join(dir, 'state'),
    profilesDir: join(dir, 'profiles'),
  };
  mkdirSync(paths.profilesDir, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(options.profiles ?? sampleProfiles())) {
    writeFileSync(join(paths.profilesDir, name), text, { mode: 0o600 });
  }
  const config = {
    vault: {
      address: options.vaultAddress,
      auth: credentials(join(tmpfs, 'credentials'), options.auth),
      leash: options.leash ?? '5m',
    },
    socket: { path: paths.socketPath, mode: '0600' },
    runtime_dir: paths.runtimeDir,
    secrets_dir: paths.secretsDir,
    state_dir: paths.stateDir,
    profiles_dir: paths.profilesDir,
    ...options.extra,
  };
  writeFileSync(paths.configPath, stringify(config), { mode: 0o600 });
  return paths;
};
