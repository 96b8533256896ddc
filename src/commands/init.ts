// Owns `tasklease init`: a first configuration, profile and policies. Invariant: nothing is written that the agent would
// not read, and nothing is overwritten unless that was asked for.

import { createInterface } from 'node:readline/promises';
import { parse } from '../cli/args.ts';
import { type Command, Exit } from '../cli/command.ts';
import { UsageError } from '../cli/failure.ts';
import { print, say } from '../cli/output.ts';
import { type Answers, type Ask, answers } from './init/answers.ts';

const usage = `Usage: tasklease init [options]

Write a first configuration, a profile and the policies and roles that they need in Vault. What is not given is asked
on a terminal. Ends with the commands that lead to the first task.

Examples:
  tasklease init
  tasklease init --dir /etc/tasklease --vault-address https://vault.example:8200 --secret-path database/creds/report
  tasklease init --dir ./try --run-dir "$XDG_RUNTIME_DIR" --state-dir ./try/state --secret-path pki/issue/app --yes

Options:
  --dir DIR            where it goes: agent.yaml, profiles/, vault-policies/ (default /etc/tasklease)
  --vault-address URL  where Vault is (default VAULT_ADDR)
  --auth METHOD        how the agent logs in: approle (default), kubernetes, jwt, cert or token_file
  --secret-path PATH   what is leased, such as database/creds/report or pki/issue/app
  --profile NAME       what that kind of task is called (default: the end of the path)
  --uid N              who may start it (default: you)
  --run-dir DIR        a tmpfs for sockets and secrets (default /run)
  --state-dir DIR      for the journal (default /var/lib/tasklease)
  --yes                take defaults instead of asking
  --force              replace files that are there
  -h, --help           this text

Exit code: 0 written, 1 failed, 2 usage, a value that cannot be used, or a file that is there already
`;

export const command: Command = {
  usage,
  async run(args) {
    const { values } = parse('init', args, {
      dir: { type: 'string' },
      'vault-address': { type: 'string' },
      auth: { type: 'string' },
      'secret-path': { type: 'string' },
      profile: { type: 'string' },
      uid: { type: 'string' },
      'run-dir': { type: 'string', default: '/run' },
      'state-dir': { type: 'string', default: '/var/lib/tasklease' },
      yes: { type: 'boolean', default: false },
      force: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    });
    const given = await questioned((ask) => answers(values, ask, process.env), values.yes);
    const { resolve } = await import('node:path');
    const all: Answers = { ...given, dir: resolve(given.dir) };
    const places = { runDir: resolve(values['run-dir']), stateDir: resolve(values['state-dir']) };
    const { firstFiles } = await import('./init/files.ts');
    const { SettingsFault } = await import('../adapters/settings/yaml-file.ts');
    const { writeFiles } = await import('./init/write.ts');
    const { nextCommands } = await import('./init/next.ts');
    try {
      const files = firstFiles(all, places);
      writeFiles(files, values.force);
      for (const file of files.keys()) print(file);
      print(nextCommands(all, `${places.runDir}/tasklease/agent.sock`));
      return Exit.ok;
    } catch (error) {
      if (error instanceof SettingsFault)
        throw new UsageError(error.message, 'correct that value; nothing was written');
      const { code, path } = error as NodeJS.ErrnoException;
      if (typeof code !== 'string' || typeof path !== 'string') throw error;
      say(
        `tasklease init: ${path} cannot be written (${code})\n  next: give --dir a directory of yours, or run it as root`,
      );
      return Exit.failed;
    }
  },
};

/** Asks on a terminal, unless defaults are to be taken. */
async function questioned<T>(run: (ask: Ask | null) => Promise<T>, yes: boolean): Promise<T> {
  if (yes || process.stdin.isTTY !== true) return run(null);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await run((question) => lines.question(question));
  } finally {
    lines.close();
  }
}
