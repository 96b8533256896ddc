// Owns one deployment of docker-compose.yml in containers, and how a test looks at it: as a workload (exec in its
// container), as Vault's administrator and as PostgreSQL. Invariants: the shipped file is used as it is, with only the
// changes laid over it that the options name; close() takes everything down and fails when something is left.
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { parse, stringify } from 'yaml';
import { forgetDirectory, guardDirectory } from '../../src/dev/children.ts';
import { canLogin } from '../../src/dev/postgres-server.ts';
import type { VaultReply, VaultServer } from '../../src/dev/vault-server.ts';
import type { ProfileBody } from '../harness/sample-profiles.ts';
import type { Json, Reply } from '../harness/socket-api.ts';
import { until } from '../harness/until.ts';
import { type SeenToken, secretLeases, taskTokens } from '../harness/vault-lists.ts';
import { type Engine, type Output, startEngine } from './engine.ts';
import { makeImages } from './images.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const WORKLOAD_USER = '20001:10001';
const SOCKET = '/run/tasklease/agent.sock';

export interface DeploymentOptions {
  /** Seconds, in agent.yaml and the session role; as shipped when not given. */
  leash?: number;
  /** Profiles beside the shipped one. */
  profiles?: Record<string, ProfileBody>;
  /** Edits the settings of the agent. */
  configure?(config: Json): void;
  /** Edits what is laid over docker-compose.yml. */
  overlay?(overlay: Json): void;
}

export interface ExecOptions {
  user?: string;
  timeoutMs?: number;
}

export interface Login {
  readonly username: string;
  readonly password: string;
}

/** The first line of the agent's log that says something of a task. */
export interface Fact {
  readonly time: string;
  readonly task: string;
  readonly type: string;
  readonly reason?: string;
  readonly outcome?: string;
}

