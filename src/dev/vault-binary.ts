// Owns where the Vault binary for the demo and the tests comes from, in this order: VAULT_BIN, PATH,
// the cache, a container engine that runs, the Go toolchain. Invariant: what it answers was run once
// and is HashiCorp Vault. A VAULT_BIN that does not work is an error: somebody meant that one.
// As a script it prints the path alone on standard output.
import { execFile } from 'node:child_process';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { underLock } from './build-lock.ts';
import { releaseChildren } from './children.ts';
import { hasGo } from './go-build.ts';
import { type ProgressOutput, progressTo } from './progress.ts';
import { buildVault, cacheDirectory, copyFromImage, runningEngine } from './vault-build.ts';

/** The version that deploy/vault-build pins, and the key of the cache. */
export const VAULT_VERSION = '1.21.0';

export type VaultBinary = {
  path: string;
  /** For a person: which of the ways it was, e.g. "the cache of an earlier build". */
  source: string;
  /** What `vault version` says, e.g. "Vault v1.21.0". */
  version: string;
};

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** The first line of `vault version`. Throws when the file does not run or is something else. */
const probe = async (path: string): Promise<string> => {
  const { stdout } = await promisify(execFile)(path, ['version'], {
    timeout: 60_000,
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: '/nonexistent' },
  });
  const line = stdout.trim().split('\n')[0] ?? '';
  if (!line.startsWith('Vault v')) throw new Error(`"${path} version" says "${line}", not "Vault v…"`);
  // Without the build time, which a build from source has none of.
  return line.split(/[ ,]+/, 2).join(' ');
};

const named = async (path: string): Promise<VaultBinary> => {
  const fix = 'Set it to the path of a HashiCorp Vault binary, or unset it to have one found or made.';
  try {
    const found = resolve(path);
    return { path: found, source: 'VAULT_BIN', version: await probe(found) };
  } catch (cause) {
    throw new Error(`VAULT_BIN=${path} does not work: ${(cause as Error).message}. ${fix}`, { cause });
  }
};

/**
 * Finds or makes the binary. Progress goes to `log`; by default to standard error, and then also which
 * way it was.
 * Throws an error that lists what was tried and what to install.
 */
export const vaultBinary = async (options: { log?: ProgressOutput } = {}): Promise<VaultBinary> => {
  const log = options.log ?? progressTo();
  const tried: string[] = [];
  const found = (binary: VaultBinary): VaultBinary => {
    if (options.log === undefined) log.line(`Vault: ${binary.path} (${binary.source}; ${binary.version})`);
    return binary;
  };

  if (process.env.VAULT_BIN) return found(await named(process.env.VAULT_BIN));
  tried.push('VAULT_BIN is not set');

  const onPath = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((dir) => dir.startsWith('/'))
    .map((dir) => join(dir, 'vault'))
    .find(isExecutable);
  if (onPath !== undefined) {
    try {
      return found({ path: onPath, source: '"vault" on PATH', version: await probe(onPath) });
    } catch (error) {
      tried.push(`${onPath} on PATH is not usable: ${(error as Error).message}`);
    }
  } else {
    tried.push('there is no "vault" on PATH');
  }

  const dir = cacheDirectory(VAULT_VERSION);
  const target = join(dir, 'vault');
  let source = 'the cache of an earlier build';
  if (isExecutable(target)) {
    try {
      return found({ path: target, source, version: await probe(target) });
    } catch (error) {
      tried.push(`the cached ${target} is not usable, remove it: ${(error as Error).message}`);
      throw nothingWorked(tried);
    }
  }
  tried.push(`the cache ${dir} has none`);

  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const make = async (): Promise<void> => {
    const engine = await runningEngine();
    if (engine !== undefined) {
      try {
        await copyFromImage(engine, target, log);
        source = `the container image, with ${engine}`;
        return;
      } catch (error) {
        tried.push(`${engine} runs, but: ${(error as Error).message.trim()}`);
      }
    } else {
      tried.push('neither docker nor podman runs here');
    }
    if (!hasGo()) {
      tried.push('there is no Go toolchain ("go") on PATH');
      return;
    }
    log.line(`Vault: none found and no container engine runs; building it once with Go, into ${dir}`);
    try {
      await buildVault(target, log);
      source = 'a build with Go';
    } catch (error) {
      tried.push((error as Error).message);
    }
  };
  await underLock(
    join(dir, 'lock'),
    () => isExecutable(target),
    make,
    () => log.line(`Vault: another process is making it; waiting for ${target}`),
  );
  if (!isExecutable(target)) throw nothingWorked(tried);
  return found({ path: target, source, version: await probe(target) });
};

const nothingWorked = (tried: string[]): Error =>
  new Error(
    `no Vault binary could be found or made:\n${tried.map((line) => `  - ${line}`).join('\n')}\n` +
      'Do one of these: install Vault (https://developer.hashicorp.com/vault/install), set VAULT_BIN to its ' +
      'path, start docker or podman, or install Go (https://go.dev/dl).',
  );

if (import.meta.main) {
  try {
    process.stdout.write(`${(await vaultBinary()).path}\n`);
    await releaseChildren();
  } catch (error) {
    process.stderr.write(`vault-binary: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
