// Owns one whole installation for one test file: a real Vault, a real PostgreSQL, policies, profiles, the
// agent's directories and the agent. Invariant: nothing of it is shared with another test file, and
// close() leaves no process, directory or file.
import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { tmpfsDirectory } from '../../src/dev/agent-config.ts';
import { forgetDirectory, guardDirectory } from '../../src/dev/children.ts';
import { type PostgresServer, startPostgres } from '../../src/dev/postgres-server.ts';
import { type Provisioned, provision } from '../../src/dev/provision.ts';
import { vaultBinary } from '../../src/dev/vault-binary.ts';
import { startVault, type VaultServer } from '../../src/dev/vault-server.ts';
import { type AgentProcess, agentProcess } from './agent-process.ts';
import {
  type CommandOptions,
  type CommandResult,
  type RunningCommand,
  runCommand,
  startCommand,
} from './command.ts';
import { type ProfileBody, SAMPLE_POLICIES, SAMPLE_PROFILES, sampleRoles } from './sample-profiles.ts';
import { call, type Json, type OpenReply, openCall, type Reply, sendRaw } from './socket-api.ts';
import { untilEmpty } from './until.ts';
import { type SeenToken, secretLeases, taskTokens } from './vault-lists.ts';

export type WorldOptions = {
  storage?: 'inmem' | 'file';
  /** The session role's period, as Vault and agent.yaml write it. */
  leash?: string;
  /** An audit device that writes everything in clear, at `world.auditPath`. */
  audit?: boolean;
  /** Policies beside the samples that task tokens may have: name → HCL. */
  policies?: Record<string, string>;
  /** Profiles beside the samples. */
  profiles?: Record<string, ProfileBody>;
  /** Laid over the configuration, key by key; objects are merged. */
  config?: Record<string, Json>;
  /** False: the test starts the agent itself. */
  start?: boolean;
};

export type Caller = (method: string, path: string, body?: unknown) => Promise<Reply>;

