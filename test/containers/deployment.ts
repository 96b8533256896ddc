// Owns one deployment of docker-compose.yml in containers, and how a test looks at it: as a workload (exec in its
// container), as Vault's administrator and as PostgreSQL. Invariants: the shipped file is used as it is, with only the
// changes laid over it that the options name; close() takes everything down and fails when something is left.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { forgetDirectory, guardDirectory } from '../../src/dev/children.ts';
import { canLogin } from '../../src/dev/postgres-server.ts';
import type { VaultReply, VaultServer } from '../../src/dev/vault-server.ts';
import type { ProfileBody } from '../harness/sample-profiles.ts';
import type { Reply } from '../harness/socket-api.ts';
import { until } from '../harness/until.ts';
import { type SeenToken, secretLeases, taskTokens } from '../harness/vault-lists.ts';
import { type Engine, type Output, startEngine } from './engine.ts';
import { makeImages } from './images.ts';
import {
  type DeploymentOptions,
  type Edit,
  writeConfig,
  writeFiles,
  writeOverlay,
  writeProfile,
} from './overlay.ts';
import { everything, sweep } from './sweep.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const WORKLOAD_USER = '20001:10001';
const SOCKET = '/run/tasklease/agent.sock';

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
  readonly msg: string;
  readonly reason?: string;
  readonly outcome?: string;
}

export class Deployment {
  readonly engine: Engine;
  readonly project: string;
  readonly #directory: string;
  readonly #options: DeploymentOptions;
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(engine: Engine, directory: string, options: DeploymentOptions) {
    this.engine = engine;
    this.project = `tasklease-${process.pid}-${directory.slice(-6).toLowerCase()}`;
    this.#directory = directory;
    this.#options = options;
    this.#environment = {
      COMPOSE_PROJECT_NAME: this.project,
      COMPOSE_FILE: [join(ROOT, 'docker-compose.yml'), join(directory, 'overlay.yaml')].join(':'),
    };
  }

  /** Prepares images and files; starts no container yet. */
  static async open(options: DeploymentOptions = {}): Promise<Deployment> {
    const engine = await startEngine();
    const directory = await mkdtemp(join(tmpdir(), 'tasklease-deployment-'));
    guardDirectory(directory);
    try {
      await sweep(engine);
      await makeImages(engine);
      writeFiles(directory, options);
      return new Deployment(engine, directory, options);
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

  async healthy(): Promise<void> {
    const agent = this.container('agent');
    await until('the agent is healthy', async () => {
      if ((await this.engine.run('podman', ['healthcheck', 'run', agent])).code === 0) return true;
      const log = await this.engine.run('podman', ['logs', '--tail=5', agent]);
      throw new Error(`${agent} says: ${log.stdout}${log.stderr}`);
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

  /** SIGKILL for the container that startWorkload() made, and away with it. */
  removeWorkload(): Promise<unknown> {
    return this.#remove('workload');
  }

  /** SIGKILL for the agent's container, and nothing that starts it again: its own tmpfs is gone with it. */
  removeAgent(): Promise<unknown> {
    return this.#remove('agent');
  }

  /** Podman refuses it for a moment while the container's process is being reaped. */
  #remove(service: string): Promise<unknown> {
    const container = this.container(service);
    return until(`${container} is removed`, async () => {
      await this.engine.podman(['rm', '--force', '--ignore', '--time', '0', '--volumes', container]);
      return true;
    });
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
      [...words, '--unix-socket', this.#options.socket ?? SOCKET, `http://tasklease${path}`],
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

  /** Lays something else over docker-compose.yml from now on; containers that run keep what they have. */
  lay(edit: Edit): void {
    writeOverlay(this.#directory, this.#options, edit);
  }

  /** Other settings for the containers that are started from now on. */
  configure(edit: Edit): void {
    writeConfig(this.#directory, this.#options, edit);
  }

  writeProfile(name: string, body: ProfileBody): void {
    writeProfile(join(this.#directory, 'profiles'), name, body);
  }

  /** What Podman still has of this deployment, and the kernel of its mounts. */
  async left(): Promise<string[]> {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    const things = await everything(this.engine);
    return [...things.map(({ kind, name }) => `${kind} ${name}`), ...mounts].filter((line) =>
      line.includes(this.project),
    );
  }

  /** docker-compose down; rejects when that leaves something. */
  async down(): Promise<void> {
    await this.compose('down', '--volumes');
    const left = await this.left();
    if (left.length > 0) throw new Error(`left after docker-compose down --volumes: ${left.join(', ')}`);
  }

  async close(): Promise<void> {
    try {
      await this.removeWorkload();
      await this.down();
    } finally {
      await sweep(this.engine, this.project);
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
