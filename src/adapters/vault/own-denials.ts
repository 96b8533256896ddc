// Owns what a refusal (403) of the agent's own tokens means: the login's and the session's. Invariant: it names the
// missing line and its policy, and says that it is missing only where Vault has said so of that very token; a failure
// of these questions leaves the refusal as it was.

import { addTo, type Capability, capabilityOf, intoPolicy, policyLine } from '../../domain/policy-line.ts';
import { Problem } from '../../domain/problem.ts';
import type { Secret } from '../../domain/secret.ts';
import { VaultFailure } from '../../ports/vault.ts';
import { tokenPolicies } from '../../schema/vault-reply.ts';
import { URGENCY } from './gate.ts';
import type { Requests } from './requests.ts';
import { ownRights } from './rights.ts';

/** @param named how policies name a path, where that is not the path itself */
export function namingDenials(
  requests: Requests,
  named: (path: string) => string = (path) => path,
): Requests {
  async function explained<T>(
    method: 'GET' | 'POST',
    path: string,
    token: Secret | null,
    reply: Promise<T>,
    body?: unknown,
  ): Promise<T> {
    try {
      return await reply;
    } catch (error) {
      if (token === null || !(error instanceof VaultFailure) || !error.forbidden || error.missing)
        throw error;
      throw await withLine(error, method, path, token, body).catch(() => error);
    }
  }

  async function withLine(
    error: VaultFailure,
    method: 'GET' | 'POST',
    path: string,
    token: Secret,
    body: unknown,
  ): Promise<VaultFailure> {
    const seen = tokenPolicies.parse(
      await requests.call('GET', 'auth/token/lookup-self', token, URGENCY.session),
    );
    const rights = (await ownRights(requests, token, [path]))?.[path] ?? null;
    const holder = intoPolicy(seen.data.policies);
    const needed = neededAt(method, path, named(path));
    const hint = hintFor(holder, named(path), needed, rights, Object.keys(body ?? {}));
    const { code, message, retryAfterMs } = error.problem;
    const more = retryAfterMs === undefined ? {} : { retryAfterMs };
    return new VaultFailure(error.kind, new Problem(code, message, { hint, ...more }), false, true);
  }

  return {
    ...requests,
    call: (method, path, token, urgency, body) =>
      explained(method, path, token, requests.call(method, path, token, urgency, body), body),
    find: (path, token, urgency, body) =>
      explained('POST', path, token, requests.find(path, token, urgency, body), body),
    issue: (method, path, token, urgency, body, query) =>
      explained(method, path, token, requests.issue(method, path, token, urgency, body, query), body),
  };
}

function hintFor(
  holder: string,
  path: string,
  needed: readonly Capability[],
  rights: readonly string[] | null,
  sent: readonly string[],
): string {
  const line = policyLine(path, ...needed);
  const parameters =
    sent.length === 0
      ? ''
      : `one of the parameters ${sent.join(', ')} that it does not allow (compare vault-policies/session.hcl), `;
  if (rights === null)
    return `if ${holder} lacks it, add: ${line}; whether it does is not known, because the token may not ask (sys/capabilities-self): tasklease doctor with an administrator's token says more`;
  if (rights.includes('root') || needed.every((one) => rights.includes(one)))
    return `${holder} has ${line}, so no line is missing; Vault refuses for another reason: ${parameters}the address of the agent (token_bound_cidrs), or a rule beyond policies`;
  return addTo(holder, line);
}

/** Vault checks a write that makes a new entry as create; the notes of presented assertions are such. */
const neededAt = (method: 'GET' | 'POST', path: string, named: string): readonly Capability[] =>
  method === 'POST' && named !== path ? ['create', 'update'] : [capabilityOf(method)];
