// Owns `tasklease doctor`: looks at everything that an agent depends on, and says what to do. Invariant: it leaves
// nothing behind: what it makes in Vault to ask with is revoked, nothing is leased, no file is written.

import { parse, readOutput } from '../cli/args.ts';
import { type Command, Exit } from '../cli/command.ts';
import { print, say } from '../cli/output.ts';
import type { Finding } from './doctor/finding.ts';

const EX_CONFIG = 78;
export const DEFAULT_CONFIG = '/etc/tasklease/agent.yaml';

const usage = `Usage: tasklease doctor [--config FILE] [options]

Look at everything that the agent depends on: configuration, directories, tmpfs, swap, clock, TLS, login, rights at
Vault, profiles, journal. Each finding says what to do next. Run it as the agent's user, while the agent runs or
before it ever ran.

Examples:
  sudo -u tasklease tasklease doctor
  tasklease doctor --config agent.yaml --output json | jq '.findings[] | select(.severity == "error")'
  tasklease doctor --policies vault-policies/

Options:
  --config FILE        the agent's configuration (default ${DEFAULT_CONFIG})
  --policies DIR       judge requests by the policies in these files, limits on parameters included
  --token-file FILE    a Vault token that may read policies and roles (else VAULT_TOKEN); used for nothing else
  --no-login           do not log in to Vault
  --output table|json  what to print (default table)
  -h, --help           this text

What it does at Vault: one login as the agent, one session, one task token for each profile (none with an entity
alias, which Vault would keep); it asks what these may do, reads no secret, and revokes them. A secret id with a
limited number of uses has one less after it. A wrapped secret id is left alone, and so is the login then.

Exit code: 0 no error, 1 errors found, 2 usage, 78 a configuration that cannot be read
`;

export const command: Command = {
  usage,
  async run(args) {
    const { values } = parse('doctor', args, {
      config: { type: 'string', default: DEFAULT_CONFIG },
      policies: { type: 'string' },
      'token-file': { type: 'string' },
      'no-login': { type: 'boolean', default: false },
      output: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    });
    const output = readOutput('doctor', values.output);
    const { SettingsFault } = await import('../adapters/settings/yaml-file.ts');
    const { examine } = await import('./doctor/examine.ts');
    let findings: readonly Finding[];
    try {
      findings = await examine({
        file: values.config,
        policies: values.policies,
        tokenFile: values['token-file'],
        login: !values['no-login'],
        env: process.env,
      });
    } catch (failure) {
      if (!(failure instanceof SettingsFault)) throw failure;
      say(`tasklease doctor: ${failure.message}`);
      return EX_CONFIG;
    }
    const { asJson, asText } = await import('./doctor/report.ts');
    print(output === 'json' ? asJson(findings) : asText(findings));
    return findings.some(({ severity }) => severity === 'error') ? Exit.failed : Exit.ok;
  },
};
