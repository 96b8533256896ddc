// Owns the rules of `tasklease policy lint`: what each is about, with a wrong and a right example. Invariant: an id once
// given keeps its meaning; examples are of the file that the finding is in.

export interface LintRule {
  readonly id: string;
  readonly title: string;
  readonly wrong: string;
  readonly right: string;
}

const rule = (id: string, title: string, wrong: string, right: string): LintRule => ({
  id,
  title,
  wrong,
  right,
});

export const LINT_RULES: readonly LintRule[] = [
  rule(
    'TL001',
    'a wildcard is wider than what the profile asks for',
    'path "database/creds/*" { … }',
    'path "database/creds/report" { … }',
  ),
  rule(
    'TL002',
    'sudo is more than any task or agent needs',
    'capabilities = ["read", "sudo"]',
    'capabilities = ["read"]',
  ),
  rule(
    'TL003',
    'the session lacks a right that revoking, renewing or proving needs',
    '(no path "sys/leases/revoke")',
    'path "sys/leases/revoke" { capabilities = ["update"] … }',
  ),
  rule(
    'TL004',
    'the default policy is not excluded',
    '"token_no_default_policy": false',
    '"token_no_default_policy": true',
  ),
  rule(
    'TL005',
    'the token role allows policies that no profile uses',
    '"allowed_policies_glob": ["tasklease-*"]',
    '"allowed_policies_glob": ["tasklease-report-read"]',
  ),
  rule(
    'TL006',
    'tokens are not said to be service tokens; a batch token cannot be revoked',
    '"token_type": "default-service"',
    '"token_type": "service"',
  ),
  rule(
    'TL007',
    'task tokens are periodic, so they have no end of their own',
    '"token_period": "5m" in token-role.json',
    '(no token_period in token-role.json)',
  ),
  rule(
    'TL008',
    'task tokens are renewable, so they outlive the time that was asked for',
    '"renewable": true in token-role.json',
    '"renewable": false in token-role.json',
  ),
  rule(
    'TL009',
    "the longest life of a token is above the profile's",
    '"token_explicit_max_ttl": "768h"',
    '"token_explicit_max_ttl": "1h1m15s"',
  ),
  rule(
    'TL010',
    'a policy looks at metadata of an alias that tasks share: a later login changes what an earlier token may read',
    '"user_claim": "sub" with {{identity.entity.aliases.ACCESSOR.metadata.customer}}',
    '"user_claim": "jti"',
  ),
  rule(
    'TL011',
    'a login is not bound to an audience',
    '"bound_audiences": []',
    '"bound_audiences": ["tasklease"]',
  ),
  rule(
    'TL012',
    'a login is not bound to claims: every assertion of the issuer is taken',
    '"bound_claims": {}',
    '"bound_claims": { "repository": "acme/shop" }',
  ),
  rule(
    'TL013',
    "a task's login token lives longer than the leash, so it outlives a dead agent",
    '"token_ttl": "1h"',
    '"token_ttl": "5m"',
  ),
  rule(
    'TL014',
    'the session comes to more than tokens and leases, such as secrets',
    'path "secret/data/*" in session.hcl',
    '(only auth/token/…, sys/leases/… and sys/capabilities-…)',
  ),
  rule(
    'TL015',
    "the session role's period is not the leash",
    '"token_period": "1h" with leash: 5m',
    '"token_period": "5m" with leash: 5m',
  ),
  rule(
    'TL016',
    'the wrong tokens are orphans: the session has to be one, task tokens must not',
    '"orphan": true in token-role.json',
    '"orphan": true in session-role.json only',
  ),
  rule(
    'TL017',
    'a capability is more than the profile asks for',
    'capabilities = ["read", "list", "delete"]',
    'capabilities = ["read"]',
  ),
  rule(
    'TL018',
    "a task comes to Vault's own paths",
    'path "auth/token/create" { … }',
    '(paths of secrets engines only)',
  ),
  rule(
    'TL019',
    'a write takes any parameter',
    'path "pki/issue/app" { capabilities = ["update"] }',
    'path "pki/issue/app" { … allowed_parameters = { "common_name" = ["*.app.internal"] } }',
  ),
  rule(
    'TL020',
    'the session may revoke without waiting for the engine',
    '"sync" = []',
    '"sync" = [true], and required',
  ),
  rule(
    'TL021',
    'the session may make tokens of another shape than the agent needs',
    'path "auth/token/create/*" { … }',
    'path "auth/token/create/tasklease" with "renewable" = [false] and "type" = ["service"], required',
  ),
  rule(
    'TL022',
    'the session role gives other policies than the session needs',
    '"allowed_policies": ["tasklease-session", "admin"]',
    '"allowed_policies": ["tasklease-session"]',
  ),
  rule(
    'TL023',
    "the agent's login may do more than make the session",
    '"token_policies": ["tasklease-login", "admin"]',
    '"token_policies": ["tasklease-login"]',
  ),
  rule(
    'TL024',
    'a request of a profile is not permitted',
    '(no path for secret/data/app/prod)',
    'path "secret/data/app/prod" { capabilities = ["read"] … }',
  ),
  rule(
    'TL025',
    'tokens may have the alias of anybody',
    '"allowed_entity_aliases": ["*"]',
    '"allowed_entity_aliases": ["c-*"]',
  ),
  rule(
    'TL026',
    'a role gives the root or the default policy',
    '"token_policies": ["root"]',
    '"token_policies": ["tasklease-login"]',
  ),
  rule(
    'TL027',
    'every service account of the cluster may log in',
    '"bound_service_account_names": ["*"]',
    '"bound_service_account_names": ["tasklease"]',
  ),
  rule(
    'TL028',
    'the file is not what Vault would take',
    'capabilities = ["raed"]',
    'capabilities = ["read"]',
  ),
  rule(
    'TL029',
    'tokens have a number of uses: Vault revokes all their leases at the last',
    '"token_num_uses": 3',
    '(no token_num_uses)',
  ),
  rule(
    'TL030',
    'the secret id never ends, or none is needed',
    '"secret_id_ttl": 0',
    '"secret_id_ttl": "24h"',
  ),
  rule(
    'TL031',
    'allowed_policies: asked for a token without policies, Vault would give all of them',
    '"allowed_policies": ["tasklease-report-read"]',
    '"allowed_policies_glob": ["tasklease-report-read"]',
  ),
  rule(
    'TL032',
    'a policy looks at what others may change: an entity, its metadata, its groups',
    '{{identity.entity.metadata.team}}',
    '{{identity.entity.aliases.ACCESSOR.name}}',
  ),
  rule(
    'TL033',
    'the session cannot be kept alive',
    '"renewable": false or "token_explicit_max_ttl": "1h" in session-role.json',
    '"renewable": true',
  ),
  rule(
    'TL034',
    'a path is permitted that the profile never asks for',
    'path "database/creds/admin" { … }',
    "(only the paths of the profile's secrets)",
  ),
  rule(
    'TL035',
    "the agent's login lives longer than it takes to make the session",
    '"token_ttl": "768h" in approle.json',
    '"token_ttl": "5m"',
  ),
];

export interface Finding {
  readonly rule: string;
  readonly file: string;
  readonly line?: number;
  /** A sentence without its end: what, and what to write instead. */
  readonly says: string;
}
