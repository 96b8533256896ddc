// Owns `tasklease explain`: what a start would do, without leasing anything.

import { parse, readOutput } from '../cli/args.ts';
import { type Command, Exit } from '../cli/command.ts';
import { UsageError } from '../cli/failure.ts';
import { print, say } from '../cli/output.ts';
import { readStart } from '../cli/start-body.ts';
import { parseDuration } from '../domain/duration.ts';
import type { TaskId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';

const EX_CONFIG = 78;
const DEFAULT_CONFIG = '/etc/tasklease/agent.yaml';

const usage = `Usage: tasklease explain --profile P [--param K=V]... [options]

Show what a start would do, without leasing anything: the requests to Vault and the line of a policy that permits
each, or the line to add; the arithmetic of its time; its files; what can be revoked at its stop.

Examples:
  sudo -u tasklease tasklease explain --profile report-read --param env=prod --duration 15m
  tasklease explain --profile report-read --param env=prod --policies vault-policies/ --config agent.yaml
  tasklease explain --profile report-read --output json | jq -r '.requests[].add // empty'

Options:
  --profile P          the profile (required)
  --param K=V          a parameter of the profile; repeat for more. One that is taken from an assertion may be given too
  --duration D         how long it would run: 90s, 15m, 1h30m (default: the profile's)
  --deadline T         the end as a time (RFC 3339), instead of --duration
  --event TYPE:ID      the business event
  --task ID            the task's id, where the profile uses it
  --uid N, --gid N     who would start it (default: you)
  --config FILE        the agent's configuration (default ${DEFAULT_CONFIG})
  --policies DIR       judge by the policies in these files (.hcl, .json), limits on parameters included
  --token-file FILE    a Vault token that may read policies and roles (else VAULT_TOKEN); used for nothing else
  --offline            do not ask Vault at all
  --output table|json  what to print (default table)
  -h, --help           this text

Without --policies and such a token it logs in as the agent does, makes a task token, asks Vault what that may do, and
revokes both; no secret is read. A wrapped secret id is left alone, and so is the login then.

Exit code: 0 nothing is missing, as far as is known; 1 the start would be refused, or a line is missing; 2 usage;
78 a configuration or profile that cannot be read
`;

export const command: Command = {
  usage,
  async run(args) {
    const { values } = parse('explain', args, {
      profile: { type: 'string' },
      param: { type: 'string', multiple: true },
      duration: { type: 'string' },
      deadline: { type: 'string' },
      event: { type: 'string' },
      task: { type: 'string' },
      uid: { type: 'string' },
      gid: { type: 'string' },
      config: { type: 'string', default: DEFAULT_CONFIG },
      policies: { type: 'string' },
      'token-file': { type: 'string' },
      offline: { type: 'boolean', default: false },
      output: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    });
    const output = readOutput('explain', values.output);
    const { task, body } = readStart('explain', values);
    const { SettingsFault } = await import('../adapters/settings/yaml-file.ts');
    try {
      const { readSettings } = await import('../adapters/settings/agent-settings.ts');
      const { readProfile } = await import('../adapters/settings/profile-files.ts');
      const { policyFiles } = await import('./inspect/policy-book.ts');
      const { policyDirectory } = await import('./inspect/policy-directory.ts');
      const { operatorToken, withoutToken } = await import('./inspect/operator.ts');
      const { explain } = await import('./explain/explain.ts');
      const settings = readSettings(values.config, withoutToken(process.env));
      const profile = readProfile(`${settings.config.profiles_dir}/${body.profile}.yaml`);
      const explanation = await explain({
        settings,
        profile,
        asked: {
          task: task as TaskId,
          params: body.params ?? {},
          durationMs: body.duration === undefined ? undefined : parseDuration(body.duration)!,
          deadline: body.deadline,
          event: body.event,
          uid: number('--uid', values.uid) ?? process.geteuid!(),
          gid: number('--gid', values.gid) ?? process.getegid!(),
        },
        files: values.policies === undefined ? null : policyDirectory(values.policies, policyFiles),
        operator: values.offline ? null : operatorToken(values['token-file'], process.env),
        offline: values.offline,
      });
      const { asText } = await import('./explain/report.ts');
      print(output === 'json' ? JSON.stringify(explanation) : asText(explanation));
      const missing = explanation.requests.some(({ permitted }) => permitted === false);
      return missing || explanation.refused.length > 0 ? Exit.failed : Exit.ok;
    } catch (error) {
      if (error instanceof SettingsFault) {
        say(`tasklease explain: ${error.message}`);
        return EX_CONFIG;
      }
      if (!(error instanceof Problem)) throw error;
      say(
        `tasklease explain: ${error.code} ${error.message}${error.hint === undefined ? '' : `\n  next: ${error.hint}`}`,
      );
      return Exit.failed;
    }
  },
};

function number(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value < 2 ** 32) return value;
  throw new UsageError(
    `${option} ${JSON.stringify(text)} is not a number`,
    `tasklease explain ${option} 1000`,
  );
}
