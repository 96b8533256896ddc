import { createHash } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { join, resolve } from 'node:path';
import { defineConfig } from 'rolldown';
import { isolatedDeclarationSync } from 'rolldown/experimental';

const BUNDLE = 'dist/bundle.cjs';

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
 * that every command loaded them all. What an export of theirs is computed by (of node:http a whole HTTP client for
 * WebSocket, of node:fs its streams) is left out: whoever needs one takes it from the default export.
 */
function takenWhenNeeded(id: string): string {
  const name = id.slice(OUTSIDE.length);
  const all = Object.getOwnPropertyDescriptors(createRequire(import.meta.url)(name));
  const exported = Object.keys(all).filter((key) => key !== 'default' && 'value' in all[key]!);
  return [
    `const taken = require(${JSON.stringify(name)});`,
    'export default taken;',
    ...exported.map((key) => `const the_${key} = taken.${key};`),
    `export { ${exported.map((key) => `the_${key} as ${key}`).join(', ')} };`,
  ].join('\n');
}

// Comments go and syntax is compressed, which saves memory at run time; names stay, so that stack traces can be read.
const minify = { compress: true, mangle: false, codegen: true } as const;

// Everything but koffi in one function, which the executable compiles or has compiled (see src/loader.ts).
const bundle = defineConfig({
  input: 'src/main.ts',
  platform: 'node',
  // The user's own, where there are any (README, Traces).
  external: [/^@opentelemetry\//],
  resolve: { alias: { axios: resolve('src/adapters/vault/no-axios.cjs') } },
  output: {
    file: BUNDLE,
    format: 'cjs',
    codeSplitting: false,
    dynamicImportInCjs: true,
    minify,
    postBanner: "(function (require, __filename) { 'use strict';",
    postFooter: '})',
  },
  plugins: [
    {
      name: 'taken when needed',
      resolveId(source, _importer, { kind }) {
        if (source !== 'koffi' && !isBuiltin(source)) return null;
        // What is required is taken when needed as it is.
        return kind === 'require-call' ? { id: source, external: true } : `${OUTSIDE}${source}`;
      },
      load: (id) => (id.startsWith(OUTSIDE) ? { code: takenWhenNeeded(id), moduleSideEffects: false } : null),
    },
    {
      name: 'licences, and a digest',
      generateBundle(_options, output) {
        const modules = Object.values(output).flatMap((chunk) =>
          'moduleIds' in chunk ? chunk.moduleIds : [],
        );
        this.emitFile({ type: 'asset', fileName: 'THIRD-PARTY-LICENSES', source: licences(modules) });
      },
      writeBundle() {
        for (const file of readdirSync('dist')) if (file.endsWith('.v8')) rmSync(join('dist', file));
        const code = readFileSync(BUNDLE, 'utf8')
          .replace(/[^\0-\x7f]/g, escaped)
          .trimEnd();
        const digest = createHash('sha256').update(code).digest('hex').slice(0, 16);
        writeFileSync(BUNDLE, `${code} //${digest}\n`);
      },
    },
  ],
});

const EXECUTABLE = 'dist/tasklease.js';
// Shell and JavaScript at once (see src/launcher.sh).
const executable = defineConfig({
  input: 'src/loader.ts',
  platform: 'node',
  output: {
    file: EXECUTABLE,
    format: 'esm',
    minify,
    postBanner: readFileSync('src/launcher.sh', 'utf8').trimEnd(),
  },
  plugins: [{ name: 'executable', writeBundle: () => chmodSync(EXECUTABLE, 0o755) }],
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

export default [bundle, executable, client];
