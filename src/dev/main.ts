// Owns `tasklease dev`: a real Vault, a real PostgreSQL, the shipped policies and an agent, a guided
// tour, then a place to try things until Ctrl-C. Invariant: whatever happens, it ends with no process,
// file or mount left (outside the cache), and non-zero when any step failed.
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { type AgentPaths, tmpfsDirectory, writeAgentConfig } from './agent-config.ts';
import { startAgent, TASKLEASE } from './agent-process.ts';
import { guardDirectory, logTail, releaseChildren } from './children.ts';
import { startPostgres } from './postgres-server.ts';
import { provision } from './provision.ts';
import { type Screen, StepFailed, screenOn, type Tell } from './screen.ts';
import { newTeardown, type Teardown, watchForEnd } from './teardown.ts';
import { tour } from './tour.ts';
import type { Stage } from './tour-stage.ts';
import { vaultBinary } from './vault-binary.ts';
import { startVault } from './vault-server.ts';

const USAGE = `Usage: tasklease dev [--once]

From a clone: starts a real Vault, a real PostgreSQL and an agent on free ports and in directories of
their own, shows one task's whole life on them, then stays up for you to try things. Ctrl-C ends it
and leaves nothing behind.

Example:
  npm start
  npm start -- --once

Options:
  --once      end after the tour; the exit code is 1 when any step failed
  -h, --help  this text

Vault comes from VAULT_BIN, else "vault" on PATH, else the cache of an earlier build, else a container
engine that runs, else it is built once with the Go toolchain (about ten minutes).

Exit code: 0 ok, 1 a step failed, 2 usage, 130 interrupted during the tour
`;

const guarded = async (teardown: Teardown, make: Promise<string>): Promise<string> => {
  const dir = await make;
  // The guard stays: should a server that was still starting write here once more, it is removed again.
  guardDirectory(dir);
  teardown.defer(dir, () => rmSync(dir, { recursive: true, force: true }));
  return dir;
};

const setUp = async (
  screen: Screen,
  teardown: Teardown,
): Promise<{ stage: Stage; paths: AgentPaths & { logPath: string } }> => {
  screen.heading('Real servers, on free ports of 127.0.0.1');
  const { tmpfs, dir } = await screen.step('directories', async (tell) => {
    const tmpfs = await guarded(teardown, tmpfsDirectory('tasklease-dev-'));
    tell('tmpfs', tmpfs);
    const dir = await guarded(teardown, mkdtemp(join(tmpdir(), 'tasklease-dev-')));
    chmodSync(dir, 0o711);
    tell('servers', dir);
    return { tmpfs, dir };
  });
  const findBinary = async (tell: Tell): Promise<string> => {
    const found = await vaultBinary({ log: screen.output });
    tell('from', found.source);
    tell('path', `${found.path} (${found.version})`);
    return found.path;
  };
  const binary = await screen.step('the Vault binary', findBinary, true);
  const vault = await screen.step('Vault, initialised and unsealed', async (tell) => {
    const server = await startVault({ binary, dir: join(dir, 'vault'), storage: 'inmem' });
    teardown.defer('Vault', () => server.stop());
    tell('address', `${server.address} (pid ${server.pid})`);
    return server;
  });
  const postgres = await screen.step('PostgreSQL', async (tell) => {
    const server = await startPostgres({ dir: join(dir, 'postgres') });
    teardown.defer('PostgreSQL', () => server.stop());
    tell('address', `127.0.0.1:${server.port} (pid ${server.pid})`);
    tell('from', server.source);
    return server;
  });
  const admin = await screen.step('vault-policies/ applied: policies, token roles, engines', () =>
    provision({ vault, postgres }),
  );
  const paths = await screen.step('an agent, logged in with AppRole, ready on its socket', async (tell) => {
    const auth = { method: 'approle', roleId: admin.roleId, secretId: await admin.secretId() } as const;
    const paths = writeAgentConfig({ tmpfs, vaultAddress: vault.address, auth });
    const { configPath, socketPath } = paths;
    const logPath = join(dir, 'agent.log');
    let agent = await startAgent({ configPath, socketPath, logPath });
    teardown.defer('the agent', async () => {
      const { code, signal } = await agent.stop();
      if (code !== 0) throw new Error(`it ended with ${signal ?? `exit ${code}`}`);
    });
    tell('socket', `${socketPath} (pid ${agent.pid})`);
    tell('config', configPath);
    tell('log', logPath);
    const killAgent = async (): Promise<void> => {
      await agent.kill();
      agent = await startAgent({ configPath, socketPath, logPath });
    };
    return { ...paths, logPath, killAgent };
  });
  const { socketPath, profilesDir, killAgent } = paths;
  return { stage: { screen, vault, postgres, socketPath, profilesDir, killAgent }, paths };
};

