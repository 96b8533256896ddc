// Owns the two ways to make a Vault binary: copying it out of HashiCorp's container image, and
// building the published Go module with the pinned deploy/vault-build. Invariant: `target` appears
// whole (written beside, then renamed) and nothing is left outside the cache directory, neither Go's
// module cache nor its telemetry.
import { execFile, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { forgetDirectory, forgetGroup, guardDirectory, guardGroup } from './children.ts';
import { type ProgressOutput, withProgress } from './progress.ts';

const run = promisify(execFile);
const SOURCES = fileURLToPath(new URL('../../deploy/vault-build/', import.meta.url));
const IMAGE = 'hashicorp/vault:1.21';
/** How many packages the build compiles, about; only for the progress line. */
const PACKAGES = 2_600;

/** The first of docker and podman whose `info` succeeds. */
export const runningEngine = async (): Promise<string | undefined> => {
  for (const engine of ['docker', 'podman']) {
    try {
      await run(engine, ['info'], { timeout: 10_000 });
      return engine;
    } catch {
      // Not installed, or its daemon does not run.
    }
  }
  return undefined;
};

/** Copies /bin/vault out of the image into `target`; pulls the image when it is not there. */
export const copyFromImage = async (
  engine: string,
  target: string,
  output: ProgressOutput,
): Promise<void> => {
  const part = `${target}.${process.pid}.tmp`;
  await withProgress(output, `copying Vault out of the image ${IMAGE} with ${engine}`, async () => {
    const { stdout } = await run(engine, ['create', IMAGE], { timeout: 600_000 });
    const container = stdout.trim().split('\n').at(-1)!;
    try {
      await run(engine, ['cp', `${container}:/bin/vault`, part], { timeout: 120_000 });
    } finally {
      await run(engine, ['rm', container]).catch(() => undefined);
    }
    chmodSync(part, 0o755);
    renameSync(part, target);
  }).finally(() => rmSync(part, { force: true }));
};

/** Whether a Go toolchain is on PATH. */
export const hasGo = (): boolean =>
  (process.env.PATH ?? '').split(delimiter).some((dir) => dir !== '' && existsSync(join(dir, 'go')));

/**
 * Go's environment. Go writes telemetry counters below the configuration directory, so it gets one in
 * `workDir`, and keeps the user's settings (`go env -w`). An existing module or build cache of the
 * user's is used; where there is none, one inside `workDir` is, which is removed afterwards, so that
 * an empty home stays empty.
 */
export const goEnvironment = async (workDir: string): Promise<NodeJS.ProcessEnv> => {
  const settings = join(process.env.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'go', 'env');
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    XDG_CONFIG_HOME: join(workDir, 'config'),
    ...(process.env.GOENV === undefined && existsSync(settings) ? { GOENV: settings } : {}),
    GOWORK: 'off',
  };
  const { stdout } = await run('go', ['env', 'GOMODCACHE', 'GOCACHE'], { cwd: '/', env });
  const [modules = '', builds = ''] = stdout.split('\n');
  mkdirSync(join(workDir, 'tmp'), { recursive: true });
  return {
    ...env,
    ...(existsSync(modules)
      ? {}
      : { GOPATH: join(workDir, 'path'), GOMODCACHE: join(workDir, 'path', 'mod') }),
    ...(existsSync(builds) ? {} : { GOCACHE: join(workDir, 'build') }),
    GOTMPDIR: join(workDir, 'tmp'),
    GOFLAGS: '-mod=readonly -modcacherw',
  };
};

/** Builds Vault into `target`: about ten minutes cold on two cores, with a progress line. */
export const buildWithGo = async (target: string, output: ProgressOutput): Promise<void> => {
  const workDir = join(dirname(target), 'go');
  const part = `${target}.${process.pid}.tmp`;
  const env = await goEnvironment(workDir);
  let compiled = 0;
  let downloaded = 0;
  let errors = '';
  guardDirectory(part);
  const build = async (): Promise<void> => {
    const args = ['build', '-v', '-trimpath', '-buildvcs=false', '-ldflags', '-s -w', '-o', part, '.'];
    const child = spawn('go', args, {
      cwd: SOURCES,
      env,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    if (child.pid !== undefined) guardGroup(child.pid);
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.split('\n')) {
        if (line.startsWith('go: downloading ')) downloaded += 1;
        else if (/^[\w.~/-]+$/.test(line)) compiled += 1;
        else if (line !== '') errors = `${errors}${line}\n`.slice(-4_000);
      }
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    }).finally(() => child.pid !== undefined && forgetGroup(child.pid));
    if (code !== 0) throw new Error(`go build in ${SOURCES} failed:\n${errors.trim() || `exit ${code}`}`);
    renameSync(part, target);
  };
  const detail = (): string =>
    compiled > 0 ? `${compiled} of about ${PACKAGES} packages compiled` : `${downloaded} modules downloaded`;
  try {
    await withProgress(output, 'building Vault with Go, about ten minutes', build, detail);
    // Kept after a failure: the next try goes on from there.
    await withProgress(output, "removing the build's own caches", () =>
      rm(workDir, { recursive: true, force: true }),
    );
  } finally {
    rmSync(part, { force: true });
    forgetDirectory(part);
  }
};

/** `${XDG_CACHE_HOME:-$HOME/.cache}/tasklease/<name>`. */
export const cached = (name: string): string => {
  const base = process.env.XDG_CACHE_HOME;
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'tasklease', name);
};

export const cacheDirectory = (version: string): string => cached(`vault-${version}`);
