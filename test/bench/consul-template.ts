// Owns where consul-template for the comparison comes from: the cache, or the Go module proxy. Invariant: the
// pinned version, installed whole or not at all, outside the repository; without Go or the proxy the reason is told,
// and nothing else depends on it.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { goEnvironment, hasGo } from '../../src/dev/go-build.ts';
import { progressTo, withProgress } from '../../src/dev/progress.ts';
import { cached } from '../../src/dev/vault-build.ts';

const VERSION = '0.41.1';
const MODULE = `github.com/hashicorp/consul-template@v${VERSION}`;
const run = promisify(execFile);

export type ConsulTemplate = { readonly path: string } | { readonly why: string };

export async function consulTemplate(): Promise<ConsulTemplate> {
  const dir = cached(`consul-template-${VERSION}`);
  const path = join(dir, 'consul-template');
  try {
    if (!existsSync(path)) {
      if (!hasGo()) return { why: `there is no Go toolchain ("go") on PATH to install ${MODULE}` };
      await withProgress(progressTo(), `installing consul-template ${VERSION} with Go`, () =>
        install(dir, path),
      );
    }
    const { stdout, stderr } = await run(path, ['-v'], { env: {} });
    if (!`${stdout}${stderr}`.includes(`v${VERSION}`))
      return { why: `${path} is another version: remove it` };
    return { path };
  } catch (error) {
    const [first = ''] = (error as Error).message.trim().split('\n').slice(-1);
    return { why: `go install ${MODULE} failed: ${first}` };
  }
}

async function install(dir: string, path: string): Promise<void> {
  const workDir = join(dir, 'go');
  const bin = join(workDir, 'bin');
  mkdirSync(bin, { recursive: true });
  try {
    const env = { ...(await goEnvironment(workDir)), GOBIN: bin };
    await run('go', ['install', '-trimpath', '-ldflags', '-s -w', MODULE], {
      cwd: '/',
      env,
      timeout: 900_000,
    });
    renameSync(join(bin, 'consul-template'), path);
  } finally {
    // Go's telemetry may still be writing there for a moment.
    rmSync(workDir, { recursive: true, force: true, maxRetries: 10 });
  }
}