export class Deployment {
  readonly engine: Engine;
  readonly project: string;
  readonly #directory: string;
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(engine: Engine, directory: string, project: string) {
    this.engine = engine;
    this.project = project;
    this.#directory = directory;
    this.#environment = {
      COMPOSE_PROJECT_NAME: project,
      COMPOSE_FILE: [join(ROOT, 'docker-compose.yml'), join(directory, 'overlay.yaml')].join(':'),
    };
  }

  /** Prepares images and files; starts no container yet. */
  static async open(options: DeploymentOptions = {}): Promise<Deployment> {
    const engine = await startEngine();
    const directory = await mkdtemp(join(tmpdir(), 'tasklease-deployment-'));
    guardDirectory(directory);
    try {
      await makeImages(engine);
      writeFiles(directory, options);
      return new Deployment(
        engine,
        directory,
        `tasklease-${process.pid}-${directory.slice(-6).toLowerCase()}`,
      );
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  container(service: string): string {
    return service === 'workload' ? `${this.project}-workload` : `${this.project}_${service}_1`;
  }

  /** docker-compose; rejects with what it said when it fails. */
  async compose(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.tryCompose(...args);
    if (code === 0) return stdout;
    const logs = await this.tryCompose('logs', '--no-color', '--tail=15');
    throw new Error(`docker-compose ${args.join(' ')}: exit ${code}\n${stderr}${stdout}\n${logs.stdout}`);
  }

  tryCompose(...args: readonly string[]): Promise<Output> {
    const words = Object.entries(this.#environment).map(([name, value]) => `${name}=${value}`);
    return this.engine.withHealthChecks(() => this.engine.run('env', [...words, 'docker-compose', ...args]));
  }

  /** As the README says, until the agent is healthy. */
  async up(): Promise<void> {
    await this.compose('up', '--detach', 'agent');
    await this.healthy();
  }

  healthy(): Promise<unknown> {
    return until('the agent is healthy', async () => {
      const { code, stdout, stderr } = await this.engine.run('podman', [
        'healthcheck',
        'run',
        this.container('agent'),
      ]);
      if (code !== 0) throw new Error(`${stdout}${stderr}`);
      return true;
    });
  }

  /** The workload's container, which does nothing by itself: the test says what runs in it. */
  async startWorkload(
    command: readonly string[] = ['sleep', 'infinity'],
    user = WORKLOAD_USER,
  ): Promise<void> {
    await this.compose(
      ...['run', '-T', '--detach', '--no-deps', '--name', this.container('workload'), '--user', user],
      ...['--entrypoint', command[0]!, 'workload', ...command.slice(1)],
    );
  }

  exec(service: string, command: readonly string[], { user, timeoutMs }: ExecOptions = {}): Promise<Output> {
    const as = user === undefined ? [] : ['--user', user];
    return this.engine.run('podman', ['exec', ...as, this.container(service), ...command], timeoutMs);
  }

  /** A shell in the workload's container; rejects when it fails. */
  async sh(script: string, options?: ExecOptions): Promise<string> {
    const { code, stdout, stderr } = await this.exec('workload', ['sh', '-euc', script], options);
    if (code !== 0) throw new Error(`${script}: exit ${code}: ${stderr}${stdout}`);
    return stdout.trim();
  }

  /** One call of the socket API, made by curl in the workload's container. */
  async api(method: string, path: string, body?: unknown, options?: ExecOptions): Promise<Reply> {
    const data =
      body === undefined
        ? []
        : ['-H', 'Content-Type: application/json', '--data-binary', JSON.stringify(body)];
    const words = ['curl', '-sS', '-g', '-X', method, '-w', '\n%{http_code} %{content_type}', ...data];
    const seen = await this.exec(
      'workload',
      [...words, '--unix-socket', SOCKET, `http://tasklease${path}`],
      options,
    );
    if (seen.code !== 0) throw new Error(`curl ${method} ${path}: exit ${seen.code}: ${seen.stderr}`);
    const end = seen.stdout.lastIndexOf('\n');
    const text = seen.stdout.slice(0, end);
    const [status, type = ''] = seen.stdout.slice(end + 1).split(' ');
    const json = /json$/.test(type.split(';')[0]!) ? JSON.parse(text) : text;
    return { status: Number(status), headers: { 'content-type': type }, body: json, text };
  }

  /** What the workload reads of its task. */
  async login(task: string, directory = '/run/tasklease-tasks'): Promise<Login> {
    return JSON.parse(await this.sh(`cat ${directory}/${task}/current/db.json`));
  }

  /** kill -9 of the container's first process, as the kernel's OOM killer would. Answers when it was sent. */
  async kill9(service: string): Promise<number> {
    const pid = Number(await this.#inspect(service, '{{.State.Pid}}'));
    if (!(pid > 1)) throw new Error(`${this.container(service)} does not run`);
    const at = Date.now();
    process.kill(pid, 'SIGKILL');
    return at;
  }

  async facts(task: string): Promise<Fact[]> {
    const log = await this.engine.run('podman', ['logs', this.container('agent')]);
    return log.stderr
      .concat(log.stdout)
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Fact)
      .filter((fact) => fact.task === task);
  }

  async canLogin({ username, password }: Login): Promise<boolean> {
    return canLogin(5432, 'app', username, password, await this.#address('postgres'));
  }

  /** Names of leased roles in PostgreSQL (Vault's names begin with v-). */
  async pgRoles(): Promise<string[]> {
    const client = new Client({
      host: await this.#address('postgres'),
      user: 'postgres',
      password: 'demo-only',
      database: 'app',
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rows } = await client.query<{ rolname: string }>(
        "select rolname from pg_roles where rolname like 'v-%'",
      );
      return rows.map(({ rolname }) => rolname);
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  async vaultLeases(): Promise<string[]> {
    return secretLeases(await this.vault());
  }

  async taskTokens(): Promise<SeenToken[]> {
    return taskTokens(await this.vault());
  }

  /** Vault as its administrator sees it, through the container's address. */
  async vault(): Promise<Pick<VaultServer, 'request'>> {
    const address = await this.#address('vault');
    const init = readFileSync(join(await this.volume('vault-keys'), 'init'), 'utf8');
    const root = /^Initial Root Token: (\S+)/m.exec(init)![1]!;
    return {
      async request(method, path, body, token = root): Promise<VaultReply> {
        const reply = await fetch(`http://${address}:8200/v1/${path}`, {
          method,
          headers: { 'X-Vault-Token': token },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const text = await reply.text();
        return { status: reply.status, body: text === '' ? {} : JSON.parse(text) };
      },
    };
  }

  /** Where a volume lies on this machine. */
  volume(name: string): Promise<string> {
    return this.engine.podman([
      'volume',
      'inspect',
      '--format',
      '{{.Mountpoint}}',
      `${this.project}_${name}`,
    ]);
  }

  writeProfile(name: string, body: ProfileBody): void {
    writeProfile(join(this.#directory, 'profiles'), name, body);
  }

  /** What Podman still has of this deployment. */
  async left(): Promise<string[]> {
    const filter = `name=${this.project}`;
    const lists = await Promise.all(
      [
        ['ps', '--all', '--format', '{{.Names}}'],
        ['volume', 'ls', '--format', '{{.Name}}'],
        ['network', 'ls', '--format', '{{.Name}}'],
      ].map((list) => this.engine.podman([...list, '--filter', filter])),
    );
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(this.project));
    return [...lists.flatMap((list) => list.split('\n')), ...mounts].filter((line) => line !== '');
  }

  async close(): Promise<void> {
    try {
      const name = this.container('workload');
      await this.engine.podman(['rm', '--force', '--ignore', '--time', '1', name]);
      await this.tryCompose('down', '--volumes');
      const left = await this.left();
      if (left.length > 0) throw new Error(`left after docker-compose down --volumes: ${left.join(', ')}`);
    } finally {
      await this.engine.close();
      await rm(this.#directory, { recursive: true, force: true });
      forgetDirectory(this.#directory);
    }
  }

  #inspect(service: string, format: string): Promise<string> {
    return this.engine.podman(['inspect', '--format', format, this.container(service)]);
  }

  async #address(service: string): Promise<string> {
    const networks = JSON.parse(await this.#inspect(service, '{{json .NetworkSettings.Networks}}'));
    return networks[`${this.project}_engine`].IPAddress;
  }
}

function writeProfile(directory: string, name: string, body: ProfileBody): void {
  writeFileSync(join(directory, `${name}.yaml`), stringify({ profile: name, ...body }));
}

/** The directory that is laid over the shipped one: settings, profiles, policies, and the overlay itself. */
function writeFiles(directory: string, options: DeploymentOptions): void {
  cpSync(join(ROOT, 'deploy/compose/profiles'), join(directory, 'profiles'), { recursive: true });
  for (const [name, body] of Object.entries(options.profiles ?? {})) {
    writeProfile(join(directory, 'profiles'), name, body);
  }
  cpSync(join(ROOT, 'vault-policies'), join(directory, 'policies'), { recursive: true });
  const config = parse(readFileSync(join(ROOT, 'deploy/compose/agent.yaml'), 'utf8'));
  if (options.leash !== undefined) {
    config.vault.leash = `${options.leash}s`;
    const role = join(directory, 'policies/session-role.json');
    const body = { ...JSON.parse(readFileSync(role, 'utf8')), token_period: `${options.leash}s` };
    writeFileSync(role, JSON.stringify(body));
  }
  options.configure?.(config);
  writeFileSync(join(directory, 'agent.yaml'), stringify(config));
  const overlay: Json = {
    services: {
      setup: { volumes: [`${directory}/policies:/vault-policies:ro`] },
      agent: {
        volumes: [
          `${directory}/agent.yaml:/etc/tasklease/agent.yaml:ro`,
          `${directory}/profiles:/etc/tasklease/profiles:ro`,
        ],
      },
    },
    volumes: parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')).volumes,
  };
  options.overlay?.(overlay);
  for (const volume of Object.values<Json>(overlay.volumes)) asPodmanSays(volume);
  writeFileSync(join(directory, 'overlay.yaml'), stringify(overlay));
}

/**
 * Podman reports the owner of a tmpfs volume as options of their own, and docker-compose 1 takes a volume whose
 * options are not those of its file for one that was changed.
 */
function asPodmanSays(volume: Json): void {
  const options = volume?.driver_opts;
  for (const [, name, id] of String(options?.o ?? '').matchAll(/\b([ug]id)=(\d+)/g)) {
    options[name!.toUpperCase()] = id;
  }
}
