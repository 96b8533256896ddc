// Owns `tasklease dev` in the binary: it runs src/dev of the clone it was built in, which needs the
// development dependencies. Invariant: signals reach the demo, and its exit code is ours.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from '../cli/command.ts';
import { Exit } from '../cli/command.ts';

export const command: Command = {
  usage: `Usage: tasklease dev [--once]

From a clone: starts a real Vault, a real PostgreSQL and an agent on free ports, shows one task's whole
life on them, then stays up for you to try things. Ctrl-C ends it and leaves nothing behind.

Examples:
  npm start
  npm start -- --once

Options:
  --once      end after the tour; the exit code is 1 when any step failed
  -h, --help  this text
`,
  async run(args) {
    const script = fileURLToPath(new URL('../src/dev/main.ts', import.meta.url));
    if (!existsSync(script)) {
      process.stderr.write(
        'tasklease dev: works from a clone of the repository only: clone it, then npm ci && npm start\n',
      );
      return Exit.failed;
    }
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], {
      stdio: 'inherit',
    });
    // A terminal sends Ctrl-C to both; a supervisor only to us.
    const forward = (signal: NodeJS.Signals) => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, forward);
    return new Promise((resolve) => {
      child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
      child.on('error', () => resolve(Exit.failed));
    });
  },
};