export type World = {
  readonly vault: VaultServer;
  readonly postgres: PostgresServer;
  readonly provisioned: Provisioned;
  readonly agent: AgentProcess;
  readonly paths: {
    config: string;
    socket: string;
    admin: string;
    runtime: string;
    secrets: string;
    state: string;
    profiles: string;
    log: string;
    roleId: string;
    secretId: string;
    /** On disk, for whatever a test wants to write. */
    scratch: string;
    audit: string;
  };
  /** As a workload. */
  api: Caller;
  /** On the admin socket. */
  admin: Caller;
  /** A call whose NDJSON answer stays open. */
  open(method: string, path: string, body?: unknown): Promise<OpenReply>;
  raw(bytes: string | Buffer): Promise<Reply>;
  cli(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  startCli(args: readonly string[], options?: CommandOptions): RunningCommand;
  /** The configuration that the file holds now; `edit` may change it in place, then it is written. */
  configure(edit: (config: Json) => void): Promise<void>;
  writeProfile(name: string, body: ProfileBody): Promise<void>;
  /** Names of leased roles in PostgreSQL (Vault's names begin with v-). */
  pgRoles(): Promise<string[]>;
  vaultLeases(): Promise<string[]>;
  taskTokens(): Promise<SeenToken[]>;
  /** Whatever lies in the secrets directory. */
  taskDirs(): string[];
  /** A delivered file's text. */
  file(task: string, name: string): Promise<string>;
  /** Waits until Vault, PostgreSQL and the secrets directory hold nothing of any task. */
  untilNothingLeft(withinMs?: number): Promise<void>;
  logs(): string;
  /** Every reply of the agent's API so far, as text. */
  readonly transcript: string[];
  close(): Promise<void>;
};

const merge = (target: Json, source: Json): Json => {
  for (const [key, value] of Object.entries(source)) {
    const both =
      value !== null && typeof value === 'object' && !Array.isArray(value) && typeof target[key] === 'object';
    target[key] = both ? merge(target[key], value) : value;
  }
  return target;
};

export const createWorld = async (options: WorldOptions = {}): Promise<World> => {
  const { storage = 'inmem', leash = '5m' } = options;
  const disk = await mkdtemp(join(tmpdir(), 'tasklease-test-'));
  const memory = await tmpfsDirectory('tasklease-test-');
  guardDirectory(disk);
  guardDirectory(memory);
  // Other users' workloads pass through here to the socket and to their files.
  await chmod(memory, 0o755);
  const paths = {
    config: join(disk, 'agent.yaml'),
    socket: join(memory, 'run', 'agent.sock'),
    admin: join(memory, 'private', 'admin.sock'),
    runtime: join(memory, 'private'),
    secrets: join(memory, 'tasks'),
    state: join(disk, 'state'),
    profiles: join(disk, 'profiles'),
    log: join(disk, 'agent.log'),
    roleId: join(disk, 'role-id'),
    secretId: join(disk, 'secret-id'),
    scratch: join(disk, 'scratch'),
    audit: join(disk, 'vault-audit.log'),
  };
  const { path: binary } = await vaultBinary({ log: { line: () => undefined } });
  let vault: VaultServer | undefined;
  let postgres: PostgresServer | undefined;
  const agent = agentProcess(paths.config, paths.socket, paths.log);
  const commands = new Set<RunningCommand>();
  const transcript: string[] = [];

  const close = async (): Promise<void> => {
    for (const command of commands) command.child.kill('SIGKILL');
    if (agent.running) await agent.kill9();
    await Promise.all([vault?.kill(), postgres?.stop()]);
    for (const dir of [disk, memory]) {
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
      forgetDirectory(dir);
    }
  };

  try {
    [vault, postgres] = await Promise.all([
      startVault({
        binary,
        dir: join(disk, 'vault'),
        storage,
        ...(options.audit === true ? { auditFile: paths.audit, auditRaw: true } : {}),
      }),
      startPostgres({ dir: join(disk, 'postgres') }),
    ]);
    const provisioned = await provision({
      vault,
      postgres,
      leash,
      extraPolicies: { ...SAMPLE_POLICIES, ...options.policies },
    });
    await sampleRoles(vault);
    await mkdir(paths.profiles, { recursive: true });
    await mkdir(paths.scratch, { recursive: true });
    await mkdir(join(memory, 'run'), { mode: 0o755 });
    await writeFile(paths.roleId, provisioned.roleId, { mode: 0o600 });
    await writeFile(paths.secretId, await provisioned.secretId(), { mode: 0o600 });

    const config: Json = merge(
      {
        vault: {
          address: vault.address,
          auth: { method: 'approle', role_id_file: paths.roleId, secret_id_file: paths.secretId },
          leash,
        },
        socket: { path: paths.socket, mode: '0660' },
        runtime_dir: paths.runtime,
        secrets_dir: paths.secrets,
        state_dir: paths.state,
        profiles_dir: paths.profiles,
        limits: { tasks: 1000, tasks_per_uid: 1000, starts_per_minute: 100_000 },
        log: { level: 'info' },
      },
      options.config ?? {},
    );
    const configure = async (edit: (config: Json) => void): Promise<void> => {
      edit(config);
      await writeFile(paths.config, stringify(config), { mode: 0o600 });
    };
    await configure(() => undefined);
    const writeProfile = (name: string, body: ProfileBody): Promise<void> =>
      writeFile(join(paths.profiles, `${name}.yaml`), stringify({ profile: name, ...body }), { mode: 0o644 });
    for (const [name, body] of Object.entries({ ...SAMPLE_PROFILES, ...options.profiles })) {
      await writeProfile(name, body);
    }
    if (options.start !== false) await agent.start();

    const recorded = async (reply: Promise<Reply>): Promise<Reply> => {
      const got = await reply;
      transcript.push(got.text);
      return got;
    };
    const startCli = (args: readonly string[], more: CommandOptions = {}): RunningCommand => {
      const command = startCommand(args, { ...more, env: { TASKLEASE_SOCKET: paths.socket, ...more.env } });
      commands.add(command);
      void command.ended.finally(() => commands.delete(command)).catch(() => undefined);
      return command;
    };
    const world: World = {
      vault,
      postgres,
      provisioned,
      agent,
      paths,
      api: (method, path, body) => recorded(call(paths.socket, method, path, body)),
      admin: (method, path, body) => recorded(call(paths.admin, method, path, body)),
      open: (method, path, body) => openCall(paths.socket, method, path, body),
      raw: (bytes) => recorded(sendRaw(paths.socket, bytes)),
      cli: (args, more = {}) =>
        runCommand(args, { ...more, env: { TASKLEASE_SOCKET: paths.socket, ...more.env } }),
      startCli,
      configure,
      writeProfile,
      pgRoles: async () =>
        (await world.postgres.query(`select rolname from pg_roles where rolname like 'v-%'`)).map(
          ({ rolname }) => String(rolname),
        ),
      vaultLeases: () => secretLeases(world.vault),
      taskTokens: () => taskTokens(world.vault),
      taskDirs: () => (existsSync(paths.secrets) ? readdirSync(paths.secrets) : []),
      file: (task, name) => readFile(join(paths.secrets, task, 'current', name), 'utf8'),
      untilNothingLeft: async (withinMs = 45_000) => {
        await untilEmpty('Vault holds no lease', world.vaultLeases, withinMs);
        await untilEmpty('Vault holds no task token', world.taskTokens, withinMs);
        await untilEmpty('PostgreSQL holds no leased role', world.pgRoles, withinMs);
        await untilEmpty('the secrets directory is empty', async () => world.taskDirs(), withinMs);
      },
      logs: () => agent.logs(),
      transcript,
      close,
    };
    return world;
  } catch (error) {
    await close();
    throw error;
  }
};
