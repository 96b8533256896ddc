// Owns the compiled code beside the bundle (src/loader.ts): the executable itself makes it, run once as the agent and
// once as a command, each with the flags that it will have. Invariant: nothing fails for the lack of it; what could
// not be made is said, since without it everything starts more slowly.

import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { tmpfsDirectory, writeAgentConfig } from './agent-config.ts';
import { bareEnvironment, TASKLEASE } from './agent-process.ts';
import { launch, releaseChildren, untilReady } from './children.ts';

const DIST = dirname(TASKLEASE);
/** As src/loader.ts names it. */
const fileOf = (flavour: 'agent' | 'command'): string =>
  join(DIST, `${flavour}-${readFileSync(join(DIST, 'bundle.cjs'), 'latin1').slice(-17, -1)}.v8`);

const keeping = (flavour: 'agent' | 'command'): NodeJS.ProcessEnv => ({
  ...bareEnvironment(),
  TASKLEASE_DEV_COMPILED: fileOf(flavour),
  NODE_OPTIONS: `--import=${new URL('./keep-compiled.ts', import.meta.url).href}`,
});

/** An agent without a Vault listens and answers, and a command hears from it: nothing leaves this machine. */
async function save(dir: string): Promise<void> {
  const { configPath, socketPath } = writeAgentConfig({
    tmpfs: dir,
    vaultAddress: 'http://127.0.0.1:1',
    auth: { method: 'token_file', token: 'none' },
  });
  const logPath = join(dir, 'log');
  const agent = await launch(TASKLEASE, ['agent', '--config', configPath], {
    env: keeping('agent'),
    logPath,
  });
  const command = (env: NodeJS.ProcessEnv, ...args: string[]) =>
    promisify(execFile)(TASKLEASE, [...args, '--socket', socketPath], { env });
  try {
    await untilReady('the agent', agent, logPath, () =>
      command(bareEnvironment(), 'status').then(
        () => true,
        () => false,
      ),
    );
    await command(keeping('command'), 'status');
  } finally {
    await agent.end('SIGTERM', 10_000);
  }
}

let dir: string | undefined;
try {
  dir = await tmpfsDirectory();
  await save(dir);
} catch (error) {
  const why = error instanceof Error ? error.message : String(error);
  console.error(`tasklease will start more slowly, since its compiled code could not be made: ${why}`);
} finally {
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  await releaseChildren();
}
