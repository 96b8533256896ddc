// Owns the two ways to make a Vault binary: copying it out of HashiCorp's container image, and
// building the published Go module with the pinned deploy/vault-build. Invariant: `target` appears
// whole (written beside, then renamed).
import { execFile } from 'node:child_process';
import { chmodSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildWithGo } from './go-build.ts';
import { type ProgressOutput, withProgress } from './progress.ts';

const run = promisify(execFile);
const SOURCES = fileURLToPath(new URL('../../deploy/vault-build/', import.meta.url));
const IMAGE = 'hashicorp/vault:1.21';

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

/** Builds Vault into `target`: about ten minutes cold on two cores, with a progress line. */
export const buildVault = (target: string, output: ProgressOutput): Promise<void> =>
  buildWithGo(
    { name: 'Vault', sources: SOURCES, packages: '.', target, compiles: 2_600, takes: 'ten minutes' },
    output,
  );

/** `${XDG_CACHE_HOME:-$HOME/.cache}/tasklease/<name>`. */
export const cached = (name: string): string => {
  const base = process.env.XDG_CACHE_HOME;
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'tasklease', name);
};

export const cacheDirectory = (version: string): string => cached(`vault-${version}`);
