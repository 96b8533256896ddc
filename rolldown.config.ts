import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { join, resolve } from 'node:path';
import { defineConfig } from 'rolldown';
import { isolatedDeclarationSync } from 'rolldown/experimental';

const FILE = 'dist/tasklease.js';

/** Pure ASCII: one other character would make V8 keep the whole source at two bytes each. */
const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** The notices of everything that is bundled, which MIT, ISC and BSD ask for beside copies. */
function licences(modules: readonly string[]): string {
  const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/;
  const packages = new Set(modules.flatMap((id) => folder.exec(id)?.[0] ?? []));
  return [...packages]
    .sort()
    .map((dir) => {
      const { name, version, license } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
      const file = readdirSync(dir).find((entry) => /^licen[cs]e/i.test(entry));
      const text = file === undefined ? '' : readFileSync(join(dir, file), 'utf8').trim();
      const terms = typeof license === 'string' ? license : 'see below';
      return `${name} ${version} (${terms})\n\n${text}\n`;
    })
    .join(`\n${'-'.repeat(78)}\n\n`);
}

/** What is left out of the bundle. */
const OUTSIDE = '\0outside:';

/**
 * Node's own modules and koffi, taken when the module that needs them runs. An import of theirs would be hoisted, so
 * that every command loaded them all, and would evaluate every export: of node:http a whole HTTP client for
 * WebSocket, of node:fs its streams. That was most of what a command took to start.
 */
function takenWhenNeeded(id: string): string {
  const name = id.slice(OUTSIDE.length);
  const exported = Object.keys(createRequire(import.meta.url)(name));
  const valid = exported.filter((key) => /^[A-Za-z_$][\w$]*$/.test(key) && key !== 'default');
  return [
    "import { createRequire } from 'node:module';",
    `const taken = createRequire(import.meta.url)(${JSON.stringify(name)});`,
    'export default taken;',
    // What nobody imports is not even looked at.
    ...valid.map((key) => `const the_${key} = /* @__PURE__ */ (() => taken.${key})();`),
    `export { ${valid.map((key) => `the_${key} as ${key}`).join(', ')} };`,
  ].join('\n');
}

// One file that is shell and JavaScript at once (see src/launcher.sh). Comments go and syntax is
// compressed, which saves memory at run time; names stay, so that stack traces can be read.
const command = defineConfig({
  input: 'src/main.ts',
  platform: 'node',
  // The user's own, where there are any (README, Traces).
  external: [/^@opentelemetry\//],
  resolve: { alias: { axios: resolve('src/adapters/vault/no-axios.cjs') } },
  output: {
    file: FILE,
    format: 'esm',
    codeSplitting: false,
    minify: { compress: true, mangle: false, codegen: true },
    postBanner: readFileSync('src/launcher.sh', 'utf8').trimEnd(),
  },
  plugins: [
    {
      name: 'taken when needed',
      resolveId(source, _importer, { kind }) {
        if (source !== 'koffi' && !isBuiltin(source)) return null;
        // What is required is taken when needed as it is, by the one import that there has to be.
        const asItIs = kind === 'require-call' || source === 'node:module';
        return asItIs ? { id: source, external: true } : `${OUTSIDE}${source}`;
      },
      load: (id) => (id.startsWith(OUTSIDE) ? { code: takenWhenNeeded(id), moduleSideEffects: false } : null),
    },
    {
      name: 'executable',
      generateBundle(_options, bundle) {
        const modules = Object.values(bundle).flatMap((chunk) =>
          'moduleIds' in chunk ? chunk.moduleIds : [],
        );
        this.emitFile({ type: 'asset', fileName: 'THIRD-PARTY-LICENSES', source: licences(modules) });
      },
      writeBundle() {
        const code = readFileSync(FILE, 'utf8').replace(/[^\0-\x7f]/g, escaped);
        writeFileSync(FILE, code);
        chmodSync(FILE, 0o755);
      },
    },
  ],
});

/** The client's types in one file: what these declare, without their imports of one another. */
function declarations(): string {
  const own = ['types', 'error', 'index'].map((name) => {
    const file = `src/client/${name}.ts`;
    const { code, errors } = isolatedDeclarationSync(file, readFileSync(file, 'utf8'), { sourcemap: false });
    if (errors.length > 0) throw new Error(`${file}: ${errors[0]!.message}`);
    return code.replace(/^(?:im|ex)port [^;]*? from "[^"]+";\n/gm, '').trim();
  });
  return `${own.join('\n\n')}\n`;
}

// The client as a program imports it, `tasklease/client`: one file to read, without dependencies.
const client = defineConfig({
  input: 'src/client/index.ts',
  platform: 'node',
  output: { file: 'dist/client.js', format: 'esm', codeSplitting: false },
  plugins: [
    {
      name: 'declarations',
      generateBundle() {
        this.emitFile({ type: 'asset', fileName: 'client.d.ts', source: declarations() });
      },
    },
  ],
});

export default [command, client];
