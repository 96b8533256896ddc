// Owns what init says at its end: the commands that lead from its files to the first task. Invariant: they are what
// README's first section runs.

import type { Answers, Method } from './answers.ts';

export function nextCommands({ dir, method, profile }: Answers, socket: string): string {
  const config = `${dir}/agent.yaml`;
  return `
Next, as an administrator of Vault (VAULT_ADDR, VAULT_TOKEN); read the files first:
  sh ${dir}/vault-policies/apply.sh
${credentials(method, dir)}
Then, as the agent's user:
  tasklease doctor --config ${config}
  tasklease agent --config ${config}
And as uid that may start it:
  tasklease run --socket ${socket} --profile ${profile} -- sh -c 'ls -l "$TASKLEASE_DIR"/'
`;
}

function credentials(method: Method, dir: string): string {
  switch (method) {
    case 'approle':
      return `which writes the agent's credentials too: ${dir}/role-id and ${dir}/secret-id.`;
    case 'token_file':
      return `which writes the agent's login token too: ${dir}/login-token.`;
    default:
      return `and set up auth method ${method} for the agent, with the policy tasklease-login (vault-policies/README.md).`;
  }
}

/** What an administrator would type; it can be run again. */
export function applyScript(
  policies: readonly (readonly [name: string, file: string])[],
  roles: readonly (readonly [path: string, file: string])[],
  { method, dir }: Answers,
): string {
  const login =
    method === 'approle'
      ? `
# One way for the agent to log in. Its secret ids last 24 hours: see README, "From your Vault to the first lease".
umask 077
vault auth list | grep -q '^approle/' || vault auth enable approle
vault write auth/approle/role/tasklease @approle.json
vault read -field=role_id auth/approle/role/tasklease/role-id > ${quoted(`${dir}/role-id`)}
vault write -f -field=secret_id auth/approle/role/tasklease/secret-id > ${quoted(`${dir}/secret-id`)}
`
      : method === 'token_file'
        ? `
# The agent's login: it may make its session and nothing else. An operator renews it.
umask 077
vault token create -policy=tasklease-login -no-default-policy -orphan -period=24h -field=token > ${quoted(`${dir}/login-token`)}
`
        : '';
  return `#!/bin/sh
# What tasklease needs in Vault, by Vault's own command line. Run by an administrator; may be run again.
set -eu
cd "$(dirname "$0")"
${policies.map(([name, file]) => `vault policy write ${name} ${file}`).join('\n')}
${roles.map(([path, file]) => `vault write ${path} @${file}`).join('\n')}
${login}`;
}

const quoted = (path: string): string => `'${path.replaceAll("'", "'\\''")}'`;
