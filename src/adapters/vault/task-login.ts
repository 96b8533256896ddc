// Owns the login of a task with its own assertion (developer.hashicorp.com/vault/api-docs/auth/jwt#jwt-login), and the
// renewal of what it gives. Invariant: every token that Vault gives is told, so that it can be revoked; one that is not
// as tasks' tokens have to be is told with its fault.

import { formatDuration } from '../../domain/duration.ts';
import { addTo, LOGIN_ROLE_LIST, roleLine } from '../../domain/policy-line.ts';
import { Problem } from '../../domain/problem.ts';
import { Secret } from '../../domain/secret.ts';
import { type LoggedIn, type Renewal, type TaskLoginRequest, VaultFailure } from '../../ports/vault.ts';
import { renewedToken } from '../../schema/vault-reply.ts';
import { brokenContract } from './classify.ts';
import { text } from './credential-file.ts';
import { URGENCY } from './gate.ts';
import type { Requests } from './requests.ts';
import { sameSet, tokenReply } from './tokens.ts';

export async function loginTask(requests: Requests, request: TaskLoginRequest): Promise<LoggedIn> {
  const { mount, role, assertion } = request;
  const line = { method: 'POST', path: `auth/${mount}/login` };
  const body = { role, jwt: text(assertion) };
  const reply = await requests.issue('POST', line.path, null, URGENCY.start, body).catch((error: unknown) => {
    throw notTaken(error, request);
  });
  // Without an accessor nobody could end it (docs/concepts/tokens#batch-tokens); it is dropped, and ends by its TTL.
  if (isBatch(reply)) throw wrongRole(line, mount, role, 'makes batch tokens: let it say token_type=service');
  const auth = tokenReply(line, reply);
  const wrong = faultOf(auth, request);
  const lacks = wrong?.startsWith(OTHER_POLICIES) ? lackingOf(auth.policies, request.policies) : [];
  return {
    token: new Secret(Buffer.from(auth.client_token)),
    accessor: auth.accessor,
    ttlMs: auth.lease_duration * 1000,
    metadata: auth.metadata ?? {},
    policies: auth.policies,
    fault: wrong === null ? null : wrongRole(line, mount, role, wrong, lacks).problem,
  };
}

const isBatch = (reply: unknown): boolean =>
  (reply as { auth?: { token_type?: unknown } | null } | null)?.auth?.token_type === 'batch';

/** A login that was refused is about the task's assertion, and not about the agent's credentials. */
function notTaken(error: unknown, { mount, role }: TaskLoginRequest): unknown {
  if (!(error instanceof VaultFailure) || error.kind !== 'refused') return error;
  const hint = `Vault did not take the assertion: compare role ${role} (bound_audiences, bound_claims) and the keys of auth/${mount}`;
  return new VaultFailure(
    'refused',
    new Problem('VAULT_DENIED', error.problem.message, { hint, cause: error }),
  );
}

const OTHER_POLICIES = 'gives the policies ';

const lackingOf = (has: readonly string[], asked: readonly string[]): string[] =>
  asked.filter((policy) => !has.includes(policy.toLowerCase()));

function faultOf(
  auth: ReturnType<typeof tokenReply>,
  { policies, longestMs }: TaskLoginRequest,
): string | null {
  const broad = auth.policies.find((policy) => policy === 'default' || policy === 'root');
  if (auth.token_type !== 'service')
    return `makes tokens of type ${auth.token_type}: let it say token_type=service`;
  if (broad === 'default') return 'adds the default policy: let it say token_no_default_policy=true';
  if (broad !== undefined) return `gives the policy ${broad}`;
  if (policies.length > 0 && !sameSet(auth.policies, policies)) {
    const lacks = lackingOf(auth.policies, policies);
    const next = lacks.length > 0 ? `without ${lacks.join(', ')}` : 'more than the profile names';
    return `${OTHER_POLICIES}${auth.policies.join(', ')}: ${next}`;
  }
  if (!auth.renewable) return 'makes a token that cannot be renewed';
  if (auth.lease_duration === 0 || auth.lease_duration * 1000 > longestMs) {
    const leash = formatDuration(longestMs);
    return `makes a token of ${auth.lease_duration}s: let it say token_ttl=${leash} or less, which is the leash`;
  }
  return null;
}

const wrongRole = (
  line: { method: string; path: string },
  mount: string,
  role: string,
  wrong: string,
  lacks: readonly string[] = [],
): VaultFailure =>
  brokenContract(
    line,
    `role ${role} ${wrong}`,
    lacks.length > 0
      ? addTo(`role auth/${mount}/role/${role}`, roleLine(LOGIN_ROLE_LIST, lacks))
      : `write auth/${mount}/role/${role} anew (vault-policies/README.md)`,
  );

export async function renewToken(
  requests: Requests,
  session: Secret,
  accessor: string,
  increment: number,
): Promise<Renewal> {
  const line = { method: 'POST', path: 'auth/token/renew-accessor' };
  const body = { accessor, increment };
  const reply = renewedToken.safeParse(await requests.call('POST', line.path, session, URGENCY.renew, body));
  if (!reply.success || reply.data.auth.accessor !== accessor) {
    throw brokenContract(line, 'the reply is not about that token', 'report it with the version of Vault');
  }
  const { lease_duration: seconds, renewable } = reply.data.auth;
  return { ttlMs: seconds * 1000, renewable };
}
