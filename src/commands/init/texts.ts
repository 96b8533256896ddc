// Owns the text of a first configuration and profile. Invariant: they are what the agent reads without a word, and say
// in comments what one changes first.

import type { Answers, Method } from './answers.ts';

export interface Places {
  /** A tmpfs. */
  readonly runDir: string;
  readonly stateDir: string;
}

const text = (value: string): string => (/^[A-Za-z0-9._/:@-]+$/.test(value) ? value : JSON.stringify(value));

export function configText({ dir, vaultAddress, method }: Answers, { runDir, stateDir }: Places): string {
  return `# The agent's configuration. Every key: README, Configuration. "tasklease doctor" checks what it stands on.
vault:
  address: ${text(vaultAddress)}
  # ca_file: ${text(`${dir}/ca.pem`)}          # where Vault's certificate is of a private CA
  auth:
    method: ${method}
${loginText(method, dir)}
  session_role: tasklease-session
  token_role: tasklease
  leash: 5m                              # how long leases may outlive a dead agent; equals the session role's period
socket:
  path: ${text(`${runDir}/tasklease/agent.sock`)}
  mode: "0660"                           # group: NAME lets a group in; profiles say who may start what
runtime_dir: ${text(`${runDir}/tasklease-private`)}   # on tmpfs, as is secrets_dir
secrets_dir: ${text(`${runDir}/tasklease/tasks`)}
state_dir: ${text(stateDir)}
profiles_dir: ${text(`${dir}/profiles`)}
`;
}

function loginText(method: Method, dir: string): string {
  const file = (key: string, name: string) => `    ${key}: ${text(`${dir}/${name}`)}`;
  switch (method) {
    case 'approle':
      return [file('role_id_file', 'role-id'), file('secret_id_file', 'secret-id')].join('\n');
    case 'kubernetes':
      return '    role: tasklease-agent';
    case 'jwt':
      return ['    role: tasklease', file('token_file', 'login-jwt')].join('\n');
    case 'cert':
      return [file('cert_file', 'agent.pem'), file('key_file', 'agent-key.pem')].join('\n');
    case 'token_file':
      return file('token_file', 'login-token');
  }
}

export const policyOf = (profile: string): string => `tasklease-${profile.toLowerCase()}`;

export function profileText({ profile, secretPath, uid }: Answers): string {
  const isCertificate = /\/issue\/[^/]+$/.test(secretPath);
  const request = isCertificate
    ? `    method: write
    body:
      common_name: "{{task.id}}.example.internal"   # what the PKI role allows
      ttl: "{{task.ttl}}"
`
    : '';
  const files = isCertificate
    ? '      tls.pem: { format: template, template: "{{certificate}}\\n{{private_key}}\\n" }'
    : `      ${profile}.json: { format: json }
      ${profile}.env: { format: dotenv }      # for a shell: set -a; . file; fields: { PGUSER: username } renames`;
  return `# A kind of task: what it may have, for how long, and who may start it. Every key: README, Profiles.
profile: ${text(profile)}
description: Leases ${secretPath} for one task
allow:
  uids: [${uid}]                           # who may start it
ttl: { default: 10m, max: 1h, grace: 15s }
vault:
  policies: [${policyOf(profile)}]
secrets:
  secret:
    path: ${text(secretPath)}
${request}    files:
${files}
`;
}
