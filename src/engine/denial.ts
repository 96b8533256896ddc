// Owns what a refused request for a task's secret (403) means. Invariant: it names the missing line of a policy only
// where Vault has said that no policy permits the request; else it says what else it can be, and that this is not known.

import type { Ask } from '../domain/ask.ts';
import { neededFor } from '../domain/needed.ts';
import { addTo, type Capability, intoPolicy, policyLine } from '../domain/policy-line.ts';
import { Problem } from '../domain/problem.ts';
import type { Secret } from '../domain/secret.ts';
import type { Plan } from '../domain/task-spec.ts';
import { type Vault, VaultFailure } from '../ports/vault.ts';

export interface Denied {
  readonly ask: Ask;
  readonly plan: Pick<Plan, 'policies' | 'login'>;
  /** Of the token that asked. */
  readonly accessor: string;
  readonly problem: Problem;
}

/** The same problem with a hint that says why, as far as Vault tells. Never throws. */
export async function explainDenial(
  denied: Denied,
  vault: Pick<Vault, 'rightsOf'>,
  session: () => Promise<Secret>,
): Promise<Problem> {
  const { message, retryAfterMs } = denied.problem;
  const hint = hintFor(denied, await rightsOf(denied, vault, session));
  return new Problem('VAULT_DENIED', message, {
    hint,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

type Answer = readonly string[] | 'gone' | 'unknown';

async function rightsOf(
  { ask, accessor }: Denied,
  vault: Pick<Vault, 'rightsOf'>,
  session: () => Promise<Secret>,
): Promise<Answer> {
  try {
    return (await vault.rightsOf(await session(), accessor, ask.path)) ?? 'unknown';
  } catch (error) {
    return error instanceof VaultFailure && error.missing ? 'gone' : 'unknown';
  }
}

function hintFor({ ask, plan }: Denied, rights: Answer): string {
  const needed = neededFor(ask);
  const line = policyLine(ask.path, ...needed);
  const policy = holderOf(plan);
  if (rights === 'gone')
    return "the task's token was revoked before it could ask, by hand or with its session; no policy is missing: start the task again";
  if (rights === 'unknown')
    return `if ${policy} lacks it, add: ${line}; whether it does is not known, because the session may not ask (sys/capabilities-accessor in vault-policies/session.hcl): tasklease explain says more`;
  if (permits(rights, needed)) {
    const parameters = ask.method === 'write' ? 'parameters that it does not allow, ' : '';
    return `${policy} has ${line}, so no line is missing; Vault refuses for another reason: ${parameters}the address of the agent (token_bound_cidrs), or a rule beyond policies`;
  }
  return addTo(policy, line);
}

const permits = (rights: readonly string[], needed: readonly Capability[]): boolean =>
  rights.includes('root') || needed.every((one) => rights.includes(one));

function holderOf({ policies, login }: Pick<Plan, 'policies' | 'login'>): string {
  if (policies.length > 0 || login === undefined) return intoPolicy(policies);
  return `a policy of role ${login.role} of auth/${login.mount}`;
}