const whatToTry = (screen: Screen, { socketPath }: AgentPaths): void => {
  const from = relative(process.cwd(), TASKLEASE);
  const tasklease = from.startsWith('..') ? TASKLEASE : `./${from}`;
  screen.heading('It stays up. Try, in another terminal here:');
  screen.text(`
  export TASKLEASE_SOCKET=${socketPath}
  ${tasklease} run --profile report-read -- sh -c 'ls -l "$TASKLEASE_DIR/"'
  curl --unix-socket $TASKLEASE_SOCKET -X PUT http://tasklease/v1/tasks/mine \\
       -H 'content-type: application/json' -d '{"profile":"app-config","params":{"env":"prod"}}'
  ${tasklease} status; ${tasklease} stop mine
  ${tasklease} events

Ctrl-C ends it.`);
};

/** Runs the demo with its own arguments (after `dev`) and answers the exit code. */
export const runDev = async (argv: string[]): Promise<number> => {
  let once: boolean;
  try {
    const options = { once: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const;
    const { values } = parseArgs({ args: argv, options, strict: true });
    if (values.help === true) {
      process.stdout.write(USAGE);
      return 0;
    }
    once = values.once === true;
  } catch (error) {
    process.stderr.write(`tasklease dev: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (!existsSync(TASKLEASE)) {
    process.stderr.write(`tasklease dev: ${TASKLEASE} is not there: run "npm run build" first\n`);
    return 1;
  }

  let ending = false;
  const plain = screenOn();
  const screen: Screen = {
    ...plain,
    step: (...step) => (ending ? Promise.reject(new Error('interrupted')) : plain.step(...step)),
  };
  let code = 0;
  const teardown = newTeardown((line) => {
    code ||= 1;
    screen.text(`  ${line}`);
  });
  const interruption = watchForEnd(() => process.exit(130));
  let agentLog = '';
  const show = async (): Promise<'shown'> => {
    const { stage, paths } = await setUp(screen, teardown);
    agentLog = paths.logPath;
    await tour(stage, paths.secretsDir);
    if (!once) whatToTry(screen, paths);
    return 'shown';
  };
  const showing = show();
  try {
    const ended = await Promise.race([showing, interruption.asked]);
    if (ended !== 'shown') {
      code = 130;
      ending = true;
      // The step at hand ends in order, unless it is the long build, which is ended with its processes.
      const enough = new Promise((resolve) => setTimeout(resolve, 3_000));
      await Promise.race([showing.catch(() => undefined), enough]);
    } else if (!once) {
      await interruption.asked;
    }
  } catch (error) {
    code = 1;
    if (screen.failures() === 0) screen.text(`tasklease dev: ${(error as Error).message}`);
    if (!(error instanceof StepFailed)) screen.text('  The demo cannot go on from here.');
    if (agentLog !== '') screen.text(`\nThe agent's log ends with:\n${logTail(agentLog, 12)}`);
  }
  screen.heading('Ending: agent, PostgreSQL, Vault, directories');
  const startedAt = performance.now();
  await teardown.run();
  await releaseChildren();
  interruption.off();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  screen.text(code === 0 ? `  done in ${seconds} s; nothing is left` : `  done in ${seconds} s`);
  return code;
};

if (import.meta.main) process.exit(await runDev(process.argv.slice(2)));
