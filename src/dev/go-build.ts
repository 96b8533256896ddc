// Owns builds with the Go toolchain, for programs that the demo and the tests need and that are published as Go modules.
// Invariant: the outcome appears whole (written beside, then renamed) and nothing is left outside its directory, neither
// Go's module cache nor its telemetry.
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { forgetDirectory, forgetGroup, guardDirectory, guardGroup } from './children.ts';
import { type ProgressOutput, withProgress } from './progress.ts';

const run = promisify(execFile);

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

export type GoBuild = {
  /** For a person: "Vault". */
  name: string;
  /** The directory of go.mod. */
  sources: string;
  /** What to build there: "." for one program, "./..." for all. */
  packages: string;
  /** Where the outcome appears: a program, or with "./..." a directory of programs. */
  target: string;
  /** For -ldflags, beside -s -w. */
  linkerFlags?: string;
  /** Laid over Go's environment. */
  env?: NodeJS.ProcessEnv;
  /** How many packages are compiled, about; only for the progress line. */
  compiles: number;
  /** "ten minutes", cold on two cores. */
  takes: string;
};

/** Builds `target`, with a progress line. Rejects with what Go said. */
export const buildWithGo = async (what: GoBuild, output: ProgressOutput): Promise<void> => {
  const { name, sources, packages, target } = what;
  const workDir = join(dirname(target), 'go');
  const part = `${target}.${process.pid}.tmp`;
  const env = { ...(await goEnvironment(workDir)), ...what.env };
  let compiled = 0;
  let downloaded = 0;
  let errors = '';
  guardDirectory(part);
  const build = async (): Promise<void> => {
    const linker = `-s -w ${what.linkerFlags ?? ''}`.trim();
    // With a slash, the programs go into a directory of that name.
    const into = packages === '.' ? part : `${part}/`;
    const args = ['build', '-v', '-trimpath', '-buildvcs=false', '-ldflags', linker, '-o', into, packages];
    const child = spawn('go', args, {
      cwd: sources,
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
    if (code !== 0) throw new Error(`go build in ${sources} failed:\n${errors.trim() || `exit ${code}`}`);
    renameSync(part, target);
  };
  const detail = (): string =>
    compiled > 0
      ? `${compiled} of about ${what.compiles} packages compiled`
      : `${downloaded} modules downloaded`;
  try {
    await withProgress(output, `building ${name} with Go, about ${what.takes}`, build, detail);
    // Kept after a failure: the next try goes on from there.
    await withProgress(output, "removing the build's own caches", () =>
      rm(workDir, { recursive: true, force: true }),
    );
  } finally {
    rmSync(part, { recursive: true, force: true });
    forgetDirectory(part);
  }
};
