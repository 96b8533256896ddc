// Owns what init says at its end: the commands that lead from its files to the first task. Invariant: they are what
// README's first section runs.

import type { Answers, Method } from './answers.ts';

export function nextCommands({ dir, method, profile }: Answers, socket: string): string {
  const config = `${dir}/agent.yaml`;
  return `
Next, with an administrator's token of Vault (VAULT_ADDR, VAULT_TOKEN). It shows what would change, and asks:
  tasklease policy apply --config ${config}${makes(method) ? ' --credentials' : ''}
${credentials(method, dir)}
An administrator elsewhere reads and applies the files in ${dir}/vault-policies (vault-policies/README.md).
Then, as the agent's user:
  tasklease doctor --config ${config}
  tasklease agent --config ${config}
And as uid that may start it:
  tasklease run --socket ${socket} --profile ${profile} -- sh -c 'ls -l "$TASKLEASE_DIR"/'
`;
}

const makes = (method: Method): boolean => method === 'approle' || method === 'token_file';

function credentials(method: Method, dir: string): string {
  switch (method) {
    case 'approle':
      return `which writes what the agent logs in with: ${dir}/role-id and ${dir}/secret-id.`;
    case 'token_file':
      return `which writes what the agent logs in with: ${dir}/login-token.`;
    default:
      return `and set up auth method ${method} for the agent, with the policy tasklease-login (vault-policies/README.md).`;
  }
}
