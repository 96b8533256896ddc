// Owns the answer whether a request is permitted, from whichever source knows: the text of policies, else what Vault
// says of a token's rights. Invariant: what nobody knows is said to be unknown, and never guessed.

import type { Rights } from '../../adapters/vault/rights.ts';
import { intoPolicy, policyLine } from '../../domain/policy-line.ts';
import { placeOf } from '../../policy/model.ts';
import { type Asked, type Known, missingLine, permits } from '../../policy/permits.ts';
import { type PolicyBook, policiesOf } from './policy-book.ts';

export interface Permission {
  /** Null where nobody knows. */
  readonly permitted: boolean | null;
  /** The line that permits it, with its place; or who says so. */
  readonly by: string | null;
  /** Why it is refused, or unknown. */
  readonly why: string | null;
  /** The line to add, where one is missing. */
  readonly add: string | null;
  /** Where the line goes: a policy, one of several, or a role. */
  readonly into: string;
  /** The policies that a policy's line may go into. */
  readonly policies: readonly string[];
}

/** What is known of the policies of one token. */
export interface Sources {
  readonly names: readonly string[];
  readonly book: PolicyBook | null;
  readonly rights: Rights | null;
  /** Why there are no rights to look at. */
  readonly unasked: string;
  readonly known?: Known;
}

export async function permission(wanted: Asked, sources: Sources): Promise<Permission> {
  const { names, book, rights, unasked } = sources;
  if (book !== null && names.length > 0) return byText(wanted, sources, book);
  const has = rights?.[wanted.path];
  const add = missingLine(wanted);
  const into = intoPolicy(names);
  if (has === undefined) return { permitted: null, by: null, why: unasked, add: null, into, policies: names };
  if (has.includes('root') || wanted.capabilities.every((one) => has.includes(one))) {
    return {
      permitted: true,
      by: `what Vault says of the token: ${has.join(' and ')} (limits on parameters aside)`,
      why: null,
      add: null,
      into,
      policies: names,
    };
  }
  const why = has.includes('deny')
    ? 'no policy permits it, or one denies it'
    : `Vault allows only ${has.join(' and ')}`;
  return { permitted: false, by: null, why, add, into, policies: names };
}

async function byText(wanted: Asked, { names, known }: Sources, book: PolicyBook): Promise<Permission> {
  const { policies, absent, faults } = await policiesOf(book, names);
  const into = intoPolicy(names);
  const verdict = permits(policies, wanted, known);
  if (verdict.permitted) {
    const by = verdict.by
      .map(({ policy, rule }) => `${placeOf(policy, rule)}: ${policyLine(rule.path, ...rule.capabilities)}`)
      .join(' and ');
    return { permitted: true, by, why: null, add: null, into, policies: names };
  }
  const lost = absent.map((name) => `there is no policy ${name} ${book.where}`);
  const why = [...faults, ...lost, ...(policies.length === 0 ? [] : [verdict.why])].join('; ');
  return { permitted: false, by: null, why, add: verdict.missing, into, policies: names };
}
