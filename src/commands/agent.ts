// Owns `tasklease agent`: configuration in, a running sidecar until SIGTERM. Invariant: a wrong
// configuration is one sentence and exit 78 (EX_CONFIG, sysexits.h); nothing is leased before it is right.

import { existsSync } from 'node:fs';
import { parse } from '../cli/args.ts';
import type { Command } from '../cli/command.ts';
import { Exit } from '../cli/command.ts';
import { version } from '../cli/version.ts';
import { Problem } from '../domain/problem.ts';
import type { AgentConfig } from '../schema/config.ts';

const EX_CONFIG = 78;
const DEFAULT_CONFIG = '/etc/tasklease/agent.yaml';

const usage = `Usage: tasklease agent [--config FILE] [--check] [--pretty]

The sidecar: leases secrets from Vault for tasks that start over its Unix socket, and revokes them when
they stop. Runs in the foreground and logs JSON lines on stderr.

Examples:
  tasklease agent --config /etc/tasklease/agent.yaml
  tasklease agent --config agent.yaml --check

Options:
  --config FILE  the configuration (default ${DEFAULT_CONFIG})
  --check        validate the configuration and every profile, then exit
  --pretty       log lines for people instead of JSON
  -h, --help     this text

Signals: SIGTERM and SIGINT stop every task, wait for the proofs (stop_timeout), then end. With on_exit: keep
living tasks are left as they are, for the next agent to take over within the leash.
Exit code: 0 ok, 1 failed or tasks left unproved, 2 usage, 78 configuration
`;

export const command: Command = {
  usage,
  async run(args) {
    const { config: file, check, pretty } = options(args);
    const { SettingsFault } = await import('../adapters/settings/yaml-file.ts');
    try {
      const { readSettings } = await import('../adapters/settings/agent-settings.ts');
      const settings = readSettings(file, process.env);
      if (check) return await validate(settings.config, file);
      const { openAgent } = await import('../compose/agent.ts');
      const ended = termination();
      const agent = await openAgent(settings, version, pretty);
      await ended;
      return (await agent.close()) === 0 ? Exit.ok : Exit.failed;
    } catch (error) {
      if (error instanceof SettingsFault) return fail(EX_CONFIG, error.message);
      if (error instanceof Error && ['ListenFault', 'ActivationFault', 'FileFault'].includes(error.name))
        return fail(EX_CONFIG, error.message);
      const { code, path } = error as NodeJS.ErrnoException;
      if (typeof code === 'string' && typeof path === 'string') {
        return fail(EX_CONFIG, `${path} cannot be used (${code}): check its owner and mode`);
      }
      if (!(error instanceof Problem)) throw error;
      const hint = error.hint === undefined ? '' : `\n  next: ${error.hint}`;
      return fail(error.code === 'TMPFS_UNSAFE' ? EX_CONFIG : Exit.failed, `${error.message}${hint}`);
    }
  },
};

const options = (args: string[]): { config: string; check: boolean; pretty: boolean } =>
  parse('agent', args, {
    config: { type: 'string', default: DEFAULT_CONFIG },
    check: { type: 'boolean', default: false },
    pretty: { type: 'boolean', default: false },
  }).values;

async function validate(config: AgentConfig, file: string): Promise<number> {
  const { readProfiles } = await import('./inspect/profiles.ts');
  const { isInMemory } = await import('../adapters/files/directory.ts');
  const { groupId } = await import('../adapters/system/host.ts');
  const { profiles_dir: profilesDir } = config;
  const { files, faults: ofProfiles } = readProfiles(config, file);
  const faults: string[] = [];
  for (const key of ['runtime_dir', 'secrets_dir'] as const) {
    if (!existsSync(config[key]) || isInMemory(config[key])) continue;
    faults.push(`${file}: ${key}: ${config[key]} is not on tmpfs or ramfs: give a directory that is`);
  }
  const { group } = config.socket;
  if (group !== undefined && groupId(group) === null) {
    faults.push(`${file}: socket.group: there is no group ${group}: make it, or leave the key out`);
  }
  faults.push(...ofProfiles);
  if (faults.length > 0) return fail(EX_CONFIG, faults.join('\n'));
  const count = `${files} ${files === 1 ? 'profile' : 'profiles'}`;
  process.stdout.write(`${file} is valid, with ${count} in ${profilesDir}\n`);
  return Exit.ok;
}

function fail(code: number, text: string): number {
  for (const line of text.split('\n'))
    process.stderr.write(line.startsWith('  ') ? `${line}\n` : `tasklease agent: ${line}\n`);
  return code;
}

/** Resolves at the first SIGTERM or SIGINT; a second one ends at once (the leash does the rest). */
function termination(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const ask = () => {
      if (asked) process.exit(Exit.failed);
      asked = true;
      resolve();
    };
    process.on('SIGTERM', ask);
    process.on('SIGINT', ask);
    // A terminal that closes must not kill the agent before it has revoked.
    process.on('SIGHUP', () => {});
  });
}
