// Owns Podman for the container tests: with storage, networks and settings of its own, never those of the user; its
// Docker API on a socket of its own for docker-compose; and what systemd would do for it elsewhere, the health checks.
// Invariant: whatever keeps containers from running on this machine is told in one sentence, with what to do.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, statfsSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { forgetDirectory, guardDirectory, launch } from '../../src/dev/children.ts';
import { cacheDirectory } from '../../src/dev/vault-build.ts';
import { until } from '../harness/until.ts';

/** Images and layers of earlier runs. */
export const CACHE = join(dirname(cacheDirectory('any')), 'containers');

/** What has to be installed; each program is in the Debian package of that name, and `.ci/run` installs them. */
const PROGRAMS = ['podman', 'runc', 'conmon', 'iptables', 'mmdebstrap', 'docker-compose'];
const HELPERS = ['netavark', 'aardvark-dns'];
const HELPER_DIRECTORIES = ['/usr/lib/podman', '/usr/libexec/podman', '/usr/local/libexec/podman'];

const OVERLAYFS_MAGIC = 0x794c7630;
/**
 * Without limits of its own a container asks for more than root may give where CAP_SYS_RESOURCE is missing. Podman
 * lowers its own number of processes to the kernel's pid_max, so that is no number to ask for either.
 */
function ulimits(): string {
  const hard = /^Max open files +\S+ +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  const files = Math.min(Number(hard ?? 65_536), 65_536);
  return `["nofile=${files}:${files}", "nproc=4096:4096"]`;
}

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Engine {
  /** For programs that are started with it, such as docker-compose. */
  readonly environment: NodeJS.ProcessEnv;
  /** Runs podman; rejects with what it said when it fails. */
  podman(args: readonly string[], timeoutMs?: number): Promise<string>;
  /** Runs a program against this engine and answers however it ended. */
  run(program: string, args: readonly string[], timeoutMs?: number): Promise<Output>;
  /** Runs `work` while health checks are made every second, as an engine with systemd would. */
  withHealthChecks<Result>(work: () => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

const missing = (): string[] => {
  const path = (process.env.PATH ?? '').split(delimiter).concat('/usr/sbin', '/sbin');
  const found = (name: string, dirs: readonly string[]) => dirs.some((dir) => existsSync(join(dir, name)));
  return [
    ...PROGRAMS.filter((name) => !found(name, path)),
    ...HELPERS.filter((name) => !found(name, HELPER_DIRECTORIES)),
  ];
};

/** A fresh name for each boot: what Podman believes to run is gone after one. */
const runDirectory = (): string =>
  join(
    tmpdir(),
    `tasklease-podman-${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8)}-${process.getuid!()}`,
  );

/** Another test file's Podman may be reading it. */
function writeWhole(path: string, text: string): void {
  const part = `${path}.${process.pid}`;
  writeFileSync(part, text);
  renameSync(part, path);
}

const settings = (): NodeJS.ProcessEnv => {
  const directory = runDirectory();
  mkdirSync(CACHE, { recursive: true });
  mkdirSync(join(directory, 'networks'), { recursive: true, mode: 0o700 });
  writeWhole(
    join(directory, 'containers.conf'),
    `[containers]
default_ulimits = ${ulimits()}
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "${directory}/libpod"
[network]
network_backend = "netavark"
network_config_dir = "${directory}/networks"
`,
  );
  // Overlay does not go on top of overlay, as inside another container.
  const driver = statfsSync(CACHE).type === OVERLAYFS_MAGIC ? 'vfs' : 'overlay';
  writeWhole(
    join(directory, 'storage.conf'),
    `[storage]\ndriver = "${driver}"\ngraphroot = "${CACHE}/${driver}"\nrunroot = "${directory}/storage"\n`,
  );
  return {
    ...process.env,
    PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
    CONTAINERS_CONF: join(directory, 'containers.conf'),
    CONTAINERS_STORAGE_CONF: join(directory, 'storage.conf'),
    // Timers of systemd would run the checks; where there is none, a container with a check would not start.
    DISABLE_HC_SYSTEMD: 'true',
  };
};

/** Starts the engine. Rejects, in one sentence, when this machine cannot run containers. */
export async function startEngine(): Promise<Engine> {
  const lacking = missing();
  if (lacking.length > 0) {
    throw new Error(
      `The container tests need ${lacking.join(', ')}: apt-get install --no-install-recommends ${lacking.join(' ')}`,
    );
  }
  if (process.getuid!() !== 0) {
    throw new Error('The container tests need root, for networks and tmpfs volumes: run npm test as root.');
  }
  const directory = await mkdtemp(join(tmpdir(), 'tasklease-engine-'));
  guardDirectory(directory);
  const socketPath = join(directory, 'docker.sock');
  const environment = { ...settings(), DOCKER_HOST: `unix://${socketPath}` };

  const run: Engine['run'] = async (program, args, timeoutMs = 120_000) => {
    const options = { env: environment, timeout: timeoutMs, maxBuffer: 64 << 20 };
    try {
      return { code: 0, ...(await promisify(execFile)(program, args, options)) };
    } catch (error) {
      const { code, stdout = '', stderr = '', message } = error as Error & Partial<Output>;
      return { code: typeof code === 'number' ? code : -1, stdout, stderr: stderr || message };
    }
  };
  const podman: Engine['podman'] = async (args, timeoutMs) => {
    const { code, stdout, stderr } = await run('podman', args, timeoutMs);
    if (code !== 0)
      throw new Error(`podman ${args.join(' ')}: exit ${code}: ${stderr.trim()} ${stdout.trim()}`);
    return stdout.trim();
  };

  const logPath = join(directory, 'podman.log');
  const service = await launch('podman', ['system', 'service', '--time=0', `unix://${socketPath}`], {
    env: environment,
    logPath,
  });
  const get = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const sent = request({ socketPath, path, agent: false }, async (response) => {
        resolve((await response.setEncoding('utf8').toArray()).join(''));
      });
      sent.once('error', reject).end();
    });
  await until(
    'podman serves the Docker API',
    async () => {
      if (service.status() !== undefined) throw new Error(readFileSync(logPath, 'utf8'));
      return (await get('/_ping')) === 'OK';
    },
    20_000,
  );

  return {
    environment,
    podman,
    run,
    async withHealthChecks(work) {
      let waiting = true;
      const checks = (async () => {
        while (waiting) {
          const listed = JSON.parse(await get('/v4.0.0/libpod/containers/json')) as { Id: string }[];
          // Answers 409 for a container that has no check.
          await Promise.all(listed.map(({ Id }) => get(`/v4.0.0/libpod/containers/${Id}/healthcheck`)));
          await new Promise((resolve) => setTimeout(resolve, 1000));
        }
      })();
      try {
        return await work();
      } finally {
        waiting = false;
        await checks;
      }
    },
    async close() {
      await service.end('SIGTERM', 5_000);
      await rm(directory, { recursive: true, force: true });
      forgetDirectory(directory);
    },
  };
}
