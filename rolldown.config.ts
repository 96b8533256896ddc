import { chmodSync, readFileSync } from 'node:fs';
import { defineConfig } from 'rolldown';

// The launcher is shell and JavaScript at once: as a command it finds a Node that is new enough
// and replaces itself by it (same pid, so that signals and kill -9 mean what they say); given to
// `node` it is plain JavaScript. The flags are hardening and a smaller heap.
const launcher = readFileSync('src/launcher.sh', 'utf8').trimEnd();

export default defineConfig({
  input: 'src/main.ts',
  platform: 'node',
  external: ['koffi'],
  output: {
    file: 'dist/tasklease.js',
    format: 'esm',
    codeSplitting: false,
    postBanner: launcher,
  },
  plugins: [
    {
      name: 'executable',
      writeBundle() {
        chmodSync('dist/tasklease.js', 0o755);
      },
    },
  ],
});
