import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { defineConfig } from 'rolldown';

const FILE = 'dist/tasklease.js';

/** Pure ASCII: one other character would make V8 keep the whole source at two bytes each. */
const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

// One file that is shell and JavaScript at once (see src/launcher.sh). Comments go and syntax is
// compressed, which saves memory at run time; names stay, so that stack traces can be read.
export default defineConfig({
  input: 'src/main.ts',
  platform: 'node',
  external: ['koffi'],
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
      name: 'executable',
      writeBundle() {
        const code = readFileSync(FILE, 'utf8').replace(/[^\0-\x7f]/g, escaped);
        writeFileSync(FILE, code);
        chmodSync(FILE, 0o755);
      },
    },
  ],
});
