// Owns how facts that version 0 of the journal wrote are read today. Invariant: what they do not say becomes what
// was true then: one generation, no parent, nothing that a later agent could take over by its identity.

import type { Fact } from '../../domain/fact.ts';

export function asWrittenNow(fact: Fact): Fact {
  switch (fact.type) {
    case 'grant.accepted':
      return {
        ...fact,
        groups: fact.groups ?? [],
        admin: fact.admin ?? false,
        bound: fact.bound ?? null,
        parent: fact.parent ?? null,
        latest_deadline: fact.latest_deadline ?? fact.deadline,
        plan: { ...fact.plan, overlapMs: fact.plan.overlapMs ?? 0, extend: fact.plan.extend ?? false },
      };
    case 'generation.opened':
      return { ...fact, why: fact.why ?? null, plan: fact.plan ?? null };
    case 'token.opened':
      return { ...fact, session: fact.session ?? '' };
    default:
      return fact;
  }
}
